#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "system/process.h"
#include "system/process_spawn.h"
#include "system/process_table.h"

namespace deployer::process {

/// By what an orphan of a command is recognised once its parents are gone: the run and step that its environment names,
/// or where the command names no run, its whole environment.
class Family {
 public:
  explicit Family(const Environment& environment);
  bool named() const { return named_; }
  /// True if this block (`read_environment`) says that its process comes from such a command.
  bool includes(std::string_view environment) const;
  bool operator==(const Family&) const = default;

 private:
  std::map<std::string, std::optional<std::string>> variables_;
  bool named_ = false;
};

/// The children that are being waited for. Forking and reaping go through it, so that nobody reaps what another waits
/// for. Any thread.
class Children {
 public:
  pid_t fork(Launch& launch, const Family& family);
  /// Its waiter has reaped it or given it up.
  void forget(pid_t pid);
  /// Whether this process is an orphan that came to us from the command whose child is `root`.
  bool is_orphan_of(const Entry& entry, const Key& root, const Family& family) const;
  /// Reaps a dead child that nobody waits for.
  void reap_orphan(pid_t pid);

 private:
  mutable std::mutex mutex_;
  std::map<pid_t, Family> waited_for_;
};

}  // namespace deployer::process
