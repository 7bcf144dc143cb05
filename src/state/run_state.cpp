#include "state/run_state.h"

#include <algorithm>

namespace deployer {

namespace {

// What a journal holds is not trusted to have the right types: a key that was masked, an event of a newer version.

const Json* fold_member(const Json& data, const char* key) {
  if (!data.is_object()) return nullptr;
  const auto found = data.find(key);
  return found == data.end() ? nullptr : &*found;
}

std::string fold_text(const Json& data, const char* key) {
  const Json* value = fold_member(data, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<std::int64_t> fold_number(const Json& data, const char* key) {
  const Json* value = fold_member(data, key);
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  return value->get<std::int64_t>();
}

std::optional<bool> fold_flag(const Json& data, const char* key) {
  const Json* value = fold_member(data, key);
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

Json fold_json(const Json& data, const char* key, Json otherwise) {
  const Json* value = fold_member(data, key);
  if (value != nullptr) return *value;
  return otherwise;
}

std::vector<std::string> fold_texts(const Json& data, const char* key) {
  std::vector<std::string> texts;
  const Json* value = fold_member(data, key);
  if (value == nullptr || !value->is_array()) return texts;
  for (const Json& item : *value) texts.push_back(item.is_string() ? item.get<std::string>() : dump(item));
  return texts;
}

template <class Status>
std::optional<Status> fold_status(std::string_view name, Status last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (name_of(static_cast<Status>(i)) == name) return static_cast<Status>(i);
  }
  return std::nullopt;
}

StepState& fold_step(RunState& state, const std::string& id) {
  if (StepState* found = state.find_step(id)) return *found;
  StepState& made = state.steps.emplace_back();
  made.id = id;
  return made;
}

EffectState* fold_effect(RunState& state, const Event& event) {
  const std::optional<std::int64_t> id = fold_number(event.data, "effect");
  return id ? state.find_effect(*id) : nullptr;
}

void fold_run_started(RunState& state, const Event& event) {
  state.id = event.run;
  state.started = event.data.is_object() ? event.data : Json::object();
  state.runner = fold_json(event.data, "record", nullptr);
  state.pipeline = fold_text(event.data, "pipeline");
  state.project = fold_text(event.data, "project");
  state.started_at = event.time;
  state.status = RunStatus::running;
  for (const Json& step : fold_json(event.data, "steps", Json::array())) {
    const std::string id = fold_text(step, "id");
    if (id.empty()) continue;
    StepState& made = fold_step(state, id);
    made.name = fold_text(step, "name");
    made.uses = fold_text(step, "uses");
  }
}

void fold_step_started(RunState& state, const Event& event) {
  StepState& step = fold_step(state, event.step);
  step.status = StepStatus::running;
  if (!step.started_at) step.started_at = event.time;
  step.attempts = std::max(step.attempts, event.attempt);
  if (step.uses.empty()) step.uses = fold_text(event.data, "uses");
  if (step.name.empty()) step.name = fold_text(event.data, "name");
  step.error.clear();
  step.undo.clear();
}

void fold_step_finished(RunState& state, const Event& event) {
  StepState& step = fold_step(state, event.step);
  step.status = fold_status(fold_text(event.data, "status"), StepStatus::undo_failed).value_or(StepStatus::failed);
  step.attempts = std::max(step.attempts, event.attempt);
  step.error = fold_text(event.data, "error");
  step.summary = fold_text(event.data, "summary");
  step.outputs = fold_json(event.data, "outputs", Json::object());
  if (const auto length = fold_number(event.data, "duration_ms")) step.duration = Duration(*length);
}

void fold_effect_intended(RunState& state, const Event& event) {
  EffectState& effect = state.effects.emplace_back();
  effect.id = event.seq.value_or(0);
  effect.step = event.step;
  effect.attempt = event.attempt;
  effect.name = fold_text(event.data, "name");
  effect.action = fold_text(event.data, "action");
  effect.version = static_cast<int>(fold_number(event.data, "version").value_or(1));
  effect.undo = fold_json(event.data, "undo", Json::object());
}

void fold_undo_finished(RunState& state, const Event& event) {
  EffectState* effect = fold_effect(state, event);
  if (effect == nullptr) return;
  const bool ok = fold_flag(event.data, "ok").value_or(false);
  effect->status = ok ? EffectState::Status::undone : EffectState::Status::undo_failed;
  StepState& step = fold_step(state, effect->step);
  if (!ok) {
    step.status = StepStatus::undo_failed;
    step.undo = "failed: " + fold_text(event.data, "error");
    return;
  }
  const std::string way = fold_text(event.data, "way_back");
  if (!way.empty() || step.undo.empty()) step.undo = way;
  const bool all_undone = std::all_of(state.effects.begin(), state.effects.end(), [&](const EffectState& other) {
    return other.step != step.id || other.status == EffectState::Status::undone;
  });
  if (!all_undone) return;
  if (step.status == StepStatus::succeeded) step.status = StepStatus::undone;
  // A later recovery could: it is again what it was before the undo failed.
  if (step.status == StepStatus::undo_failed)
    step.status = step.error.empty() ? StepStatus::undone : StepStatus::failed;
}

void fold_recovery_started(RunState& state, const Event& event) {
  state.runner = fold_json(event.data, "record", nullptr);
  // Whoever listens to the recovery alone has not heard run_started.
  if (state.pipeline.empty()) state.pipeline = fold_text(event.data, "pipeline");
  state.status = RunStatus::running;
  state.finished = false;
  state.finished_at.reset();
  state.exit_status.reset();
  state.verified.reset();
  state.runbook.clear();
  for (StepState& step : state.steps) {
    if (step.status != StepStatus::running) continue;
    step.status = StepStatus::failed;
    step.error = "the runner died";
  }
}

void fold_run_finished(RunState& state, const Event& event) {
  state.finished = true;
  state.rolling_back = false;
  state.finished_at = event.time;
  state.status = fold_status(fold_text(event.data, "status"), RunStatus::cancelled).value_or(RunStatus::failed);
  if (const auto status = fold_number(event.data, "exit_status")) state.exit_status = static_cast<int>(*status);
  state.verified = fold_flag(event.data, "verified");
  state.lost = fold_json(event.data, "lost", Json::array());
  state.runbook = fold_texts(event.data, "runbook");
  const std::string error = fold_text(event.data, "error");
  if (!error.empty()) state.error = error;
}

void fold_child_started(RunState& state, const Event& event) {
  state.children.push_back(fold_json(event.data, "record", nullptr));
}

void fold_child_ended(RunState& state, const Event& event) {
  const Json record = fold_json(event.data, "record", nullptr);
  const auto found = std::find(state.children.begin(), state.children.end(), record);
  if (found != state.children.end()) state.children.erase(found);
}

void fold_warning(RunState& state, const Event& event) {
  const std::string message = fold_text(event.data, "message");
  state.warnings.push_back(event.step.empty() ? message : event.step + ": " + message);
}

void fold_effect_done(RunState& state, const Event& event) {
  EffectState* effect = fold_effect(state, event);
  if (effect == nullptr) return;
  effect->status = EffectState::Status::done;
  effect->result = fold_json(event.data, "result", nullptr);
}

void fold_effect_failed(RunState& state, const Event& event) {
  if (EffectState* effect = fold_effect(state, event)) effect->status = EffectState::Status::failed;
}

void fold_rollback_started(RunState& state, const Event& event) {
  state.rolling_back = true;
  if (state.error.empty()) state.error = fold_text(event.data, "reason");
}

struct FoldKind {
  std::string_view kind;
  void (*take)(RunState&, const Event&);
};

constexpr FoldKind fold_kinds[] = {
    {"run_started", fold_run_started},
    {"baseline_taken", [](RunState& state, const Event& event) { state.baseline = event.data; }},
    {"step_started", fold_step_started},
    {"step_finished", fold_step_finished},
    {"step_retried",
     [](RunState& state, const Event& event) { fold_step(state, event.step).error = fold_text(event.data, "error"); }},
    {"effect_intended", fold_effect_intended},
    {"effect_done", fold_effect_done},
    {"effect_failed", fold_effect_failed},
    {"undo_finished", fold_undo_finished},
    {"child_started", fold_child_started},
    {"child_ended", fold_child_ended},
    {"fact",
     [](RunState& state, const Event& event) {
       state.facts[fold_text(event.data, "name")] = fold_json(event.data, "value", nullptr);
     }},
    {"service_changed",
     [](RunState& state, const Event& event) { state.services[fold_text(event.data, "service")] = event.data; }},
    {"warning", fold_warning},
    {"run_succeeded", [](RunState& state, const Event&) { state.succeeded = true; }},
    {"rollback_started", fold_rollback_started},
    {"rollback_finished",
     [](RunState& state, const Event& event) { state.verified = fold_flag(event.data, "verified"); }},
    {"recovery_started", fold_recovery_started},
    {"run_finished", fold_run_finished},
};

}  // namespace

StepState* RunState::find_step(std::string_view step_id) {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const StepState& step) { return step.id == step_id; });
  return found == steps.end() ? nullptr : &*found;
}

EffectState* RunState::find_effect(std::int64_t effect_id) {
  const auto found =
      std::find_if(effects.begin(), effects.end(), [&](const EffectState& effect) { return effect.id == effect_id; });
  return found == effects.end() ? nullptr : &*found;
}

void apply(RunState& state, const Event& event) {
  if (!is_durable(event.kind)) return;
  if (event.seq) {
    if (*event.seq <= state.last_seq) return;
    state.last_seq = *event.seq;
  }
  for (const FoldKind& known : fold_kinds) {
    if (known.kind == event.kind) known.take(state, event);
  }
}

RunState fold(const std::vector<Event>& events) {
  RunState state;
  for (const Event& event : events) apply(state, event);
  return state;
}

}  // namespace deployer
