#include "system/process_children.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"

namespace deployer::process {

namespace {

constexpr std::array<const char*, 2> run_and_step = {"DEPLOYER_RUN_ID", "DEPLOYER_STEP"};
/// What every shell sets anew for its children.
constexpr std::array<std::string_view, 4> set_by_shells = {"PWD", "OLDPWD", "SHLVL", "_"};

}  // namespace

Family::Family(const Environment& environment) : named_(environment.contains(run_and_step[0])) {
  if (named_) {
    for (const char* name : run_and_step) {
      const auto variable = environment.find(name);
      variables_[name] = variable == environment.end() ? std::nullopt : std::optional(variable->second);
    }
    return;
  }
  for (const auto& [name, value] : environment) {
    if (std::find(set_by_shells.begin(), set_by_shells.end(), name) == set_by_shells.end()) variables_[name] = value;
  }
}

bool Family::includes(std::string_view environment) const {
  return !variables_.empty() && std::all_of(variables_.begin(), variables_.end(), [&](const auto& variable) {
    return variable_in(environment, variable.first) == variable.second;
  });
}

pid_t Children::fork(Launch& launch, const Family& family) {
  const std::scoped_lock lock(mutex_);
  const pid_t pid = launch.fork();
  waited_for_.emplace(pid, family);
  return pid;
}

void Children::forget(pid_t pid) {
  const std::scoped_lock lock(mutex_);
  waited_for_.erase(pid);
}

bool Children::is_orphan_of(const Entry& entry, const Key& root, const Family& family) const {
  if (entry.parent != ::getpid() || !entry.lives()) return false;
  {
    const std::scoped_lock lock(mutex_);
    if (waited_for_.contains(entry.key.pid)) return false;
    // Two commands at once with the same environment and no names: an orphan may be of either.
    if (!family.named()) {
      if (entry.key.start_time < root.start_time) return false;
      for (const auto& [pid, other] : waited_for_) {
        if (pid != root.pid && other == family) return false;
      }
    }
  }
  const std::optional<std::string> environment = read_environment(entry.key.pid);
  return environment && family.includes(*environment);
}

void Children::reap_orphan(pid_t pid) {
  const std::scoped_lock lock(mutex_);
  if (waited_for_.contains(pid)) return;
  siginfo_t info{};
  // Another thread may have reaped it between the look and now (ECHILD).
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0 && errno != ECHILD) {
    throw io_error(errno, "cannot reap process " + std::to_string(pid));
  }
}

}  // namespace deployer::process
