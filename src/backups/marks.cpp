#include "backups/marks.h"

#include "system/files.h"

namespace deployer::backups {

namespace fs = std::filesystem;

fs::path with_suffix(const fs::path& file, std::string_view suffix) {
  fs::path longer = file;
  longer += suffix;
  return longer;
}

bool is_marked(const fs::path& file, const Files& files) {
  return files.exists(with_suffix(file, writing_suffix)) || files.exists(with_suffix(file, removed_suffix));
}

}  // namespace deployer::backups
