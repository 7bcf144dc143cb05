#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backups/manifest.h"
#include "base/deadline.h"

namespace deployer::backups {

/// The backups of a folder.
struct Catalogue {
  std::vector<Manifest> backups;      ///< newest first
  std::vector<std::string> problems;  ///< manifests that cannot be read, backups whose file is gone or has another size
};

/// What the manifests of a folder say; no folder, no backups. A backup whose file is missing or has not the manifest's
/// size is in `problems` and not in `backups`.
Catalogue list(const std::filesystem::path& folder, const Files& files);

/// The backup of this name, of this file's name, or of this path. Error `not_found` ("there is no backup NAME in
/// FOLDER").
Manifest show(const std::filesystem::path& folder, const std::string& name, const Files& files);

/// The newest backup of a list that is good, by its checksum; nothing if none is. Reads files until it has found it.
std::optional<std::string> newest_good(const std::vector<Manifest>& backups, const Files& files,
                                       const Deadline& deadline);

/// Removes a backup: first it stops being one (its manifest becomes a mark), then its file goes, then the mark. Killed
/// in between, the rest is a leftover. Removing one that is gone does nothing. Errors `io`.
void remove(const Manifest& backup, Files& files);

/// Removes what backups and removals that died left in the folder: `.part` files, and backup files that never became a
/// backup or had stopped being one. What a living process is writing stays (it holds the mark's lock), and so does any
/// file that nobody marked. The names of what was removed. Errors `io`.
std::vector<std::string> remove_leftovers(const std::filesystem::path& folder, Files& files);

}  // namespace deployer::backups
