#include <algorithm>

#include "actions/inputs.h"
#include "actions/restart/systemd_unit.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/text.h"
#include "state/run_state.h"

namespace deployer {

namespace {

std::optional<std::string> units_complaint(const Json& value) {
  if (value.empty()) return "it names no unit";
  for (const Json& unit : value) {
    if (const auto complaint = unit_name_complaint(unit.get<std::string>())) return complaint;
  }
  return std::nullopt;
}

/// Units of systemd.
class SystemdWay : public RestartWay {
 public:
  Parameter input() const override {
    Parameter units = declare_input("systemd", ParameterType::list, "Units that systemd restarts, in this order.");
    units.repeated_or_single = true;
    units.check = units_complaint;
    return units;
  }

  void check(ActionContext& context) const override { need_systemd(context); }

  StepPlan plan(ActionContext& context) const override {
    return {"restarts " + listing(list_input(context.inputs(), "systemd")),
            {},
            {},
            "the units are brought back to how they were, on the old code"};
  }

  Json baseline(ActionContext& context) const override {
    Json units = Json::object();
    for (const std::string& unit : list_input(context.inputs(), "systemd")) {
      units[unit] = unit_state(context, unit).json();
    }
    return {{"way", "systemd"}, {"units", units}};
  }

  Outcome run(ActionContext& context) const override {
    const std::vector<std::string> units = list_input(context.inputs(), "systemd");
    for (const std::string& unit : units) {
      const Json undo = {{"unit", unit}, {"before", unit_state(context, unit).json()}};
      UnitStart start;
      context.effect("restart " + unit, undo, [&] {
        start = start_unit(context, unit);
        return Json(nullptr);
      });
      wait_until_unit_is_ready(context, unit, start);
    }
    return {"restarted " + listing(units), Json::object()};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    return probe_unit(context, record.name, record.data.at("unit").get<std::string>(),
                      UnitState::from(record.data.at("before")));
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (context.state().rolling_back) return left_to_settle;
    bring_unit_back(context, record.data.at("unit").get<std::string>(), UnitState::from(record.data.at("before")));
    return "the unit is as it was";
  }

  void quiet(ActionContext& context) const override {
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || !effect.undo.contains("unit")) continue;
      const std::string unit = effect.undo["unit"].get<std::string>();
      const UnitState before = UnitState::from(effect.undo.at("before"));
      const UnitState now = unit_state(context, unit);
      // What still runs by its old start has been left untouched.
      if (!before.is_up() || now.has_job || !now.same_start(before)) stop_unit(context, unit);
    }
  }

  void settle(ActionContext& context, const Json& baseline) const override {
    for (const auto& [unit, state] : baseline.at("units").items()) {
      const UnitState before = UnitState::from(state);
      if (before.is_up() || was_touched(context, unit)) bring_unit_back(context, unit, before);
    }
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    Verification all;
    for (const auto& [unit, state] : baseline.at("units").items()) {
      const UnitState before = UnitState::from(state);
      if (!before.is_up() && !was_touched(context, unit)) continue;
      const Verification one = verify_unit(context, unit, before);
      if (!one.ok) return one;
      if (one.proved) all = {true, true, "the units are as before"};
    }
    return all;
  }

 private:
  static bool was_touched(const ActionContext& context, const std::string& unit) {
    const std::vector<EffectState>& effects = context.state().effects;
    return std::any_of(effects.begin(), effects.end(), [&](const EffectState& effect) {
      return effect.step == context.step().id && effect.undo.value("unit", "") == unit;
    });
  }
};

}  // namespace

const RestartWay& systemd_way() {
  static const SystemdWay way;
  return way;
}

}  // namespace deployer
