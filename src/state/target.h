#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"

namespace deployer {

class Files;

/// What a run works on, and what must not be worked on by two runs at once.
struct Target {
  std::string identity;          ///< the database's identity, else the `lock:` name, else the pipeline's name
  std::string name;              ///< for people: as in `lock list`
  std::filesystem::path folder;  ///< journal, logs, scratch: `ROOT/SLUG-DIGEST`
  /// flock files, taken in this order: `FILE.deployer-lock` beside a database file, and files in the state folder for
  /// names.
  std::vector<std::filesystem::path> lock_files;
};

/// Where deployer remembers things. `configured` is the setting `state` ("auto" or a folder); "auto" is
/// /var/lib/deployer where it can be written (or made), else `${XDG_STATE_HOME:-~/.local/state}/deployer`. Makes
/// nothing.
std::filesystem::path state_root(const std::string& configured, const std::map<std::string, std::string>& environment);

/// The target of a pipeline. `database_identity` and `database_file` (real path) are empty where there is none;
/// `lock_name` is the document's `lock`, empty where it has none.
Target target_of(const std::filesystem::path& root, const std::string& database_identity,
                 const std::filesystem::path& database_file, const std::string& lock_name,
                 const std::string& pipeline_name);

/// All targets that `root` knows (each folder holds `target.json`, published when the first run began there).
std::vector<Target> known_targets(const std::filesystem::path& root, const Files& files);

/// Who holds a target. Written into the lock files while they are held.
struct LockOwner {
  std::string run;
  std::string host;
  Json record;  ///< ProcessRecord of the runner
  std::string since;
  std::string journal = {};  ///< the state folder of its target; filled in by TargetLock
};

/// The lock of a target: all its flock files, held together. Ends with the process or the object.
class TargetLock {
 public:
  /// Takes it, waiting until the deadline while somebody holds it (`waiting` is told once who it is). Nothing when it
  /// is still held then. Makes the folders and `target.json`. Error `unsettled` where a
  /// run died whose journal is in another state folder. Children inherit nothing of it.
  static std::optional<TargetLock> take(const Target& target, const LockOwner& owner, Files& files,
                                        const Deadline& deadline,
                                        const std::function<void(const LockOwner&)>& waiting = {});
  /// Who holds it now, as far as the lock file says; nothing if it is free. Makes nothing.
  static std::optional<LockOwner> holder(const Target& target);

  TargetLock(TargetLock&&) noexcept;
  TargetLock& operator=(TargetLock&&) noexcept;
  ~TargetLock();

 private:
  struct State;
  explicit TargetLock(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deployer
