#include "engine/recorder.h"

#include <utility>

#include "state/journal.h"
#include "system/clock.h"

namespace deployer {

Recorder::Recorder(std::string run, Journal& journal, const Clock& clock, std::vector<EventListener*> listeners,
                   RunState state)
    : run_(std::move(run)),
      journal_(&journal),
      clock_(&clock),
      listeners_(std::move(listeners)),
      state_(std::move(state)) {}

Event Recorder::make(std::string_view kind, const std::string& step, int attempt, Json data) const {
  Event event;
  event.run = run_;
  event.time = clock_->now();
  event.kind = kind;
  event.step = step;
  event.attempt = attempt;
  event.data = std::move(data);
  return event;
}

std::int64_t Recorder::record(std::string_view kind, const std::string& step, int attempt, Json data) {
  std::vector<Event> events = std::exchange(deferred_, {});
  events.push_back(make(kind, step, attempt, std::move(data)));
  append(events);
  for (const Event& event : events) {
    apply(state_, event);
    tell(event);
  }
  return events.back().seq.value_or(0);
}

void Recorder::append(std::vector<Event>& events) {
  if (failure_) {
    // Nothing more can be written: state and listeners go on with numbers of their own.
    std::int64_t next = state_.last_seq;
    for (Event& event : events) event.seq = ++next;
    return;
  }
  try {
    journal_->append(events);
    return;
  } catch (const Error& error) {
    if (!rolling_back_) {
      // What was not written did not happen: the deferred part is told again with the next record.
      events.pop_back();
      deferred_ = std::move(events);
      throw;
    }
    if (!journal_->free_ballast()) failure_ = error;
  }
  append(events);
}

void Recorder::defer(std::string_view kind, const std::string& step, int attempt, Json data) {
  deferred_.push_back(make(kind, step, attempt, std::move(data)));
}

void Recorder::live(std::string_view kind, const std::string& step, int attempt, Json data) {
  tell(make(kind, step, attempt, std::move(data)));
}

std::size_t Recorder::forget_before(std::chrono::system_clock::time_point time) {
  return journal_->forget_before(time, run_);
}

void Recorder::tell(const Event& event) {
  const std::lock_guard lock(telling_);
  for (EventListener* listener : listeners_) listener->on_event(event);
}

void Recorder::begin_rollback() { rolling_back_ = true; }

}  // namespace deployer
