#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actions/release/layout.h"

namespace deployer {

// Files and folders that outlive each release: they stand under `shared/`, and each release has links to them.

/// For a Parameter: the complaint about a list of such paths, or nothing. Each is relative, stays inside, and is not in
/// another.
std::optional<std::string> shared_paths_complaint(const Json& value);

/// The folders that are missing under `shared/`, parents first, as absolute paths.
std::vector<std::filesystem::path> missing_shared_folders(const ReleaseLayout& layout, const Files& files,
                                                          const std::vector<std::string>& paths);

/// Puts a link in place of each path in a release that is being built. What the release itself has there goes; but
/// Error `failed` if that is a file, and shared has only the folder of `made` in its place.
void link_shared(const ReleaseLayout& layout, Files& files, const std::vector<std::string>& paths,
                 const std::vector<std::filesystem::path>& made, const std::filesystem::path& folder);

}  // namespace deployer
