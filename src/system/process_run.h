#pragma once

#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "system/process.h"
#include "system/process_children.h"
#include "system/process_drain.h"
#include "system/process_spawn.h"
#include "system/process_tree.h"

namespace deployer::process {

/// How long killed processes may stay before they are given up as unkillable.
inline constexpr Duration kill_patience = std::chrono::seconds(30);

/// What several runs share.
struct Shared {
  Children children;
  Drain drain;
};

/// One command from fork to reaping. Used once.
class Run {
 public:
  struct Options {
    Duration grace;
    std::string keep_variable;
  };
  Run(Shared& shared, const Command& command, const std::filesystem::path& file, const Deadline& deadline,
      const OutputSink& sink, Options options);
  /// A child that was not reaped is killed: it was never let begin, or ending its tree failed.
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Exit go(const OnProcess& on_process);

 private:
  using Clock = std::chrono::steady_clock;

  void start(const OnProcess& on_process);
  void pump();
  void poll_once(int timeout_ms);
  void look_at_deadline();
  void begin_ending();
  bool end_round();
  void write_input();
  void read_status();
  void read_output(Descriptor& pipe, OutputStream stream, std::size_t limit);
  void drain_output(Descriptor& pipe, OutputStream stream);
  void deliver(OutputStream stream, std::string_view bytes);
  void hand_over(Descriptor& pipe);
  Exit reap();

  Shared* shared_;
  const Command* command_;
  const Deadline* deadline_;
  const OutputSink* sink_;
  Options options_;
  Family family_;
  Launch launch_;
  Descriptor stop_event_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::vector<char> buffer_;
  std::size_t written_ = 0;

  pid_t pid_ = -1;
  Key root_;
  Descriptor handle_;  ///< the pidfd
  bool ended_ = false;
  bool reaped_ = false;
  bool given_up_ = false;
  std::optional<StartFailure> start_failure_;
  std::optional<Exit::Kind> stopped_;
  std::exception_ptr failure_;
  std::optional<TreeEnd> ending_;
  Clock::time_point next_round_;
};

}  // namespace deployer::process
