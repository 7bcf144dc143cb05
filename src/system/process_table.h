#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace deployer::process {

/// What tells one process from every other of this boot and pid namespace.
struct Key {
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  auto operator<=>(const Key&) const = default;
};

/// A line of the process table: /proc/PID/stat (proc(5)).
struct Entry {
  Key key;
  pid_t parent = 0;
  pid_t session = 0;
  char state = '?';
  long threads = 0;
  std::string name;
  std::uint64_t memory = 0;             ///< bytes of address space; 0 for threads of the kernel and for the dead
  std::uint64_t environment_begin = 0;  ///< where it lies in the address space; 0 while execve(2) replaces that, and
  std::uint64_t environment_end = 0;    ///< where we may not know

  /// A zombie does not live, unless only its first thread has ended.
  bool lives() const { return (state != 'Z' && state != 'X') || threads > 1; }
};

using Table = std::map<pid_t, Entry>;

/// Nothing if there is no such process. Error `io` if /proc cannot be read.
std::optional<Entry> read_entry(pid_t pid);
/// All processes that /proc shows. One that begins or ends meanwhile may be missing.
Table read_table();

/// The environment a process was started with, as the kernel keeps it (`NAME=value` and a NUL, again and again);
/// nothing if it has ended or belongs to somebody else. Waits, for 100 ms at most, until an execve(2) that is under way
/// has put it there.
std::optional<std::string> read_environment(pid_t pid);
/// The value of a variable in such a block.
std::optional<std::string> variable_in(std::string_view environment, std::string_view name);

/// The text of a file of /proc. Nothing if the process is gone or not ours to read; other failures are Error `io`.
/// Read `piece` bytes at a time.
std::optional<std::string> read_proc(const std::string& path, std::size_t piece = 4096);

}  // namespace deployer::process
