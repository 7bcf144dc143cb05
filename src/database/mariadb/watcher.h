#pragma once

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
/// once a second until the statement has ended; where that failed several times, `cut` (the end of the connection).
class MariaDbWatcher {
 public:
  /// `kill` says whether the server was told.
  MariaDbWatcher(std::function<bool()> kill, std::function<void()> cut);

  /// A statement begins. Not nested.
  void arm(const Deadline& deadline);
  /// It has ended. Returns, after a `kill` that is under way, whether one was sent.
  bool disarm();
  /// Ends the statement that is running, if any. Any thread.
  void interrupt();

 private:
  struct Wake {
    MariaDbWatcher* watcher;
    void operator()() const;
  };
  void watch(const std::stop_token& quit);
  bool due() const;
  bool nearer() const;

  std::function<bool()> kill_;
  std::function<void()> cut_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Deadline> deadline_;  ///< of the statement that runs
  std::optional<Deadline::Clock::time_point> sleeps_until_;
  bool interrupted_ = false;
  bool killing_ = false;
  bool killed_ = false;
  std::optional<std::stop_callback<Wake>> on_stop_;
  std::jthread thread_;
};

}  // namespace deployer::database
