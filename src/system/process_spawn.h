#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "system/process.h"
#include "system/process_descriptor.h"

namespace deployer::process {

/// What the child says before its program begins, and why that did not.
struct StartFailure {
  enum class Stage : int { setup, directory, program };
  Stage stage = Stage::setup;
  int code = 0;
};

/// A child about to be forked: everything that needs memory or may fail is done before, so that the child only makes
/// async-signal-safe calls (signal-safety(7)).
class Launch {
 public:
  /// `file` is what execve(2) gets. Errors: `invalid` for a NUL byte in a word or variable and a variable's name that
  /// is none; `io` for descriptors that cannot be made.
  Launch(const Command& command, const std::filesystem::path& file);

  /// Forks. The child waits for a byte at the gate; its ends of the pipes are closed here. Error `io`.
  pid_t fork();

  const std::string& file() const { return file_; }

  Descriptor gate;    ///< a byte opens it; closed without one, the child ends
  Descriptor status;  ///< gives a StartFailure, or nothing and an end when the program has begun
  Descriptor in;      ///< invalid where there is no input
  Descriptor out;
  Descriptor err;

 private:
  [[noreturn]] void child() noexcept;
  void close_others() noexcept;
  void fail(StartFailure::Stage stage) noexcept;

  std::string file_;
  std::string directory_;
  std::vector<std::string> variables_;
  std::vector<std::string> words_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
  std::vector<int> kept_;          ///< the descriptors of `keep_fds`
  std::vector<int> open_in_wait_;  ///< sorted: these, the gate's end and the status pipe's
  Descriptor child_gate_;
  Descriptor child_status_;
  Descriptor child_in_;
  Descriptor child_out_;
  Descriptor child_err_;
};

/// Where a program is, and as what execve(2) shall get it; or why it cannot be run (ENOENT, EACCES).
struct Lookup {
  std::filesystem::path file;
  int code = 0;
};
/// As execvp(3) looks for it in `path`, whose relative entries begin at `base`.
Lookup look_up_program(std::string_view program, std::string_view path, const std::filesystem::path& base);

/// write(2) to a pipe whose reader may be gone: EPIPE, but no SIGPIPE.
ssize_t write_without_signal(int fd, const void* bytes, std::size_t count);

}  // namespace deployer::process
