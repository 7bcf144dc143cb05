#include "system/process_drain.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace deployer::process {

namespace {

/// False once nothing can come any more.
bool read_and_drop(const Descriptor& pipe, std::vector<char>& buffer) {
  const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

struct Drain::State {
  Descriptor wake = take_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd");
  std::mutex mutex;
  std::vector<Descriptor> arrived;
  bool ending = false;
  std::thread thread;

  void tell() {
    const std::uint64_t one = 1;
    // It fails only when the count is full, and then the thread is awake anyway.
    if (::write(wake.get(), &one, sizeof one) < 0 && errno != EAGAIN) {
      throw io_error(errno, "cannot write to an eventfd");
    }
  }

  /// False when it is time to end.
  bool take_arrived(std::vector<Descriptor>& pipes) {
    const std::scoped_lock lock(mutex);
    for (Descriptor& pipe : arrived) pipes.push_back(std::move(pipe));
    arrived.clear();
    return !ending;
  }

  void work() {
    std::vector<char> buffer(64 * 1024);
    std::vector<Descriptor> pipes;
    while (take_arrived(pipes)) {
      std::vector<pollfd> polled{{wake.get(), POLLIN, 0}};
      for (const Descriptor& pipe : pipes) polled.push_back({pipe.get(), POLLIN, 0});
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      std::uint64_t count = 0;
      if (polled[0].revents != 0 && ::read(wake.get(), &count, sizeof count) < 0 && errno != EAGAIN) return;
      for (std::size_t i = polled.size() - 1; i >= 1; --i) {
        if (polled[i].revents == 0 || read_and_drop(pipes[i - 1], buffer)) continue;
        pipes.erase(pipes.begin() + static_cast<std::ptrdiff_t>(i) - 1);
      }
    }
  }

  /// Signals of the process are for other threads.
  void begin() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    if (const int code = ::pthread_sigmask(SIG_SETMASK, &all, &before); code != 0) {
      throw io_error(code, "cannot start a thread");
    }
    try {
      thread = std::thread([this] { work(); });
    } catch (...) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
};

Drain::Drain() : state_(std::make_unique<State>()) {}

Drain::~Drain() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->ending = true;
  }
  if (!state_->thread.joinable()) return;
  state_->tell();
  state_->thread.join();
}

void Drain::add(Descriptor pipe) {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->arrived.push_back(std::move(pipe));
    if (!state_->thread.joinable()) state_->begin();
  }
  state_->tell();
}

}  // namespace deployer::process
