#include "engine/recorder.h"

#include <utility>

#include "base/log.h"
#include "base/redactor.h"
#include "state/journal.h"
#include "system/clock.h"

namespace deployer {

Recorder::Recorder(std::string run, Journal& journal, const Clock& clock, const Redactor& redactor,
                   std::vector<EventListener*> listeners, RunState state)
    : run_(std::move(run)),
      journal_(&journal),
      clock_(&clock),
      redactor_(&redactor),
      listeners_(std::move(listeners)),
      state_(std::move(state)) {
  journal_->begin_forward();
}

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

Event Recorder::by_name(const Event& event) const {
  Event named = event;
  named.step = redactor_->by_name(std::string_view(event.step));
  named.data = redactor_->by_name(event.data);
  return named;
}

void Recorder::append(std::vector<Event>& events) {
  const std::size_t before = unwritten_.size();
  for (const Event& event : events) unwritten_.push_back(by_name(event));
  try {
    journal_->append(unwritten_);
  } catch (const Error& error) {
    if (!rolling_back_) {
      // What was not written did not happen: the deferred part is told again with the next record.
      unwritten_.resize(before);
      events.pop_back();
      deferred_ = std::move(events);
      throw;
    }
    if (!write_at_any_cost(error)) {
      // State and listeners go on with numbers of their own, which are those that the journal will give.
      std::int64_t next = state_.last_seq;
      for (Event& event : events) event.seq = ++next;
      return;
    }
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].seq = unwritten_[before + i].seq;
    events[i].time = unwritten_[before + i].time;
  }
  unwritten_.clear();
  failure_.reset();
}

bool Recorder::write_at_any_cost(const Error& error) {
  failure_ = error;
  try {
    if (!journal_->free_ballast()) return false;
    journal_->append(unwritten_);
    return true;
  } catch (const Error& still) {
    failure_ = still;
    return false;
  }
}

const std::optional<Error>& Recorder::journal_failure() {
  std::vector<Event> none;
  if (!unwritten_.empty()) append(none);
  return failure_;
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
  for (EventListener* listener : listeners_) {
    try {
      listener->on_event(event);
    } catch (const std::exception& failure) {
      log(LogLevel::warning, "a listener was lost at " + event.kind + ": " + failure.what());
    }
  }
}

void Recorder::begin_rollback() {
  rolling_back_ = true;
  journal_->begin_rollback();
}

}  // namespace deployer
