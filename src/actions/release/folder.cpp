#include "actions/release/source.h"
#include "base/error.h"
#include "system/files.h"

namespace deployer {

namespace {

const char* special_file_word(std::filesystem::file_type type) {
  switch (type) {
    case std::filesystem::file_type::regular:
    case std::filesystem::file_type::directory:
    case std::filesystem::file_type::symlink:
      return nullptr;
    case std::filesystem::file_type::socket:
      return "a socket";
    case std::filesystem::file_type::fifo:
      return "a named pipe";
    default:
      return "a device";
  }
}

}  // namespace

void refuse_special_files(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::recursive_directory_iterator entries(folder, failure);
  for (; !failure && entries != std::filesystem::recursive_directory_iterator(); entries.increment(failure)) {
    const auto type = entries->symlink_status(failure).type();
    if (failure) break;
    if (const char* word = special_file_word(type)) {
      throw Error(ErrorKind::failed, entries->path().string() + " is " + word + ", which a release cannot hold");
    }
  }
  if (failure) throw io_error(failure.value(), "cannot look through " + folder.string());
}

void copy_release_folder(ActionContext& context, const std::filesystem::path& source,
                         const std::filesystem::path& folder) {
  std::error_code failure;
  if (!std::filesystem::is_directory(source, failure)) {
    throw Error(ErrorKind::failed, context.files().exists(source) ? source.string() + " is no folder"
                                                                  : source.string() + " does not exist");
  }
  refuse_special_files(source);
  context.must({"",
                {"cp", "--recursive", "--no-dereference", "--preserve=mode,timestamps,links", "--", source / ".",
                 folder.string()},
                {}},
               "cp");
}

}  // namespace deployer
