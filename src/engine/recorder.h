#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "state/event.h"
#include "state/run_state.h"

namespace deployer {

class Clock;
class Journal;
class Redactor;

/// Writes what happens in one run: into the journal, into the run's state, to the listeners, in one order. Durable
/// events come from the thread that runs the pipeline, live ones from any. The state and the listeners get events as
/// they are; the journal gets them with secrets by name (Redactor::by_name). A listener that throws stops nothing.
class Recorder {
 public:
  Recorder(std::string run, Journal& journal, const Clock& clock, const Redactor& redactor,
           std::vector<EventListener*> listeners, RunState state);

  /// On disk when it returns, together with all that was deferred. Gives the event's seq.
  /// Throws what the journal throws; but once a rollback has begun, a journal that cannot be written stops nothing: the
  /// error is kept in `journal_failure`, the events still reach state and listeners, and are written with the next ones
  /// if that can be done then.
  std::int64_t record(std::string_view kind, const std::string& step, int attempt, Json data);
  /// Written with the next `record`: for what recovery can find out without it. Listeners hear of it then, too.
  void defer(std::string_view kind, const std::string& step, int attempt, Json data);
  /// Not journalled.
  void live(std::string_view kind, const std::string& step, int attempt, Json data);

  /// See ActionContext::forget_runs.
  std::size_t forget_before(std::chrono::system_clock::time_point time);

  const RunState& state() const { return state_; }
  const std::string& run() const { return run_; }

  /// From now on the journal's failures stop nothing; its ballast is freed when the disk is full.
  void begin_rollback();
  /// Why the journal does not hold all that was recorded; what is missing is tried once more first.
  const std::optional<Error>& journal_failure();

 private:
  Event make(std::string_view kind, const std::string& step, int attempt, Json data) const;
  Event by_name(const Event& event) const;
  void append(std::vector<Event>& events);
  bool write_at_any_cost(const Error& error);
  void tell(const Event& event);

  std::string run_;
  Journal* journal_;
  const Clock* clock_;
  const Redactor* redactor_;
  std::vector<EventListener*> listeners_;
  RunState state_;
  std::vector<Event> deferred_;
  std::vector<Event> unwritten_;  ///< by name; told already, and not in the journal yet
  bool rolling_back_ = false;
  std::optional<Error> failure_;
  std::mutex telling_;
};

}  // namespace deployer
