#pragma once

#include <chrono>

namespace deployer {

/// What time it is, for ids, events and ages. Time-outs do not use it (base/deadline.h). Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::system_clock::time_point now() const = 0;
};

/// The machine's own.
class SystemClock : public Clock {
 public:
  std::chrono::system_clock::time_point now() const override { return std::chrono::system_clock::now(); }
};

}  // namespace deployer
