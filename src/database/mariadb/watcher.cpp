#include "database/mariadb/watcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace deployer::database {

namespace {

constexpr int failed_kills_before_cut = 3;

}  // namespace

MariaDbWatcher::MariaDbWatcher(std::function<bool()> kill, std::function<void()> cut, Duration pause)
    : kill_(std::move(kill)),
      cut_(std::move(cut)),
      pause_(pause),
      thread_([this](const std::stop_token& quit) { watch(quit); }) {}

void MariaDbWatcher::Wake::operator()() const {
  // The lock makes sure that the watcher is either before its look at the token or waiting.
  { const std::lock_guard lock(watcher->mutex_); }
  watcher->changed_.notify_all();
}

void MariaDbWatcher::arm(const Deadline& deadline, Duration silence) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    silence_ = silence;
    waits();
    interrupted_ = false;
    fell_silent_ = false;
    killed_ = false;
    wake = due() || nearer();  // mostly not: a wake for each of many short statements would cost more than they do
  }
  on_stop_.emplace(deadline.stop(), Wake{this});
  if (wake) changed_.notify_all();
}

bool MariaDbWatcher::disarm() {
  on_stop_.reset();
  std::unique_lock lock(mutex_);
  deadline_.reset();
  if (killing_ || killed_) changed_.notify_all();
  changed_.wait(lock, [this] { return !killing_; });
  return killed_;
}

void MariaDbWatcher::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = deadline_.has_value();
  }
  changed_.notify_all();
}

void MariaDbWatcher::heard() { waits_since_.store(0, std::memory_order_relaxed); }

void MariaDbWatcher::waits() {
  if (silence_.count() == 0) return;
  waits_since_.store(Deadline::Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

bool MariaDbWatcher::fell_silent() const {
  const std::lock_guard lock(mutex_);
  return fell_silent_;
}

bool MariaDbWatcher::silent() const {
  const Deadline::Clock::time_point since{Deadline::Clock::duration(waits_since_.load(std::memory_order_relaxed))};
  return silence_.count() > 0 && since.time_since_epoch().count() != 0 && Deadline::Clock::now() >= since + silence_;
}

bool MariaDbWatcher::due() const {
  return deadline_ && (interrupted_ || deadline_->cancelled() || deadline_->expired() || silent());
}

std::optional<Deadline::Clock::time_point> MariaDbWatcher::next_look() const {
  if (!deadline_) return std::nullopt;
  if (silence_.count() == 0) return deadline_->until();
  // Whether it waits since then is looked at then.
  const Deadline::Clock::rep since = waits_since_.load(std::memory_order_relaxed);
  const auto begin =
      since == 0 ? Deadline::Clock::now() : Deadline::Clock::time_point(Deadline::Clock::duration(since));
  return std::min(begin + silence_, deadline_->until().value_or(Deadline::Clock::time_point::max()));
}

bool MariaDbWatcher::nearer() const {
  const auto look = next_look();
  return look && (!sleeps_until_ || *look < *sleeps_until_);
}

void MariaDbWatcher::watch(const std::stop_token& quit) {
  std::unique_lock lock(mutex_);
  int failed = 0;
  while (!quit.stop_requested()) {
    if (!due()) {
      failed = 0;
      sleeps_until_ = next_look();
      const auto wake = [this] { return due() || nearer(); };
      if (sleeps_until_) {
        changed_.wait_until(lock, quit, *sleeps_until_, wake);
      } else {
        changed_.wait(lock, quit, wake);
      }
      continue;
    }
    fell_silent_ = silent() && !interrupted_ && !deadline_->cancelled() && !deadline_->expired();
    killing_ = true;
    lock.unlock();
    const bool told = kill_();
    if (!told && ++failed >= failed_kills_before_cut) cut_();
    lock.lock();
    killing_ = false;
    killed_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, quit, pause_, [this] { return !due(); });
  }
}

}  // namespace deployer::database
