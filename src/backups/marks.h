#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace deployer {
class Files;
}

namespace deployer::backups {

// Beside a backup's file that is not yet, or no longer, a backup stands a mark, so that a crash leaves nothing that
// could be taken for one: `FILE.writing.part`, locked by its writer, or `FILE.removed.part`.
inline constexpr std::string_view writing_suffix = ".writing.part";
inline constexpr std::string_view removed_suffix = ".removed.part";
/// The database's own copy, before it is stored.
inline constexpr std::string_view copy_suffix = ".copy.part";

std::filesystem::path with_suffix(const std::filesystem::path& file, std::string_view suffix);

/// True if a mark stands beside the file.
bool is_marked(const std::filesystem::path& file, const Files& files);

}  // namespace deployer::backups
