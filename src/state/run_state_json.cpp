#include "base/id.h"
#include "state/run_state.h"

namespace deployer {

namespace {

template <class Value>
Json json_or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json json_or_null(const std::optional<std::chrono::system_clock::time_point>& time) {
  return time ? Json(rfc3339(*time)) : Json();
}

Json json_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json json_of_fact(const RunState& state, const std::string& name) {
  const auto found = state.facts.find(name);
  return found == state.facts.end() ? Json() : found->second;
}

Json json_of_step(const StepState& step) {
  return {{"id", step.id},
          {"uses", step.uses},
          {"status", name_of(step.status)},
          {"started_at", json_or_null(step.started_at)},
          {"duration_ms", step.duration ? Json(step.duration->count()) : Json()},
          {"attempts", step.attempts},
          {"error", json_or_null(step.error)},
          {"outputs", step.outputs},
          {"undo", json_or_null(step.undo)}};
}

}  // namespace

std::string_view name_of(RunStatus status) {
  switch (status) {
    case RunStatus::running:
      return "running";
    case RunStatus::waiting:
      return "waiting";
    case RunStatus::succeeded:
      return "succeeded";
    case RunStatus::rolled_back:
      return "rolled_back";
    case RunStatus::rollback_failed:
      return "rollback_failed";
    case RunStatus::interrupted:
      return "interrupted";
    case RunStatus::failed:
      return "failed";
    case RunStatus::cancelled:
      return "cancelled";
  }
  return "failed";
}

std::string_view name_of(StepStatus status) {
  switch (status) {
    case StepStatus::pending:
      return "pending";
    case StepStatus::running:
      return "running";
    case StepStatus::succeeded:
      return "succeeded";
    case StepStatus::failed:
      return "failed";
    case StepStatus::skipped:
      return "skipped";
    case StepStatus::undone:
      return "undone";
    case StepStatus::undo_failed:
      return "undo_failed";
  }
  return "failed";
}

Json to_json(const RunState& state) {
  Json json = {{"id", state.id},
               {"pipeline", state.pipeline},
               {"status", name_of(state.status)},
               {"verified", json_or_null(state.verified)},
               {"lost", state.lost},
               {"warnings", state.warnings.size()},
               {"started_at", rfc3339(state.started_at)},
               {"finished_at", json_or_null(state.finished_at)},
               {"exit_status", json_or_null(state.exit_status)}};
  for (const char* fact : {"revision_before", "revision_after", "backup", "way_back"}) {
    json[fact] = json_of_fact(state, fact);
  }
  json["steps"] = Json::array();
  for (const StepState& step : state.steps) json["steps"].push_back(json_of_step(step));
  json["runbook"] = state.runbook;
  return json;
}

}  // namespace deployer
