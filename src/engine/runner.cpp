#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/rollback.h"
#include "engine/run_scope.h"
#include "state/journal.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/process.h"

namespace deployer {

namespace {

/// Which steps a run is to run; the others are skipped.
class Selection {
 public:
  Selection(const Pipeline& pipeline, const RunRequest& request) : request_(request) {
    std::vector<std::string> ids;
    for (const Step& step : pipeline.steps) ids.push_back(step.id);
    for (const std::string& id : request.only) must_be_there(id, ids, "--only");
    for (const std::string& id : request.skip) must_be_there(id, ids, "--skip");
    if (!request.from.empty()) {
      must_be_there(request.from, ids, "--from");
      before_.insert(ids.begin(), std::find(ids.begin(), ids.end(), request.from));
    }
  }

  /// The steps that will really run.
  Pipeline of(Pipeline pipeline) const {
    std::erase_if(pipeline.steps, [&](const Step& step) { return !wants(step.id); });
    return pipeline;
  }

  bool wants(const std::string& id) const {
    const auto in = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), id) != list.end();
    };
    if (!request_.only.empty() && !in(request_.only)) return false;
    return !in(request_.skip) && before_.count(id) == 0;
  }

 private:
  static void must_be_there(const std::string& id, const std::vector<std::string>& ids, const std::string& flag) {
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) return;
    const std::optional<std::string> meant = did_you_mean(id, ids);
    throw Error(ErrorKind::usage, flag + " " + id + ": the pipeline has no step '" + id + "'",
                meant ? "did you mean '" + *meant + "'?" : "its steps are " + listing(ids));
  }

  const RunRequest& request_;
  std::set<std::string> before_;
};

Deadline forward_deadline(const Deadline& run, const Step& step) {
  return step.timeout ? run.at_most(*step.timeout) : run;
}

std::string explain(const std::exception& failure) {
  const auto* error = dynamic_cast<const Error*>(&failure);
  if (error == nullptr) return failure.what();
  return error->hint.empty() ? error->summary() : error->summary() + " (hint: " + error->hint + ")";
}

/// The way forward through one run.
class Forward {
 public:
  Forward(RunScope& scope, const HookSet& hooks, const Deadline& deadline)
      : scope_(scope), hooks_(hooks), deadline_(deadline) {}

  void run() {
    const Selection selection(scope_.pipeline, scope_.request);
    run_hooks(scope_, hooks_, {"before-run", "", "running", ""}, true, deadline_);
    for (const Step& step : scope_.pipeline.steps) {
      if (selection.wants(step.id)) {
        run_step(step);
      } else {
        scope_.recorder->record("step_finished", step.id, 0, {{"status", "skipped"}});
      }
    }
    deadline_.check("the run");
  }

 private:
  void run_step(const Step& step) {
    Duration pause = step.retry.delay;
    for (int attempt = 1;; ++attempt) {
      const auto begun = Deadline::Clock::now();
      try {
        const Outcome outcome = attempt_step(step, attempt);
        scope_.recorder->defer("step_finished", step.id, attempt,
                               {{"status", "succeeded"},
                                {"duration_ms", elapsed(begun)},
                                {"summary", outcome.summary},
                                {"outputs", outcome.outputs}});
        return;
      } catch (const std::exception& failure) {
        // A server that went away takes the session with it: what comes next opens another.
        scope_.session.reset();
        if (after_failure(step, attempt, begun, failure)) return;
      }
      if (pause > Duration::zero() && !deadline_.sleep(pause)) deadline_.check(step.id);
      pause = next_pause(step.retry, pause);
    }
  }

  Outcome attempt_step(const Step& step, int attempt) {
    deadline_.check("step " + step.id);
    scope_.recorder->record("step_started", step.id, attempt, {{"uses", step.uses}, {"name", step.name}});
    const Deadline deadline = forward_deadline(deadline_, step);
    run_hooks(scope_, hooks_, {"before-" + step.id, step.id, "running", ""}, true, deadline);
    ActionContext context(scope_, step, attempt, deadline);
    Outcome outcome = scope_.action(step).run(context);
    run_hooks(scope_, hooks_, {"after-" + step.id, step.id, "succeeded", ""}, false, deadline);
    return outcome;
  }

  /// True where the run goes on behind the step, false where it is tried again; else the failure is thrown again.
  bool after_failure(const Step& step, int attempt, Deadline::Clock::time_point begun, const std::exception& failure) {
    const bool again = attempt < step.retry.attempts && !deadline_.cancelled() && !deadline_.expired();
    const std::string error = explain(failure);
    if (again) {
      scope_.recorder->record("step_retried", step.id, attempt, {{"error", error}});
      undo_attempt(scope_, step, attempt);
      return false;
    }
    const bool go_on = step.continue_on_error && !deadline_.cancelled() && !deadline_.expired();
    scope_.recorder->record(
        "step_finished", step.id, attempt,
        {{"status", "failed"}, {"error", error}, {"duration_ms", elapsed(begun)}, {"continued", go_on}});
    if (!go_on) throw Error(ErrorKind::failed, "step '" + step.id + "' failed: " + error);
    undo_attempt(scope_, step, attempt);
    scope_.recorder->record("warning", step.id, attempt, {{"message", "failed, and the run went on: " + error}});
    return true;
  }

  static std::int64_t elapsed(Deadline::Clock::time_point begun) {
    return std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun).count();
  }

  static Duration next_pause(const Retry& retry, Duration pause) {
    const auto longer = std::chrono::duration_cast<Duration>(pause * retry.factor);
    return retry.max_delay > Duration::zero() ? std::min(longer, retry.max_delay) : longer;
  }

  RunScope& scope_;
  const HookSet& hooks_;
  Deadline deadline_;
};

Json started_data(const Pipeline& pipeline, const RunRequest& request) {
  Json data = request.started;
  data["pipeline"] = pipeline.name;
  data["file"] = pipeline.file.string();
  data["project"] = pipeline.project.string();
  data["record"] = record_of_self().json();
  data["only"] = request.only;
  data["skip"] = request.skip;
  data["from"] = request.from;
  data["confirmed"] = request.confirmed;
  data["sources"] = Json::array();
  for (const SourceFile& source : pipeline.sources) {
    data["sources"].push_back({{"file", source.file}, {"text", source.text}, {"digest", source.digest}});
  }
  data["steps"] = Json::array();
  for (const Step& step : pipeline.steps) {
    data["steps"].push_back({{"id", step.id}, {"name", step.name}, {"uses", step.uses}});
  }
  return data;
}

/// A step that the run left in its midst (while it waited for its next attempt, when the journal could not be written)
/// has failed.
void finish_open_steps(Recorder& recorder, const std::string& reason) {
  std::vector<std::pair<std::string, int>> open;
  for (const StepState& step : recorder.state().steps) {
    if (step.status == StepStatus::running) open.emplace_back(step.id, step.attempts);
  }
  for (const auto& [step, attempts] : open) {
    recorder.record("step_finished", step, attempts, {{"status", "failed"}, {"error", reason}});
  }
}

/// `--no-rollback` and `on_failure: stop`: what was done is left as it is, and said.
void stop_where_it_is(RunScope& scope, const HookSet& hooks, const std::string& reason) {
  Recorder& recorder = *scope.recorder;
  std::vector<std::string> runbook;
  for (const EffectState& effect : recorder.state().effects) {
    if (effect.status != EffectState::Status::undone)
      runbook.push_back(effect.step + ": '" + effect.name + "' is left");
  }
  if (runbook.empty()) runbook.push_back("nothing was changed before it failed");
  run_hooks_of_end(scope, hooks, {"on-failure", "after-run"}, "failed", reason);
  try {
    end_leftovers(scope, false);
  } catch (const Error& left) {
    runbook.push_back(left.summary());
  }
  recorder.record("run_finished", "", 0,
                  {{"status", "failed"},
                   {"exit_status", error_kind_info(ErrorKind::left_behind).exit_status},
                   {"verified", nullptr},
                   {"lost", Json::array()},
                   {"runbook", runbook},
                   {"error", reason}});
}

/// What the journal kept by name, with the secrets that the document gave anew.
RunState with_secrets(RunState state, const Redactor& redactor) {
  for (StepState& step : state.steps) step.id = redactor.with_values(std::string_view(step.id));
  for (EffectState& effect : state.effects) {
    effect.step = redactor.with_values(std::string_view(effect.step));
    effect.name = redactor.with_values(std::string_view(effect.name));
    effect.undo = redactor.with_values(effect.undo);
    effect.result = redactor.with_values(effect.result);
  }
  state.baseline = redactor.with_values(state.baseline);
  for (auto& [name, value] : state.facts) value = redactor.with_values(value);
  for (auto& [name, value] : state.services) value = redactor.with_values(value);
  return state;
}

}  // namespace

const Action& RunScope::action(const Step& step) const {
  const Action* found = actions(step.uses);
  if (found == nullptr) throw Error(ErrorKind::internal, "there is no action '" + step.uses + "'");
  return *found;
}

const Step* RunScope::find_step(const std::string& id) const {
  for (const Step& step : pipeline.steps) {
    if (step.id == id) return &step;
  }
  return nullptr;
}

void take_baseline(RunScope& scope) {
  if (!scope.recorder->state().baseline.is_null()) return;
  const Selection selection(scope.pipeline, scope.request);
  Json baseline = Json::object();
  for (const Step& step : scope.pipeline.steps) {
    if (!selection.wants(step.id)) continue;
    try {
      ActionContext context(scope, step, 0, scope.forward);
      baseline[step.id] = scope.action(step).baseline(context);
    } catch (const Error& error) {
      throw Error(error.kind, "the state before the run, which step '" + step.id + "' would bring back, cannot be read",
                  error.hint)
          .caused_by(error);
    }
  }
  scope.recorder->record("baseline_taken", "", 0, baseline);
}

void StopRequest::request(int signal) {
  if (stop_.stop_requested()) {
    cut_.request_stop();
    return;
  }
  signal_ = signal;
  stop_.request_stop();
}

Engine::Engine(EngineParts parts, ActionLookup actions, FaultPoints& faults)
    : parts_(std::move(parts)), actions_(std::move(actions)), faults_(&faults) {}

Engine::~Engine() = default;

void Engine::check(const Pipeline& pipeline, const RunRequest& request, const Deadline& deadline) {
  const Selection selection(pipeline, request);
  HookSet::find(pipeline, parts_.files);
  // A step that is skipped is no way back for another: the checks do not see it.
  const Pipeline chosen = selection.of(pipeline);
  RunScope scope{parts_, actions_, chosen, request, *faults_, nullptr, nullptr, nullptr, deadline};
  for (const Step& step : chosen.steps) {
    ActionContext context(scope, step, 0, deadline);
    scope.action(step).check(context);
  }
}

RunState Engine::run(const Pipeline& pipeline, const RunRequest& request, Journal& journal,
                     const std::vector<EventListener*>& listeners, StopRequest& stop) {
  const HookSet hooks = HookSet::find(pipeline, parts_.files);
  Recorder recorder(request.id, journal, parts_.clock, parts_.redactor, listeners, {});
  const Deadline deadline =
      pipeline.timeout ? Deadline::after(*pipeline.timeout, stop.stop()) : Deadline::never(stop.stop());
  RunScope scope{parts_, actions_, pipeline, request, *faults_, &recorder, &stop, nullptr, deadline};
  recorder.record("run_started", "", 0, started_data(pipeline, request));
  std::string failure;
  try {
    Forward(scope, hooks, deadline).run();
    recorder.record("run_succeeded", "", 0, Json::object());
  } catch (const std::exception& error) {
    failure = explain(error);
  }
  recorder.begin_rollback();  // from here on the journal may stop nothing
  if (!failure.empty()) finish_open_steps(recorder, failure);
  if (failure.empty()) {
    finish_forward(scope, hooks);
  } else if (request.rollback && pipeline.on_failure == OnFailure::rollback) {
    roll_back(scope, hooks, failure, false);
  } else {
    stop_where_it_is(scope, hooks, failure);
  }
  return recorder.state();
}

RunState Engine::recover(const Pipeline& pipeline, const RunRequest& request, RunState state, Journal& journal,
                         const std::vector<EventListener*>& listeners, StopRequest& stop) {
  Recorder recorder(request.id, journal, parts_.clock, parts_.redactor, listeners,
                    with_secrets(std::move(state), parts_.redactor));
  RunScope scope{
      parts_, actions_, pipeline, request, *faults_, &recorder, &stop, nullptr, Deadline::never(stop.cut_short())};
  recorder.begin_rollback();  // a journal that cannot be written keeps no run from being taken back
  const bool had_ended = recorder.state().finished && !recorder.state().error.empty();
  const std::string reason = had_ended ? recorder.state().error : "the runner died";
  recorder.record(
      "recovery_started", "", 0,
      {{"record", record_of_self().json()}, {"host", request.started.value("host", "")}, {"pipeline", pipeline.name}});
  end_leftovers(scope, true);
  HookSet hooks;
  try {
    hooks = HookSet::find(pipeline, parts_.files);
  } catch (const Error& error) {
    // A hook that has gone since must not keep a run from being taken back.
    recorder.record("warning", "", 0, {{"message", error.summary()}});
  }
  if (recorder.state().succeeded) {
    finish_forward(scope, hooks);
  } else {
    roll_back(scope, hooks, reason, true);
  }
  return recorder.state();
}

}  // namespace deployer
