#include "system/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <utility>

#include "base/error.h"
#include "system/process_descriptor.h"

namespace deployer {

namespace {

bool signal_is_ignored(int number) {
  struct sigaction action = {};
  if (::sigaction(number, nullptr, &action) != 0) throw io_error(errno, "cannot read the action of a signal");
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t taken_signals() {
  sigset_t taken;
  sigemptyset(&taken);
  sigaddset(&taken, SIGINT);
  sigaddset(&taken, SIGTERM);
  if (!signal_is_ignored(SIGHUP)) sigaddset(&taken, SIGHUP);
  return taken;
}

}  // namespace

struct Signals::State {
  explicit State(std::function<void(int, int)> told)
      : on_signal(std::move(told)),
        taken(taken_signals()),
        arrivals(process::take_descriptor(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK), "make a signalfd")),
        end(process::take_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd")) {}

  void work() {
    int count = 0;
    while (true) {
      std::array<pollfd, 2> polled{{{arrivals.get(), POLLIN, 0}, {end.get(), POLLIN, 0}}};
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      signalfd_siginfo info;
      while (::read(arrivals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        on_signal(static_cast<int>(info.ssi_signo), ++count);
      }
      if (polled[1].revents != 0) return;
    }
  }

  std::function<void(int, int)> on_signal;
  sigset_t taken;
  process::Descriptor arrivals;
  process::Descriptor end;
  sigset_t mask_before{};
  struct sigaction pipe_before = {};
  std::thread thread;
};

Signals::Signals(std::function<void(int number, int count)> on_signal)
    : state_(std::make_unique<State>(std::move(on_signal))) {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, &state_->pipe_before) != 0) throw io_error(errno, "cannot ignore SIGPIPE");
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &state_->taken, &state_->mask_before); code != 0) {
    throw io_error(code, "cannot block signals");
  }
  state_->thread = std::thread([state = state_.get()] { state->work(); });
}

Signals::~Signals() {
  const std::uint64_t one = 1;
  // The count cannot be full: this is the only write.
  [[maybe_unused]] const ssize_t written = ::write(state_->end.get(), &one, sizeof one);
  state_->thread.join();
  ::pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
  ::sigaction(SIGPIPE, &state_->pipe_before, nullptr);
}

}  // namespace deployer
