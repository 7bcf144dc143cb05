#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"

namespace deployer {

/// A child's environment, whole: nothing is added to it and nothing inherited.
using Environment = std::map<std::string, std::string>;

/// What is to be run.
struct Command {
  std::vector<std::string> argv;  ///< argv[0] without `/` is looked up in the PATH of `env`
  Environment env;
  std::filesystem::path directory;  ///< empty: the runner's own
  std::string input;                ///< standard input; empty: /dev/null
  std::vector<int> keep_fds;        ///< descriptors of ours that the child gets under the same number
};

/// One process, so exactly that a later look cannot mistake another for it: pids are reused, but not with the same
/// start time in the same boot and the same pid namespace.
struct ProcessRecord {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< field 22 of /proc/PID/stat, clock ticks since boot
  std::string boot_id;           ///< /proc/sys/kernel/random/boot_id
  std::string pid_namespace;     ///< in which the pid is one: the reader's own, the text of /proc/self/ns/pid

  Json json() const;
  /// Error `invalid` if it is not such a record.
  static ProcessRecord from(const Json& json);
  bool operator==(const ProcessRecord&) const = default;
};

/// How a process ended.
struct Exit {
  enum class Kind { exited, signalled, not_started, timed_out, cancelled };
  Kind kind = Kind::exited;
  int code = 0;  ///< exit status, signal, or errno of what could not be started
  /// argv[0]; where something else was missing, what that is: `working directory DIR`, `SCRIPT: interpreter FILE`.
  std::string program;

  bool ok() const { return kind == Kind::exited && code == 0; }
  /// `exited with status 3`, `was killed by signal 9 (Killed)`, `could not be started: PROGRAM: No such file …`,
  /// `timed out`, `was cancelled`.
  std::string text() const;
};

enum class OutputStream { out, err };
using OutputSink = std::function<void(OutputStream, std::string_view)>;

/// Called with the child's record after it exists and before its program begins; the child waits for the return. If it
/// throws, or the runner dies in it, the program never begins.
using OnProcess = std::function<void(const ProcessRecord&)>;

/// Starts programs and sees to it that nothing they started outlives them.
///
/// A child gets an own session and process group, default signal dispositions and an empty mask, the descriptors 0, 1,
/// 2 and `keep_fds` and no other (close_range(2)), the environment as given. It waits on a pipe until `on_process` has
/// returned and ends when that pipe closes instead, so a killed runner leaves no child without a record.
/// The runner becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): daemons that forked twice become its children
/// and are found.
///
/// Any thread. One object a process.
class Processes {
 public:
  Processes();
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// Runs a program and waits until *its process* has ended, whoever still holds its pipes; what is in the pipes then
  /// is still delivered. Output goes to `sink` as it comes, in pieces of at most 64 KiB, from the calling thread;
  /// nothing of it is kept. When the deadline comes or a stop is requested, the whole tree is ended: TERM, `grace`,
  /// KILL, until nobody is left, grandchildren in sessions of their own included. What it left in the background when
  /// it ended by itself goes on, its output is read and dropped; see `end_all`. A sink that throws ends the tree too,
  /// and the exception goes on. Then TERM goes to those who are there; a helper that one of them starts to clean up is
  /// let work until its parent is gone or the grace is over.
  /// Nothing is started when the deadline is over already. A program that cannot be started is an Exit. Errors: `io` if
  /// the kernel has no more processes or descriptors, `invalid` for NUL bytes, `left_behind` if a process of the tree
  /// does not end within 30 s of SIGKILL or belongs to another user.
  Exit run(const Command& command, const Deadline& deadline, const OutputSink& sink = {},
           const OnProcess& on_process = {});

  /// The same, with what it printed on standard output (at most `limit` bytes; what is over is dropped) and on
  /// standard error.
  struct Captured {
    Exit exit;
    std::string out;
    std::string err;
  };
  Captured capture(const Command& command, const Deadline& deadline, std::size_t limit = 1 << 20,
                   const OnProcess& on_process = {});

  /// Ends every descendant that is left, except those with `keep_variable` in their environment (services handed
  /// over): TERM, `grace`, KILL, in rounds until none is left. How many were ended. Idempotent. Children that others
  /// than `run` have started are left alone if they are in this process's own session. Error `left_behind` as above.
  /// The destructor ends nobody; it closes the pipes that background processes still write to.
  int end_all(std::string_view keep_variable);

  /// How long a tree has between TERM and KILL; ten seconds unless a test shortens it.
  void set_grace(Duration grace);

  /// The name of a variable that marks services which were handed over: ending the tree of a command that timed out,
  /// was cancelled or whose sink threw spares descendants that have it in their environment. Empty at first: none.
  void set_keep_variable(std::string_view name);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The record of a living process, or nothing. `of_self` is the runner's own.
std::optional<ProcessRecord> record_of(pid_t pid);
ProcessRecord record_of_self();

/// Whether the very process of the record still lives; nothing where this cannot be known from here (another pid
/// namespace). A record of another boot is dead: false; whether it was one of this host, the caller knows. A zombie
/// does not live.
std::optional<bool> is_alive(const ProcessRecord& record);

/// The processes whose environment has `name=value` (read from /proc/*/environ, those of other users only as root),
/// without the caller itself.
std::vector<ProcessRecord> find_by_environment(std::string_view name, std::string_view value);

/// One variable of the environment a process was started with, or nothing.
std::optional<std::string> environment_of(const ProcessRecord& record, std::string_view name);

/// Ends these processes and all their descendants, children of ours or not: TERM, at most `grace`, KILL, then waits
/// until they are gone. Processes with `keep_variable` in their environment are left alone. How many were ended.
/// At least half of the time is for KILL. Does not reap. Error `timed_out` if one cannot be ended by the deadline
/// (uninterruptible sleep), `cancelled`, `left_behind` if only such are left as belong to another user.
int end_processes(const std::vector<ProcessRecord>& records, Duration grace, const Deadline& deadline,
                  std::string_view keep_variable = {});

/// The file that `program` names, looked up in `path` (as in PATH) where it has no `/`; nothing if there is none that
/// can be executed.
std::optional<std::filesystem::path> find_program(std::string_view program, std::string_view path);

}  // namespace deployer
