#include "database/mariadb/watcher.h"

#include <chrono>
#include <utility>

namespace deployer::database {

namespace {

constexpr int failed_kills_before_cut = 3;
constexpr Duration between_kills = std::chrono::seconds(1);

}  // namespace

MariaDbWatcher::MariaDbWatcher(std::function<bool()> kill, std::function<void()> cut)
    : kill_(std::move(kill)), cut_(std::move(cut)), thread_([this](const std::stop_token& quit) { watch(quit); }) {}

void MariaDbWatcher::Wake::operator()() const {
  // The lock makes sure that the watcher is either before its look at the token or waiting.
  { const std::lock_guard lock(watcher->mutex_); }
  watcher->changed_.notify_all();
}

void MariaDbWatcher::arm(const Deadline& deadline) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    interrupted_ = false;
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

bool MariaDbWatcher::due() const {
  return deadline_ && (interrupted_ || deadline_->cancelled() || deadline_->expired());
}

bool MariaDbWatcher::nearer() const {
  return deadline_ && deadline_->until() && (!sleeps_until_ || *deadline_->until() < *sleeps_until_);
}

void MariaDbWatcher::watch(const std::stop_token& quit) {
  std::unique_lock lock(mutex_);
  int failed = 0;
  while (!quit.stop_requested()) {
    if (!due()) {
      failed = 0;
      sleeps_until_ = deadline_ ? deadline_->until() : std::nullopt;
      const auto wake = [this] { return due() || nearer(); };
      if (sleeps_until_) {
        changed_.wait_until(lock, quit, *sleeps_until_, wake);
      } else {
        changed_.wait(lock, quit, wake);
      }
      continue;
    }
    killing_ = true;
    lock.unlock();
    const bool told = kill_();
    if (!told && ++failed >= failed_kills_before_cut) cut_();
    lock.lock();
    killing_ = false;
    killed_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, quit, between_kills, [this] { return !due(); });
  }
}

}  // namespace deployer::database
