#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/action.h"

namespace deployer {

/// Where everything of a released application is, laid out as Capistrano does: `releases/ID`, `shared/…`, `current` (a
/// link to `releases/ID`), and `repo`, the mirror of what git fetches.
struct ReleaseLayout {
  explicit ReleaseLayout(std::filesystem::path folder) : directory(std::move(folder)) {}
  explicit ReleaseLayout(const ActionContext& context);  ///< of the step's `directory`

  std::filesystem::path directory;
  std::filesystem::path releases() const { return directory / "releases"; }
  std::filesystem::path release(const std::string& id) const { return releases() / id; }
  /// Where a release stands until it is whole.
  std::filesystem::path part(const std::string& id) const { return releases() / (id + ".part"); }
  std::filesystem::path shared() const { return directory / "shared"; }
  std::filesystem::path current() const { return directory / "current"; }
  std::filesystem::path repo() const { return directory / "repo"; }
};

/// `YYYYMMDDHHMMSS` in UTC, and `-COMMIT` (its first seven digits) where there is one; `-2` and so on behind it where
/// there is such a release already.
std::string new_release_id(const ReleaseLayout& layout, const Files& files, std::chrono::system_clock::time_point now,
                           const std::string& commit);

/// Whether a folder's name is that of a release, of this program or of Capistrano.
bool is_release_id(std::string_view name);

/// Removes what killed runs have left of releases that were never whole.
void remove_release_parts(const ReleaseLayout& layout, Files& files);

/// Removes a release folder, also one whose folders are not writable. Nothing happens where there is none.
void remove_release(const std::filesystem::path& folder, Files& files);

/// Removes all but the newest `keep` releases: never one that a link in the directory points to, nor those of the link
/// texts in `needed`. The ids of the removed.
std::vector<std::string> remove_old_releases(const ReleaseLayout& layout, Files& files, std::size_t keep,
                                             const std::vector<std::string>& needed);

}  // namespace deployer
