#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "state/event.h"

namespace deployer {

enum class RunStatus { running, waiting, succeeded, rolled_back, rollback_failed, interrupted, failed, cancelled };
enum class StepStatus { pending, running, succeeded, failed, skipped, undone, undo_failed };
std::string_view name_of(RunStatus status);
std::string_view name_of(StepStatus status);

/// An effect: journalled before it happens, so that it can be undone whatever happens next.
struct EffectState {
  enum class Status { intended, done, failed, undone, undo_failed };
  std::int64_t id = 0;  ///< seq of its effect_intended
  std::string step;
  int attempt = 0;
  std::string name;
  std::string action;
  int version = 1;
  Json undo = Json::object();
  Json result = nullptr;  ///< what effect_done brought
  Status status = Status::intended;
};

struct StepState {
  std::string id;
  std::string name;
  std::string uses;
  StepStatus status = StepStatus::pending;
  std::optional<std::chrono::system_clock::time_point> started_at;
  std::optional<Duration> duration;
  int attempts = 0;
  std::string error;
  std::string summary;
  Json outputs = Json::object();
  std::string undo;  ///< how it was undone, for people
};

/// All that is known of a run. `RunState = fold(events)`: the same events give the same state, always.
struct RunState {
  std::string id;
  std::string pipeline;
  std::string project;
  Json started = Json::object();  ///< data of run_started
  Json runner = nullptr;          ///< ProcessRecord of who runs it: of run_started, or of the last recovery_started
  RunStatus status = RunStatus::running;
  std::chrono::system_clock::time_point started_at;
  std::optional<std::chrono::system_clock::time_point> finished_at;
  std::optional<int> exit_status;
  std::optional<bool> verified;
  std::string error;
  std::vector<std::string> warnings;
  std::vector<std::string> runbook;
  Json lost = Json::array();
  std::vector<StepState> steps;
  std::vector<EffectState> effects;  ///< in the order in which they were intended
  std::map<std::string, Json> facts;
  Json baseline = nullptr;               ///< data of baseline_taken; null before it was taken
  std::vector<Json> children;            ///< records of children that have not ended
  std::map<std::string, Json> services;  ///< by service: the last service_changed
  bool succeeded = false;                ///< run_succeeded was journalled: recovery goes forward
  bool rolling_back = false;             ///< from rollback_started to run_finished
  bool finished = false;                 ///< the last run_finished stands behind the last recovery_started
  std::int64_t last_seq = 0;

  StepState* find_step(std::string_view step_id);
  EffectState* find_effect(std::int64_t effect_id);
};

/// Takes one event in. Live events, kinds that it does not know, and events that it has taken already (by `seq`) change
/// nothing; data of a wrong type counts as missing. So it never throws, whatever a journal holds.
/// A step that failed stays `failed` when it is undone, `undone` is one that had succeeded; what runs when a recovery
/// begins has failed, because its runner died.
void apply(RunState& state, const Event& event);
RunState fold(const std::vector<Event>& events);

/// `runs show`, as cli.md has it.
Json to_json(const RunState& state);

}  // namespace deployer
