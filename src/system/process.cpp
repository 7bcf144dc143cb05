#include "system/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "system/process_run.h"

namespace deployer {

struct Processes::State {
  process::Shared shared;
  std::mutex mutex;
  Duration grace = std::chrono::seconds(10);
  std::string keep_variable;

  process::Run::Options options() {
    const std::scoped_lock lock(mutex);
    return {grace, keep_variable};
  }
};

Processes::Processes() : state_(std::make_unique<State>()) {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) throw io_error(errno, "cannot become the reaper of orphans");
  // Whoever started us may have left SIGCHLD ignored; then children would vanish without a status (wait(2)).
  struct sigaction child_signal = {};
  if (::sigaction(SIGCHLD, nullptr, &child_signal) != 0) throw io_error(errno, "cannot read the action of SIGCHLD");
  const bool vanishing = child_signal.sa_handler == SIG_IGN || (child_signal.sa_flags & SA_NOCLDWAIT) != 0;
  if (!vanishing) return;
  child_signal = {};
  child_signal.sa_handler = SIG_DFL;
  if (::sigaction(SIGCHLD, &child_signal, nullptr) != 0) throw io_error(errno, "cannot set the action of SIGCHLD");
}

Processes::~Processes() = default;

void Processes::set_grace(Duration grace) {
  const std::scoped_lock lock(state_->mutex);
  state_->grace = grace;
}

void Processes::set_keep_variable(std::string_view name) {
  const std::scoped_lock lock(state_->mutex);
  state_->keep_variable = name;
}

Exit Processes::run(const Command& command, const Deadline& deadline, const OutputSink& sink,
                    const OnProcess& on_process) {
  if (command.argv.empty()) throw Error(ErrorKind::internal, "a command without a program");
  const std::string& program = command.argv.front();
  if (deadline.cancelled()) return {Exit::Kind::cancelled, 0, program};
  if (deadline.expired()) return {Exit::Kind::timed_out, 0, program};
  const auto path = command.env.find("PATH");
  const process::Lookup found = process::look_up_program(
      program, path == command.env.end() ? std::string_view() : std::string_view(path->second), command.directory);
  if (found.code != 0) return {Exit::Kind::not_started, found.code, program};
  process::Run running(state_->shared, command, found.file, deadline, sink, state_->options());
  return running.go(on_process);
}

Processes::Captured Processes::capture(const Command& command, const Deadline& deadline, std::size_t limit,
                                       const OnProcess& on_process) {
  Captured captured;
  const auto keep = [&](OutputStream stream, std::string_view bytes) {
    std::string& text = stream == OutputStream::out ? captured.out : captured.err;
    text.append(bytes.substr(0, limit - std::min(limit, text.size())));
  };
  captured.exit = run(command, deadline, keep, on_process);
  return captured;
}

int Processes::end_all(std::string_view keep_variable) {
  // What run() starts has left our session, and nobody can come back into it; so children in it are not from there.
  const pid_t our_session = ::getsid(0);
  process::Children& children = state_->shared.children;
  const auto started_by_us = [our_session](const process::Entry& entry) {
    return entry.parent == ::getpid() && entry.session != our_session;
  };
  process::TreeEnd end(process::Tree({}, false, std::string(keep_variable), started_by_us), state_->options().grace,
                       [&children](pid_t pid) { children.reap_orphan(pid); });
  while (const std::optional<Duration> wait = end.round()) {
    if (end.killing_for() > process::kill_patience) {
      throw Error(ErrorKind::left_behind, end.survivor() + " cannot be ended: it does not react to SIGKILL");
    }
    std::this_thread::sleep_for(*wait);
  }
  return end.signalled();
}

}  // namespace deployer
