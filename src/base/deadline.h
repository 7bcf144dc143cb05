#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

namespace deployer {

/// A length of time; everywhere in deployer milliseconds are exact enough.
using Duration = std::chrono::milliseconds;

/// Until when a call may block, and how it is told to stop earlier. Given to everything that blocks; cheap to copy.
/// The time is of the steady clock: a clock set back or forth does not move it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// Blocks as long as it takes, unless `stop` is requested.
  static Deadline never(std::stop_token stop = {});
  /// From now on at most `length`, unless `stop` is requested.
  static Deadline after(Duration length, std::stop_token stop = {});

  /// The earlier of this one and `length` from now, with the same stop token.
  Deadline at_most(Duration length) const;

  bool expired() const;
  bool cancelled() const { return stop_.stop_requested(); }
  /// What is left, at least 0; nothing for a deadline that never comes.
  std::optional<Duration> left() const;
  /// `left()` as poll(2) takes it: -1 for never, rounded up, at most `cap`.
  int poll_ms(Duration cap = std::chrono::hours(1)) const;

  /// Throws Error `cancelled` or `timed_out` ("timed out: WHAT"), if it is over.
  void check(std::string_view what) const;

  /// Sleeps for `length`, less when the deadline comes or stop is requested first. False if it was cut short.
  bool sleep(Duration length) const;

  const std::stop_token& stop() const { return stop_; }
  std::optional<Clock::time_point> until() const { return until_; }

 private:
  Deadline(std::optional<Clock::time_point> until, std::stop_token stop);

  std::optional<Clock::time_point> until_;
  std::stop_token stop_;
};

}  // namespace deployer
