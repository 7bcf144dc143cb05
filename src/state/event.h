#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace deployer {

/// What happened in a run. The run's state is a fold over its durable events (run_state.h); the terminal, JSON,
/// recovery and `runs show` read the same ones.
///
/// `kind` and `data`, durable unless marked live:
///   run_started         {pipeline, file, project, host, user, record (the runner's ProcessRecord), version, vars,
///                        database {origin, spec, identity}, sources [{file, text, digest}], steps [{id, name, uses}],
///                        settings…}
///   baseline_taken      {step → what Action::baseline gave}
///   step_started        {uses, name}                         attempt from 1
///   effect_intended     {name, action, version, undo}        its `seq` is the effect's id
///   effect_done         {effect, result}
///   effect_failed       {effect, error}                      it may have happened in part
///   child_started       {record, program}
///   child_ended         {record, exit}
///   fact                {name, value}                        revision_before, revision_after, backup, way_back, …
///   service_changed     {service, record}                    a service the run stopped or started
///   step_finished       {status succeeded|failed|skipped, error, outputs, duration_ms, summary}
///   step_retried        {error, delay_ms}
///   hook_started        {event, hook}
///   hook_finished       {event, hook, ok, error}
///   warning             {message}
///   run_succeeded       {}                                   from here on recovery goes forward
///   rollback_started    {reason}
///   undo_started        {effect, name}
///   undo_finished       {effect, ok, error, way_back, attempts}
///   settled             {step, ok, error}
///   verified            {step, ok, error, proved}
///   rollback_finished   {ok, verified}
///   recovery_started    {record, host}
///   run_finished        {status, exit_status, verified, lost, runbook, error}
///   step_output   live  {stream, text}                       one line without its end
///   step_progress live  {done, total, text}
struct Event {
  std::string run;
  std::optional<std::int64_t> seq;  ///< from 1 within the run; nothing for a live event
  std::chrono::system_clock::time_point time;
  std::string kind;
  std::string step;  ///< empty where it belongs to the run
  int attempt = 0;   ///< of the step; 0 where it has none
  Json data = Json::object();
};

/// True for the kinds that go into the journal.
bool is_durable(std::string_view kind);

/// The line of `run --output json`: {"event", "run", "seq", "step", "attempt", "time", …data}. Where a key of the data
/// is one of these already and says something else, the first word of the kind stands before it (`hook_event`).
Json to_json(const Event& event);

/// Who is told of events as they happen. Called in the order of the events by the thread that runs the pipeline; a
/// listener never throws and never blocks for long.
class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void on_event(const Event& event) = 0;
  /// The last event has come: what is buffered goes out.
  virtual void close() {}
};

}  // namespace deployer
