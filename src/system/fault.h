#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace deployer {

/// The points at which the process may die in a crash test. They stand before and after every effect and every write
/// of the journal, and cost one increment each when nobody tests.
class FaultPoints {
 public:
  /// Points that do nothing.
  FaultPoints() = default;
  /// As a test asks for in the environment: `DEPLOYER_FAULT_KILL=N` sends SIGKILL to this process when it passes its
  /// N-th point (from 1); `DEPLOYER_FAULT_TRACE=FILE` appends the name of each point to FILE, a line each, before
  /// anything else happens there. Anything else than a number in the first is an Error `usage`.
  static FaultPoints from_environment();
  FaultPoints(FaultPoints&& other) noexcept;

  /// A point called `name`, as in `effect.before backup publish`. Any thread.
  void pass(std::string_view name);

 private:
  std::atomic<std::uint64_t> passed_{0};
  std::uint64_t kill_at_ = 0;
  std::filesystem::path trace_;
};

}  // namespace deployer
