#include "base/deadline.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"

namespace deployer {

Deadline::Deadline(std::optional<Clock::time_point> until, std::stop_token stop)
    : until_(until), stop_(std::move(stop)) {}

Deadline Deadline::never(std::stop_token stop) { return Deadline(std::nullopt, std::move(stop)); }

Deadline Deadline::after(Duration length, std::stop_token stop) {
  return Deadline(Clock::now() + length, std::move(stop));
}

Deadline Deadline::at_most(Duration length) const {
  Deadline shorter = after(length, stop_);
  if (until_ && *until_ < *shorter.until_) shorter.until_ = until_;
  return shorter;
}

bool Deadline::expired() const { return until_ && Clock::now() >= *until_; }

std::optional<Duration> Deadline::left() const {
  if (!until_) return std::nullopt;
  return std::max(Duration::zero(), std::chrono::ceil<Duration>(*until_ - Clock::now()));
}

int Deadline::poll_ms(Duration cap) const {
  const std::optional<Duration> rest = left();
  if (!rest) return cap == std::chrono::hours(1) ? -1 : static_cast<int>(cap.count());
  return static_cast<int>(std::min(*rest, cap).count());
}

void Deadline::check(std::string_view what) const {
  if (cancelled()) throw Error(ErrorKind::cancelled, "cancelled: " + std::string(what));
  if (expired()) throw Error(ErrorKind::timed_out, "timed out: " + std::string(what));
}

bool Deadline::sleep(Duration length) const {
  const Deadline wake = at_most(length);
  const bool whole = !until_ || Clock::now() + length <= *until_;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_until(lock, stop_, *wake.until_, [] { return false; });
  return whole && !cancelled();
}

}  // namespace deployer
