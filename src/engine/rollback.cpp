#include "engine/rollback.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/child.h"
#include "state/journal.h"
#include "system/fault.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr int undo_attempts = 3;
constexpr std::string_view mask = "***";
constexpr Duration undo_pause = std::chrono::seconds(1);

Deadline undo_deadline(const RunScope& scope, const Step& step) {
  return Deadline::after(step.timeout.value_or(scope.request.undo_grace), scope.stop->cut_short());
}

/// What the journal does not keep, and nobody could give anew. To act on it would be to act on another path.
void refuse_masked(const Json& data, const std::string& what) {
  if (dump(data).find(mask) == std::string::npos) return;
  throw Error(ErrorKind::left_behind, what + " holds a secret, which the journal does not keep",
              "give the secrets as they were when the run began, then: deployer recover; else put it right by hand");
}

/// A step whose doings are files and services of another host than this one.
bool is_out_of_reach(const RunScope& scope, const Step& step) {
  if (scope.request.elsewhere.empty() || (step.rollback && step.rollback->none)) return false;
  return step.rollback || !scope.action(step).spec().undone_anywhere;
}

bool needs_undo(const EffectState& effect) { return effect.status != EffectState::Status::undone; }

/// The walk back of one run. What went wrong is kept as it goes, so that the verdict knows.
class Rollback {
 public:
  Rollback(RunScope& scope, bool after_crash) : scope_(scope), after_crash_(after_crash) {}

  void walk(const std::function<bool(const EffectState&)>& wanted) {
    std::vector<EffectState> effects;
    for (const EffectState& effect : scope_.recorder->state().effects) {
      if (needs_undo(effect) && wanted(effect)) effects.push_back(effect);
    }
    std::set<std::string> stuck;
    for (auto effect = effects.rbegin(); effect != effects.rend() && !cut_short(); ++effect) {
      if (stuck.count(effect->step) > 0) {
        note(effect->step, "'" + effect->name + "' was not undone, because a later part of the step could not be");
        continue;
      }
      if (!undo(*effect)) stuck.insert(effect->step);
    }
  }

  void quiet() {
    const bool wanted = std::any_of(scope_.recorder->state().effects.begin(), scope_.recorder->state().effects.end(),
                                    [&](const EffectState& effect) {
                                      const Action* action = scope_.actions(effect.action);
                                      return needs_undo(effect) && action != nullptr && action->spec().wants_quiet;
                                    });
    if (!wanted) return;
    for (auto step = scope_.pipeline.steps.rbegin(); step != scope_.pipeline.steps.rend() && !cut_short(); ++step) {
      if (!had_effects(*step) || is_out_of_reach(*step)) continue;
      guarded(*step, "stopping the services of '" + step->id + "'",
              [&](ActionContext& context) { scope_.action(*step).quiet(context); });
    }
  }

  void settle() {
    const Json baseline = scope_.recorder->state().baseline;
    for (const Step& step : scope_.pipeline.steps) {
      if (cut_short()) return;
      if (!baseline.contains(step.id) || baseline[step.id].is_null() || is_out_of_reach(step)) continue;
      scope_.faults.pass("settle.before " + step.id);
      const bool ok = guarded(step, "bringing back the state of '" + step.id + "'", [&](ActionContext& context) {
        if (after_crash_) refuse_masked(baseline[step.id], "the state before the run");
        scope_.action(step).settle(context, baseline[step.id]);
      });
      scope_.recorder->record("settled", step.id, 0, {{"step", step.id}, {"ok", ok}});
    }
  }

  /// Whether something proved that the old state is there; nothing where something is wrong.
  void verify() {
    const Json baseline = scope_.recorder->state().baseline;
    for (const Step& step : scope_.pipeline.steps) {
      if (cut_short()) return;
      if (is_out_of_reach(step)) continue;
      if (baseline.contains(step.id) && !baseline[step.id].is_null()) verify_action(step, baseline[step.id]);
      if (step.verify && had_effects(step)) verify_command(step);
    }
  }

  /// What went wrong beside the walk.
  void add_problem(const std::string& problem) { problems_.push_back(problem); }

  bool cut_short() const { return scope_.stop->cut_short().stop_requested(); }
  bool proved() const { return proved_; }
  bool waiting_for_server() const { return server_down_; }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  bool had_effects(const Step& step) const {
    const std::vector<EffectState>& effects = scope_.recorder->state().effects;
    return std::any_of(effects.begin(), effects.end(),
                       [&](const EffectState& effect) { return effect.step == step.id; });
  }

  void note(const std::string& step, const std::string& problem, const std::string& hint = {}) {
    problems_.push_back(step + ": " + problem);
    if (!hint.empty()) problems_.push_back("  " + hint);
  }

  bool guarded(const Step& step, const std::string& what, const std::function<void(ActionContext&)>& act) {
    int attempts = 0;
    const std::optional<Error> failure = patiently(1, attempts, [&] {
      ActionContext context(scope_, step, 0, undo_deadline(scope_, step));
      act(context);
    });
    if (!failure) return true;
    note(step.id, what + " failed: " + failure->summary(), failure->hint);
    return false;
  }

  bool undo(const EffectState& effect) {
    const Step* step = scope_.find_step(effect.step);
    scope_.recorder->record("undo_started", effect.step, effect.attempt,
                            {{"effect", effect.id}, {"name", effect.name}});
    scope_.faults.pass("undo.before " + effect.name);
    std::string way;
    std::optional<Error> failure;
    int attempts = 0;
    if (step == nullptr) {
      failure = Error(ErrorKind::left_behind, "the document has no step '" + effect.step + "' any more");
    } else if (is_out_of_reach(*step) && scope_.request.accepts_loss) {
      way = "left as it is on " + scope_.request.elsewhere + ", which was accepted";
    } else if (is_out_of_reach(*step)) {
      failure = out_of_reach();
    } else {
      failure = patiently(undo_attempts, attempts, [&] {
        ActionContext context(scope_, *step, effect.attempt, undo_deadline(scope_, *step));
        way = undo_once(context, effect);
      });
    }
    scope_.faults.pass("undo.after " + effect.name);
    scope_.recorder->record("undo_finished", effect.step, effect.attempt,
                            {{"effect", effect.id},
                             {"name", effect.name},
                             {"ok", !failure},
                             {"error", failure ? failure->summary() : ""},
                             {"way_back", way},
                             {"attempts", attempts}});
    if (!failure) return true;
    note(effect.step, "'" + effect.name + "' could not be undone: " + failure->summary(), failure->hint);
    return false;
  }

  /// A server that is down is waited for, up to `rollback_wait`; anything else is tried `most` times.
  std::optional<Error> patiently(int most, int& attempts, const std::function<void()>& act) {
    const Deadline waiting = Deadline::after(scope_.request.undo_grace, scope_.stop->cut_short());
    while (true) {
      ++attempts;
      std::optional<Error> failure;
      try {
        act();
        return std::nullopt;
      } catch (const Error& error) {
        failure = error;
      } catch (const std::exception& error) {
        failure = Error(ErrorKind::internal, error.what());
      }
      // The session may be what is broken: the next attempt opens another.
      scope_.session.reset();
      const bool server_down = failure->kind == ErrorKind::unavailable;
      const bool last = failure->kind == ErrorKind::left_behind || (server_down ? server_down_ : attempts >= most);
      if (last || waiting.cancelled() || waiting.expired() || !waiting.sleep(undo_pause)) {
        if (server_down) server_down_ = true;
        return failure;
      }
    }
  }

  bool is_out_of_reach(const Step& step) const { return deployer::is_out_of_reach(scope_, step); }

  Error out_of_reach() const {
    return Error(ErrorKind::left_behind, "it is on " + scope_.request.elsewhere + ", where the run worked",
                 "on " + scope_.request.elsewhere +
                     ": deployer recover; if that machine is gone for good: deployer recover --yes");
  }

  std::string undo_once(ActionContext& context, const EffectState& effect) {
    const Step& step = context.step();
    const Action& action = scope_.action(step);
    const UndoRecord record{effect.action, effect.version, effect.step,  effect.attempt,
                            effect.name,   effect.undo,    effect.result};
    if (after_crash_ && !step.rollback) refuse_masked(record.data, "what is to be undone");
    if (after_crash_ && effect.status == EffectState::Status::intended &&
        probe(context, action, record) == Probe::not_happened) {
      return "it had not happened";
    }
    if (!step.rollback) return action.undo(context, record);
    if (step.rollback->none) return "nothing (rollback: none)";
    // It takes the whole attempt back, however many effects that had.
    if (!commanded_.contains({effect.step, effect.attempt})) {
      context.must(step.rollback->command, "the rollback command");
      commanded_.insert({effect.step, effect.attempt});
    }
    return "its rollback command";
  }

  static Probe probe(ActionContext& context, const Action& action, const UndoRecord& record) {
    if (!context.step().probe) return action.probe(context, record);
    const CommandResult answer = context.command(*context.step().probe);
    if (answer.status == 0) return Probe::happened;
    return answer.status == 1 ? Probe::not_happened : Probe::unknown;
  }

  void verify_action(const Step& step, const Json& baseline) {
    Verification found;
    const bool asked = guarded(step, "verifying '" + step.id + "'",
                               [&](ActionContext& context) { found = scope_.action(step).verify(context, baseline); });
    if (!asked) return;
    if (!found.ok) note(step.id, found.message);
    if (found.proved && found.ok) proved_ = true;
    if (found.proved || !found.ok) {
      scope_.recorder->record(
          "verified", step.id, 0,
          {{"step", step.id}, {"ok", found.ok}, {"proved", found.proved}, {"message", found.message}});
    }
  }

  void verify_command(const Step& step) {
    CommandResult answer;
    const bool asked = guarded(step, "the verify command of '" + step.id + "'",
                               [&](ActionContext& context) { answer = context.command(*step.verify); });
    if (!asked) return;
    if (answer.ok) proved_ = true;
    if (!answer.ok) note(step.id, "its verify command " + answer.text);
    scope_.recorder->record("verified", step.id, 0, {{"step", step.id}, {"ok", answer.ok}, {"proved", answer.ok}});
  }

  RunScope& scope_;
  bool after_crash_;
  bool proved_ = false;
  bool server_down_ = false;
  std::set<std::pair<std::string, int>> commanded_;
  std::vector<std::string> problems_;
};

struct Verdict {
  std::string status;
  int exit_status = 1;
  Json verified;
  Json lost = Json::array();
  std::vector<std::string> runbook;
};

/// What an undo said that it could not keep: `[{table, rows}]`.
Json lost_rows(const RunScope& scope) {
  const auto fact = scope.recorder->state().facts.find("lost");
  return fact == scope.recorder->state().facts.end() ? Json::array() : fact->second;
}

Verdict judge(RunScope& scope, const Rollback& walk, bool nothing_to_undo) {
  Verdict verdict;
  verdict.lost = lost_rows(scope);
  verdict.runbook = walk.problems();
  const std::string go_on = "when that is mended: deployer recover";
  if (walk.cut_short() || walk.waiting_for_server()) {
    verdict.status = "interrupted";
    verdict.exit_status = error_kind_info(ErrorKind::left_behind).exit_status;
    verdict.verified = nullptr;
    if (walk.cut_short()) verdict.runbook.insert(verdict.runbook.begin(), "the rollback was cut short by a signal");
    verdict.runbook.push_back("to go on with the rollback: deployer recover");
    return verdict;
  }
  if (const std::optional<Error> failure = scope.recorder->journal_failure()) {
    verdict.runbook.push_back("the journal could not be written: " + failure->summary());
    verdict.runbook.push_back("make room in " + scope.request.state_folder.string());
  }
  if (!verdict.runbook.empty()) {
    verdict.status = "rollback_failed";
    verdict.exit_status = error_kind_info(ErrorKind::left_behind).exit_status;
    verdict.verified = false;
    verdict.runbook.push_back(go_on);
    return verdict;
  }
  const int signal = scope.stop->signal();
  verdict.status = scope.stop->stop().stop_requested() ? "cancelled" : "rolled_back";
  verdict.exit_status = signal > 0 ? 128 + signal : 1;
  verdict.verified = nothing_to_undo || walk.proved();
  if (!verdict.lost.empty()) {
    verdict.exit_status = error_kind_info(ErrorKind::left_behind).exit_status;
    for (const Json& table : verdict.lost) {
      verdict.runbook.push_back("rows that others had written are lost: table " + table.value("table", "") +
                                ", at least " + std::to_string(table.value("rows", std::uint64_t{0})));
    }
  }
  return verdict;
}

void record_verdict(RunScope& scope, const Verdict& verdict, const std::string& reason) {
  scope.recorder->record("run_finished", "", 0,
                         {{"status", verdict.status},
                          {"exit_status", verdict.exit_status},
                          {"verified", verdict.verified},
                          {"lost", verdict.lost},
                          {"runbook", verdict.runbook},
                          {"error", reason}});
}

/// Whether all that the run started has ended; what has not is named.
std::optional<std::string> leftovers_problem(RunScope& scope) {
  try {
    end_leftovers(scope, false);
    return std::nullopt;
  } catch (const Error& left) {
    return left.hint.empty() ? left.summary() : left.summary() + " (" + left.hint + ")";
  }
}

}  // namespace

void run_hooks_of_end(RunScope& scope, const HookSet& hooks, const std::vector<std::string>& events,
                      const std::string& status, const std::string& error) {
  for (const std::string& event : events) {
    if (scope.stop->cut_short().stop_requested()) return;
    try {
      run_hooks(scope, hooks, {event, "", status, error}, false, Deadline::never(scope.stop->cut_short()));
    } catch (const std::exception& failure) {
      scope.recorder->record("warning", "", 0, {{"message", failure.what()}});
    }
  }
}

void undo_attempt(RunScope& scope, const Step& step, int attempt) {
  Rollback walk(scope, false);
  walk.walk([&](const EffectState& effect) { return effect.step == step.id && effect.attempt == attempt; });
  if (!walk.problems().empty()) throw Error(ErrorKind::failed, join(walk.problems(), "; "));
}

void roll_back(RunScope& scope, const HookSet& hooks, const std::string& reason, bool after_crash) {
  Recorder& recorder = *scope.recorder;
  recorder.begin_rollback();
  const std::vector<EffectState>& effects = recorder.state().effects;
  // An earlier rollback that got as far as the last undo and no further has proved nothing yet.
  const bool nothing_to_undo = effects.empty();
  recorder.record("rollback_started", "", 0, {{"reason", reason}, {"nothing_to_undo", nothing_to_undo}});
  run_hooks_of_end(scope, hooks, {"before-rollback"}, "failed", reason);
  Rollback walk(scope, after_crash);
  walk.quiet();
  walk.walk([](const EffectState&) { return true; });
  walk.settle();
  if (!nothing_to_undo) walk.verify();
  if (const auto left = leftovers_problem(scope)) walk.add_problem(*left);
  const Verdict verdict = judge(scope, walk, nothing_to_undo);
  recorder.record("rollback_finished", "", 0, {{"ok", walk.problems().empty()}, {"verified", verdict.verified}});
  run_hooks_of_end(scope, hooks, {"after-rollback", "on-failure", "after-run"}, verdict.status, reason);
  if (const auto left = leftovers_problem(scope)) recorder.record("warning", "", 0, {{"message", *left}});
  record_verdict(scope, verdict, reason);
}

void finish_forward(RunScope& scope, const HookSet& hooks) {
  Recorder& recorder = *scope.recorder;
  recorder.begin_rollback();  // from here on nothing may stop the run from ending well
  for (const Step& step : scope.pipeline.steps) {
    const std::vector<StepState>& steps = recorder.state().steps;
    const bool succeeded = std::any_of(steps.begin(), steps.end(), [&](const StepState& state) {
      return state.id == step.id && state.status == StepStatus::succeeded;
    });
    if (!succeeded) continue;
    if (is_out_of_reach(scope, step)) {
      recorder.record("warning", step.id, 0,
                      {{"message", "what it does at the end is left on " + scope.request.elsewhere}});
      continue;
    }
    scope.faults.pass("finish.before " + step.id);
    try {
      ActionContext context(scope, step, 0, undo_deadline(scope, step));
      scope.action(step).finish(context);
    } catch (const std::exception& failure) {
      recorder.record("warning", step.id, 0, {{"message", failure.what()}});
    }
  }
  run_hooks_of_end(scope, hooks, {"on-success", "after-run"}, "succeeded", "");
  if (const auto left = leftovers_problem(scope)) recorder.record("warning", "", 0, {{"message", *left}});
  record_verdict(scope, {"succeeded", 0, nullptr, Json::array(), {}}, "");
}

void end_leftovers(RunScope& scope, bool after_crash) {
  if (after_crash) {
    const Deadline deadline = Deadline::after(scope.request.undo_grace, scope.stop->cut_short());
    end_processes(find_by_environment("DEPLOYER_RUN_ID", scope.request.id), std::chrono::seconds(10), deadline,
                  service_variable);
  }
  scope.parts.processes.end_all(service_variable);
}

}  // namespace deployer
