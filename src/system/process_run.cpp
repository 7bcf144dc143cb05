#include "system/process_run.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "system/process_pidfd.h"

namespace deployer::process {

namespace {

constexpr std::size_t piece_size = 64 * 1024;

/// execve(2) says ENOENT, too, where the file is there and the interpreter in its first line is not.
std::string missing_program_text(const Command& command, const std::filesystem::path& file) {
  std::ifstream script(command.directory / file, std::ios::binary);
  std::string first_line;
  if (!std::getline(script, first_line) || first_line.substr(0, 2) != "#!") return command.argv.front();
  const std::string interpreter = first_line.substr(2, first_line.find_first_of(" \t", 3) - 2);
  return command.argv.front() + ": interpreter " + interpreter;
}

}  // namespace

Run::Run(Shared& shared, const Command& command, const std::filesystem::path& file, const Deadline& deadline,
         const OutputSink& sink, Options options)
    : shared_(&shared),
      command_(&command),
      deadline_(&deadline),
      sink_(&sink),
      options_(std::move(options)),
      family_(command.env),
      launch_(command, file),
      stop_event_(take_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd")),
      buffer_(piece_size) {}

Run::~Run() {
  if (pid_ < 0) return;
  if (!reaped_) {
    launch_.gate.reset();
    siginfo_t info{};
    // The pid is ours until it is reaped, so this can hit no other.
    if (::kill(pid_, SIGKILL) == 0 || !given_up_) {
      while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | (given_up_ ? WNOHANG : 0)) != 0 &&
             errno == EINTR) {
      }
    }
  }
  shared_->children.forget(pid_);
}

Exit Run::go(const OnProcess& on_process) {
  start(on_process);
  pump();
  drain_output(launch_.out, OutputStream::out);
  drain_output(launch_.err, OutputStream::err);
  if (failure_ && !ending_) {
    begin_ending();
    pump();
  }
  hand_over(launch_.out);
  hand_over(launch_.err);
  const Exit exit = reap();
  if (failure_) std::rethrow_exception(failure_);
  return exit;
}

void Run::start(const OnProcess& on_process) {
  pid_ = shared_->children.fork(launch_, family_);
  handle_ = take_descriptor(::pidfd_open(pid_, 0), "open a pidfd");
  const std::optional<Entry> entry = read_entry(pid_);
  if (!entry) throw Error(ErrorKind::io, "cannot find process " + std::to_string(pid_) + " in /proc");
  root_ = entry->key;
  if (on_process) {
    ProcessRecord record = record_of_self();
    record.pid = root_.pid;
    record.start_time = root_.start_time;
    on_process(record);
  }
  on_stop_.emplace(deadline_->stop(), [fd = stop_event_.get()] {
    const std::uint64_t one = 1;
    // The count cannot be full: it is written once.
    [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
  });
  // A child that somebody has killed in the meantime reads no more; the pidfd tells.
  if (write_without_signal(launch_.gate.get(), "x", 1) != 1 && errno != EPIPE) {
    throw io_error(errno, "cannot write to a pipe");
  }
  launch_.gate.reset();
}

/// Until the process has ended by itself, or its tree has been ended.
void Run::pump() {
  while (true) {
    if (ending_) {
      if (!end_round()) return;
      const auto wait = std::chrono::ceil<Duration>(next_round_ - Clock::now());
      poll_once(static_cast<int>(std::max(wait, Duration(0)).count()));
      continue;
    }
    try {
      poll_once(deadline_->poll_ms());
    } catch (...) {
      failure_ = std::current_exception();
    }
    if (ended_ && !failure_) return;
    look_at_deadline();
  }
}

void Run::look_at_deadline() {
  if (!failure_) {
    if (deadline_->cancelled()) {
      stopped_ = Exit::Kind::cancelled;
    } else if (deadline_->expired()) {
      stopped_ = Exit::Kind::timed_out;
    } else {
      return;
    }
  }
  begin_ending();
}

void Run::begin_ending() {
  launch_.in.reset();
  Children* children = &shared_->children;
  ending_.emplace(Tree({root_}, true, options_.keep_variable,
                       [children, root = root_, family = family_](const Entry& entry) {
                         return children->is_orphan_of(entry, root, family);
                       }),
                  options_.grace, [children](pid_t pid) { children->reap_orphan(pid); });
  next_round_ = Clock::now();
}

/// False when nobody is left.
bool Run::end_round() {
  if (Clock::now() < next_round_) return true;
  try {
    const std::optional<Duration> wait = ending_->round();
    if (!wait) return false;
    if (ending_->killing_for() > kill_patience) {
      throw Error(ErrorKind::left_behind, ending_->survivor() + " cannot be ended: it does not react to SIGKILL");
    }
    next_round_ = Clock::now() + *wait;
    return true;
  } catch (...) {
    given_up_ = true;
    throw;
  }
}

void Run::poll_once(int timeout_ms) {
  const bool stop_matters = !ending_;
  std::array<pollfd, 6> polled{{{ended_ ? -1 : handle_.get(), POLLIN, 0},
                                {launch_.out.get(), POLLIN, 0},
                                {launch_.err.get(), POLLIN, 0},
                                {launch_.in.get(), POLLOUT, 0},
                                {launch_.status.get(), POLLIN, 0},
                                {stop_matters ? stop_event_.get() : -1, POLLIN, 0}}};
  if (::poll(polled.data(), polled.size(), timeout_ms) < 0) {
    if (errno == EINTR) return;
    throw io_error(errno, "cannot wait for " + command_->argv.front());
  }
  if (polled[0].revents != 0) ended_ = true;
  if (polled[4].revents != 0 || (ended_ && launch_.status.open())) read_status();
  if (polled[3].revents != 0) write_input();
  if (polled[1].revents != 0) read_output(launch_.out, OutputStream::out, piece_size);
  if (polled[2].revents != 0) read_output(launch_.err, OutputStream::err, piece_size);
}

void Run::read_status() {
  StartFailure failure;
  const ssize_t count = ::read(launch_.status.get(), &failure, sizeof failure);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count == static_cast<ssize_t>(sizeof failure)) start_failure_ = failure;
  launch_.status.reset();
}

void Run::write_input() {
  const std::string& input = command_->input;
  const ssize_t count = write_without_signal(launch_.in.get(), input.data() + written_, input.size() - written_);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0 && errno != EPIPE) throw io_error(errno, "cannot write to " + command_->argv.front());
  if (count > 0) written_ += static_cast<std::size_t>(count);
  // A program need not read what it is given.
  if (count < 0 || written_ == input.size()) launch_.in.reset();
}

void Run::read_output(Descriptor& pipe, OutputStream stream, std::size_t limit) {
  const ssize_t count = ::read(pipe.get(), buffer_.data(), std::min(limit, buffer_.size()));
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) throw io_error(errno, "cannot read the output of " + command_->argv.front());
  if (count == 0) {
    pipe.reset();
    return;
  }
  deliver(stream, {buffer_.data(), static_cast<std::size_t>(count)});
}

/// What is in the pipe now, and no more: a background process may fill it for ever.
void Run::drain_output(Descriptor& pipe, OutputStream stream) {
  int waiting = 0;
  if (pipe.open() && ::ioctl(pipe.get(), FIONREAD, &waiting) != 0) {
    throw io_error(errno, "cannot read the output of " + command_->argv.front());
  }
  auto left = static_cast<std::size_t>(waiting);
  while (pipe.open() && left > 0) {
    const std::size_t piece = std::min(left, piece_size);
    read_output(pipe, stream, piece);
    left -= piece;
  }
}

void Run::deliver(OutputStream stream, std::string_view bytes) {
  if (failure_ || !*sink_) return;
  try {
    (*sink_)(stream, bytes);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void Run::hand_over(Descriptor& pipe) {
  if (pipe.open()) shared_->drain.add(std::move(pipe));
}

Exit Run::reap() {
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(handle_.get()), &info, WEXITED) != 0) {
    if (errno != EINTR) throw io_error(errno, "cannot wait for " + command_->argv.front());
  }
  reaped_ = true;
  if (launch_.status.open()) read_status();
  Exit exit;
  exit.program = command_->argv.front();
  if (stopped_) {
    exit.kind = *stopped_;
  } else if (start_failure_) {
    exit.kind = Exit::Kind::not_started;
    exit.code = start_failure_->code;
    if (start_failure_->stage == StartFailure::Stage::directory) {
      exit.program = "working directory " + command_->directory.string();
    } else if (exit.code == ENOENT) {
      exit.program = missing_program_text(*command_, launch_.file());
    }
  } else {
    exit.kind = info.si_code == CLD_EXITED ? Exit::Kind::exited : Exit::Kind::signalled;
    exit.code = info.si_status;
  }
  return exit;
}

}  // namespace deployer::process
