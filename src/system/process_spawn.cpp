#include "system/process_spawn.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "base/error.h"
#include "base/text.h"

namespace deployer::process {

namespace {

struct SpawnPipe {
  Descriptor read;
  Descriptor write;
};

SpawnPipe spawn_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw io_error(errno, "cannot make a pipe");
  // Both are owned before either may be moved.
  Descriptor read(ends[0]);
  Descriptor write(ends[1]);
  SpawnPipe pipe;
  pipe.read = ends[0] > STDERR_FILENO
                  ? std::move(read)
                  : take_descriptor(::fcntl(ends[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "make a pipe");
  pipe.write = ends[1] > STDERR_FILENO
                   ? std::move(write)
                   : take_descriptor(::fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "make a pipe");
  return pipe;
}

void set_nonblocking(const Descriptor& descriptor) {
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  if (flags < 0 || ::fcntl(descriptor.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    throw io_error(errno, "cannot make a pipe non-blocking");
  }
}

void refuse_nul(const std::string& text, const std::string& what) {
  if (text.find('\0') != std::string::npos) throw Error(ErrorKind::invalid, what + " holds a NUL byte");
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

bool spawn_is_executable(const std::filesystem::path& file, int& code) {
  struct stat info;
  if (::stat(file.c_str(), &info) != 0) {
    code = errno;
    return false;
  }
  if (!S_ISREG(info.st_mode)) {
    code = EACCES;
    return false;
  }
  if (::faccessat(AT_FDCWD, file.c_str(), X_OK, AT_EACCESS) != 0) {
    code = errno;
    return false;
  }
  return true;
}

}  // namespace

Lookup look_up_program(std::string_view program, std::string_view path, const std::filesystem::path& base) {
  if (program.empty()) return {{}, ENOENT};
  if (program.find('/') != std::string_view::npos) return {program, 0};
  Lookup result{{}, ENOENT};
  if (path.empty()) return result;
  for (const std::string& folder : split(path, ':')) {
    const std::filesystem::path file = std::filesystem::path(folder.empty() ? "." : folder) / program;
    int code = 0;
    if (spawn_is_executable(base / file, code)) return {file, 0};
    if (code == EACCES) result.code = EACCES;
  }
  return result;
}

ssize_t write_without_signal(int fd, const void* bytes, std::size_t count) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigemptyset(&pending);
  if (::sigpending(&pending) != 0) return -1;
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before); code != 0) {
    errno = code;
    return -1;
  }
  const ssize_t written = ::write(fd, bytes, count);
  const int code = errno;
  if (written < 0 && code == EPIPE && !was_pending) {
    const timespec at_once{0, 0};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = code;
  return written;
}

Launch::Launch(const Command& command, const std::filesystem::path& file)
    : file_(file.string()), directory_(command.directory.string()), words_(command.argv), kept_(command.keep_fds) {
  for (const std::string& word : words_) refuse_nul(word, "an argument of " + shell_quote(words_.front()));
  refuse_nul(directory_, "a working directory");
  for (const auto& [name, value] : command.env) {
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
      throw Error(ErrorKind::invalid, "not the name of an environment variable: " + shell_quote(name));
    }
    refuse_nul(value, "the environment variable " + name);
    variables_.push_back(name + "=" + value);
  }
  argv_ = pointers(words_);
  envp_ = pointers(variables_);
  for (const int fd : kept_) {
    if (fd <= STDERR_FILENO || ::fcntl(fd, F_GETFD) < 0) {
      throw Error(ErrorKind::internal, "descriptor " + std::to_string(fd) + " cannot be kept for a child");
    }
  }

  SpawnPipe gate_pipe = spawn_pipe();
  SpawnPipe status_pipe = spawn_pipe();
  SpawnPipe out_pipe = spawn_pipe();
  SpawnPipe err_pipe = spawn_pipe();
  SpawnPipe in_pipe;
  if (command.input.empty()) {
    in_pipe.read = take_descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null");
  } else {
    in_pipe = spawn_pipe();
    set_nonblocking(in_pipe.write);
  }
  set_nonblocking(status_pipe.read);
  set_nonblocking(out_pipe.read);
  set_nonblocking(err_pipe.read);
  gate = std::move(gate_pipe.write);
  status = std::move(status_pipe.read);
  in = std::move(in_pipe.write);
  out = std::move(out_pipe.read);
  err = std::move(err_pipe.read);
  child_gate_ = std::move(gate_pipe.read);
  child_status_ = std::move(status_pipe.write);
  child_in_ = std::move(in_pipe.read);
  child_out_ = std::move(out_pipe.write);
  child_err_ = std::move(err_pipe.write);
  open_in_wait_ = kept_;
  open_in_wait_.push_back(child_gate_.get());
  open_in_wait_.push_back(child_status_.get());
  std::sort(open_in_wait_.begin(), open_in_wait_.end());
}

pid_t Launch::fork() {
  // No handler of ours may run in the child before it has reset them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  if (const int code = ::pthread_sigmask(SIG_SETMASK, &all, &before); code != 0) throw io_error(code, "cannot fork");
  const pid_t pid = ::fork();
  if (pid == 0) child();
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw io_error(code, "cannot fork");
  child_gate_.reset();
  child_status_.reset();
  child_in_.reset();
  child_out_.reset();
  child_err_.reset();
  return pid;
}

void Launch::fail(StartFailure::Stage stage) noexcept {
  const StartFailure failure{stage, errno};
  ssize_t written = 0;
  do {
    written = ::write(child_status_.get(), &failure, sizeof failure);
  } while (written < 0 && errno == EINTR);
  ::_exit(127);
}

/// Really closed, not only at exec: a child that waits at its gate must hold neither a lock of the runner nor the other
/// end of its own or another's gate.
void Launch::close_others() noexcept {
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : open_in_wait_) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first && ::close_range(first, kept - 1, 0) != 0) fail(StartFailure::Stage::setup);
    first = std::max(first, kept + 1);
  }
  if (::close_range(first, UINT_MAX, 0) != 0) fail(StartFailure::Stage::setup);
}

void Launch::child() noexcept {
  if (::setsid() < 0) fail(StartFailure::Stage::setup);
  struct sigaction as_usual = {};
  as_usual.sa_handler = SIG_DFL;
  // SIGKILL, SIGSTOP and the two signals of the C library refuse, and need it not.
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &as_usual, nullptr);
  if (::dup2(child_in_.get(), STDIN_FILENO) < 0 || ::dup2(child_out_.get(), STDOUT_FILENO) < 0 ||
      ::dup2(child_err_.get(), STDERR_FILENO) < 0) {
    fail(StartFailure::Stage::setup);
  }
  close_others();
  for (const int fd : kept_) {
    if (::fcntl(fd, F_SETFD, 0) < 0) fail(StartFailure::Stage::setup);
  }
  sigset_t none;
  sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) fail(StartFailure::Stage::setup);
  char open = 0;
  ssize_t count = 0;
  do {
    count = ::read(child_gate_.get(), &open, 1);
  } while (count < 0 && errno == EINTR);
  if (count != 1) ::_exit(127);
  if (!directory_.empty() && ::chdir(directory_.c_str()) != 0) fail(StartFailure::Stage::directory);
  ::execve(file_.c_str(), argv_.data(), envp_.data());
  fail(StartFailure::Stage::program);
  ::_exit(127);
}

}  // namespace deployer::process

namespace deployer {

std::optional<std::filesystem::path> find_program(std::string_view program, std::string_view path) {
  process::Lookup found = process::look_up_program(program, path, {});
  int code = found.code;
  if (code != 0 || !process::spawn_is_executable(found.file, code)) return std::nullopt;
  return std::move(found.file);
}

}  // namespace deployer
