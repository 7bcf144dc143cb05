#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/deadline.h"

namespace deployer::database {

/// Looks at the clock and the stop token while a statement runs in another thread, since the client library waits for
/// the server without doing so. When the statement's time is over, it calls `kill` (KILL QUERY by a second connection)
/// again and again until the statement has ended; where that failed several times, `cut` (the end of the connection).
class MariaDbWatcher {
 public:
  /// `kill` says whether the server was told; `pause` lies between two of them.
  MariaDbWatcher(std::function<bool()> kill, std::function<void()> cut, Duration pause = std::chrono::seconds(1));

  /// A statement begins. Not nested. `silence`: how long it may wait for the server at a time; 0: no limit.
  void arm(const Deadline& deadline, Duration silence = Duration(0));
  /// The server was heard: the statement's thread waits no longer for it, until it says that it does again.
  void heard();
  void waits();
  /// It has ended. Returns, after a `kill` that is under way, whether one was sent.
  bool disarm();
  /// Whether the last statement was killed because the server was silent, and for no other reason.
  bool fell_silent() const;
  /// Ends the statement that is running, if any. Any thread.
  void interrupt();

 private:
  struct Wake {
    MariaDbWatcher* watcher;
    void operator()() const;
  };
  void watch(const std::stop_token& quit);
  bool due() const;
  bool silent() const;
  bool nearer() const;
  std::optional<Deadline::Clock::time_point> next_look() const;

  std::function<bool()> kill_;
  std::function<void()> cut_;
  Duration pause_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Deadline> deadline_;  ///< of the statement that runs
  std::optional<Deadline::Clock::time_point> sleeps_until_;
  Duration silence_{0};
  std::atomic<Deadline::Clock::rep> waits_since_{0};  ///< of the steady clock; 0: it does not wait
  bool interrupted_ = false;
  bool fell_silent_ = false;
  bool killing_ = false;
  bool killed_ = false;
  std::optional<std::stop_callback<Wake>> on_stop_;
  std::jthread thread_;
};

}  // namespace deployer::database
