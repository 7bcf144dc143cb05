#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "system/process_table.h"

namespace deployer::process {

/// Which processes belong together: some roots, all their descendants, all of sessions that one of them leads, and
/// whom `adopts` takes in besides. It remembers whom it has seen, so that one whose parent has ended still belongs to
/// it. The caller itself and init never do.
class Tree {
 public:
  using Adopts = std::function<bool(const Entry&)>;
  /// Processes with `keep_variable` in their environment, and their descendants, do not belong to it; a root among
  /// them does where `roots_always` says so.
  Tree(std::set<Key> roots, bool roots_always, std::string keep_variable, Adopts adopts = {});

  std::vector<Entry> members(const Table& table);

 private:
  bool belongs(const Entry& entry, const Table& table) const;
  bool spared(const Entry& entry) const;

  std::set<Key> roots_;
  bool roots_always_;
  std::string keep_variable_;
  Adopts adopts_;
  std::set<Key> known_;
};

/// Ends a tree in rounds: TERM, `grace`, then KILL again and again, since a fork in flight escapes a single one, until
/// two looks in succession found nobody. Who comes later than the first look is told TERM only once its parent is
/// gone: it may be what a living one needs to clean up. Does not block.
class TreeEnd {
 public:
  using Reap = std::function<void(pid_t)>;
  /// `reap` is called for each dead member that waits for this process to be reaped.
  TreeEnd(Tree tree, Duration grace, Reap reap);

  /// One look; signals whom it finds. How long to wait before the next, or nothing if nobody is left. Error
  /// `left_behind` if only such are left as this user may not signal.
  std::optional<Duration> round();
  /// How many have been signalled.
  int signalled() const { return static_cast<int>(termed_.size()); }
  /// Since when those that were left have been killed without an effect.
  Duration killing_for() const;
  /// One of those that were left at the last look, as in `process 12 (sleep)`.
  std::string survivor() const;

 private:
  using Clock = std::chrono::steady_clock;
  void signal_all(const std::vector<Entry>& living, bool kill);

  Tree tree_;
  Clock::time_point kill_at_;
  Reap reap_;
  std::set<Key> termed_;
  std::vector<Entry> left_;
  bool first_look_ = true;
  int empty_looks_ = 0;
  Duration wait_{1};
};

}  // namespace deployer::process
