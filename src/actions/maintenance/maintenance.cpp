#include <unistd.h>

#include <array>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/maintenance/way.h"
#include "base/error.h"
#include "base/text.h"
#include "state/run_state.h"

namespace deployer {

namespace {

using MaintenanceWayGetter = const MaintenanceWay& (*)();

/// THE table: a way to tell a service of its maintenance is a file and a line here.
constexpr std::array<MaintenanceWayGetter, 3> maintenance_ways = {&maintenance_by_file, &maintenance_by_command,
                                                                  &maintenance_by_database};

constexpr std::string_view kept_until_settled = "it holds until everything is undone";

std::vector<Parameter> maintenance_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("active", ParameterType::boolean, "true begins it, false ends it before the run does", true)};
  for (const MaintenanceWayGetter way : maintenance_ways) inputs.push_back(way().input());
  return inputs;
}

const MaintenanceWay& way_of_step(const ActionContext& context) {
  std::vector<std::string> words;
  const MaintenanceWay* given = nullptr;
  int count = 0;
  for (const MaintenanceWayGetter way : maintenance_ways) {
    words.push_back(way().input().name);
    if (!has_input(context.inputs(), words.back())) continue;
    given = &way();
    ++count;
  }
  if (count == 1) return *given;
  throw Error(ErrorKind::invalid,
              "step '" + context.step().id + "': maintenance takes exactly one of " + listing(words));
}

bool turns_on(const ActionContext& context) { return context.inputs().value("active", true); }

/// The host on which the run worked, where that is another one and what was turned is of that host; else empty.
std::string host_elsewhere(const ActionContext& context, const Json& subject) {
  if (subject.value("by", "") == "database") return {};
  std::array<char, 256> own{};
  if (gethostname(own.data(), own.size() - 1) != 0) return {};
  const std::string worked_on = context.state().started.value("host", "");
  return worked_on == own.data() ? std::string() : worked_on;
}

/// Effects of the run that are about the same maintenance, in their order.
std::vector<EffectState> effects_on(const ActionContext& context, const Json& subject) {
  std::vector<EffectState> effects;
  for (const EffectState& effect : context.state().effects) {
    if (effect.action == "maintenance" && effect.undo.value("of", Json()) == subject) effects.push_back(effect);
  }
  return effects;
}

class MaintenanceAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override { way_of_step(context).check(context); }

  StepPlan plan(ActionContext& context) const override {
    const MaintenanceWay& way = way_of_step(context);
    const std::string text = way.text(way.subject(context));
    if (!turns_on(context)) return {"end the maintenance by " + text, {}, {}, "it is as it was before"};
    return {"maintenance by " + text, {"it ends with the run"}, {}, "it is as it was before"};
  }

  Json baseline(ActionContext& context) const override {
    const MaintenanceWay& way = way_of_step(context);
    const std::optional<bool> on = way.is_on(context, way.subject(context));
    return {{"active", on ? Json(*on) : Json()}};
  }

  Outcome run(ActionContext& context) const override {
    const MaintenanceWay& way = way_of_step(context);
    const Json subject = way.subject(context);
    const bool active = turns_on(context);
    // What cannot be looked at was as it is not to be.
    const bool before = way.is_on(context, subject).value_or(!active);
    Json record = way.record(context, active);
    record.update({{"of", subject}, {"active", active}, {"before", before}});
    context.effect(active ? "begin maintenance" : "end maintenance", record,
                   [&] { return way.turn(context, active, record); });
    return {(active ? "in maintenance by " : "no maintenance any more by ") + way.text(subject)};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    const Json subject = record.data.value("of", Json::object());
    if (!host_elsewhere(context, subject).empty()) return Probe::unknown;
    const std::optional<bool> on = way_of_step(context).is_on(context, subject);
    if (!on) return Probe::unknown;
    return *on == record.data.value("active", true) ? Probe::happened : Probe::not_happened;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    const std::string elsewhere = host_elsewhere(context, record.data.value("of", Json::object()));
    if (!elsewhere.empty()) return left_elsewhere(context, elsewhere);
    if (context.state().rolling_back && record.data.value("active", true)) return std::string(kept_until_settled);
    way_of_step(context).bring_back(context, record.data);
    return "as before";
  }

  /// One that a step has ended begins again, before services are stopped.
  void quiet(ActionContext& context) const override {
    if (turns_on(context) || context.step().rollback) return;
    const MaintenanceWay& way = way_of_step(context);
    const Json subject = way.subject(context);
    if (!host_elsewhere(context, subject).empty()) return;
    for (const EffectState& effect : effects_on(context, subject)) {
      const bool stands = effect.step == context.step().id && effect.status != EffectState::Status::undone;
      if (stands) way.bring_back(context, effect.undo);
    }
  }

  /// What the run began ends when all is undone, where it would have ended on the way forward.
  void settle(ActionContext& context, const Json& /*baseline*/) const override {
    const MaintenanceWay& way = way_of_step(context);
    const Json subject = way.subject(context);
    const std::vector<EffectState> effects = effects_on(context, subject);
    const bool ours = !effects.empty() && host_elsewhere(context, subject).empty() && !context.step().rollback;
    if (!ours || a_later_step_settles(context, subject)) return;
    refuse_while_something_is_left(context, way, subject);
    way.bring_back(context, effects.front().undo);
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    const MaintenanceWay& way = way_of_step(context);
    const Json subject = way.subject(context);
    if (!host_elsewhere(context, subject).empty()) return {};
    const std::optional<bool> on = way.is_on(context, subject);
    if (!on || !baseline["active"].is_boolean()) return {};
    if (*on == baseline["active"].get<bool>()) return {true, true, "the maintenance is as before"};
    return {true, false, "the maintenance by " + way.text(subject) + (*on ? " is on" : " is off") + " and was not"};
  }

  void finish(ActionContext& context) const override {
    const MaintenanceWay& way = way_of_step(context);
    const Json subject = way.subject(context);
    const std::string elsewhere = host_elsewhere(context, subject);
    if (!elsewhere.empty()) throw Error(ErrorKind::left_behind, still_on(way, subject) + " on " + elsewhere);
    const std::vector<EffectState> effects = standing(effects_on(context, subject));
    if (effects.empty()) return;
    try {
      if (effects.back().undo.value("active", true)) way.bring_back(context, effects.back().undo);
      for (const EffectState& effect : effects) way.forget(context, effect.undo);
    } catch (const Error& error) {
      throw Error(error.kind, still_on(way, subject) + ": " + error.summary());
    }
  }

 private:
  static std::vector<EffectState> standing(std::vector<EffectState> effects) {
    std::erase_if(effects, [](const EffectState& effect) { return effect.status == EffectState::Status::undone; });
    return effects;
  }

  static std::string left_elsewhere(const ActionContext& context, const std::string& host) {
    if (context.accepts_loss()) return "left as it is on " + host + ", which was accepted";
    throw Error(ErrorKind::left_behind, "it is on " + host + ", where the run worked",
                "on " + host + ": deployer recover; if that machine is gone for good: deployer recover --yes");
  }

  /// So that a service which went into maintenance before others were stopped comes out after they were started.
  static bool a_later_step_settles(const ActionContext& context, const Json& subject) {
    bool is_later = false;
    for (const Step& step : context.pipeline().steps) {
      if (step.id == context.step().id) {
        is_later = true;
        continue;
      }
      const bool counts =
          is_later && step.uses == "maintenance" && !step.rollback && context.state().baseline.contains(step.id);
      if (!counts) continue;
      const std::string by = subject.value("by", "");
      if (step.inputs.value(by, Json()) == context.inputs().value(by, Json())) return true;
    }
    return false;
  }

  /// A service whose database or code went back half-way is not let out: others would write into that.
  static void refuse_while_something_is_left(const ActionContext& context, const MaintenanceWay& way,
                                             const Json& subject) {
    for (const EffectState& effect : context.state().effects) {
      if (effect.status == EffectState::Status::undone || effect.action == "maintenance") continue;
      throw Error(ErrorKind::failed,
                  "the maintenance stays on, because '" + effect.name + "' of '" + effect.step + "' is not undone",
                  "deployer recover ends it when that is mended; by hand: " + way.by_hand(subject));
    }
  }

  static std::string still_on(const MaintenanceWay& way, const Json& subject) {
    return "the maintenance by " + way.text(subject) + " is still on; end it by hand: " + way.by_hand(subject);
  }

  ActionSpec spec_{.word = "maintenance",
                   .doc = "Takes a service, or the writers of a database, out of the way while the run works.",
                   .inputs = maintenance_inputs(),
                   .can_continue_on_error = false,
                   .wants_quiet = false,
                   .undone_anywhere = true};
};

}  // namespace

const Action& maintenance_action() {
  static const MaintenanceAction action;
  return action;
}

}  // namespace deployer
