#pragma once

#include <chrono>
#include <string>

#include "state/event.h"

namespace deployer {

/// An event as a recorder makes one, at 2026-11-24T12:00:00Z unless it is moved.
inline Event event_of(const std::string& run, const std::string& kind, const std::string& step = "",
                      Json data = Json::object(), int attempt = 0) {
  Event event;
  event.run = run;
  event.time = std::chrono::system_clock::time_point(std::chrono::seconds(1795521600));
  event.kind = kind;
  event.step = step;
  event.attempt = attempt;
  event.data = std::move(data);
  return event;
}

}  // namespace deployer
