#include <algorithm>

#include "actions/inputs.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr Duration unit_moment = std::chrono::seconds(1);
constexpr Duration unit_pause = std::chrono::milliseconds(200);
constexpr const char* unit_effect = "restart ";

/// What systemd says of a unit (systemctl(1), show). An invocation id is new with each start; restarts are those that
/// systemd made by itself.
struct UnitState {
  std::string load;
  std::string active;
  std::string invocation;
  std::string restarts;

  bool is_active() const { return active == "active" || active == "reloading"; }
  bool operator==(const UnitState&) const = default;
  Json json() const { return {{"load", load}, {"active", active}, {"invocation", invocation}, {"restarts", restarts}}; }
  static UnitState from(const Json& json) {
    return {json.at("load").get<std::string>(), json.at("active").get<std::string>(),
            json.at("invocation").get<std::string>(), json.at("restarts").get<std::string>()};
  }
};

CommandResult systemctl(ActionContext& context, const std::vector<std::string>& words) {
  std::vector<std::string> argv = {"systemctl", "--no-ask-password"};
  argv.insert(argv.end(), words.begin(), words.end());
  CommandOptions options;
  options.quiet = true;
  return context.command({"", argv, {}}, options);
}

UnitState unit_state(ActionContext& context, const std::string& unit) {
  const CommandResult answer =
      systemctl(context, {"show", "--property=LoadState,ActiveState,InvocationID,NRestarts", "--", unit});
  if (!answer.ok) throw Error(ErrorKind::failed, "systemctl show " + unit + " " + answer.text + ": " + answer.err_tail);
  UnitState state;
  for (const std::string& line : split(answer.out, '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string value = line.substr(equals + 1);
    const std::string name = line.substr(0, equals);
    if (name == "LoadState") state.load = value;
    if (name == "ActiveState") state.active = value;
    if (name == "InvocationID") state.invocation = value;
    if (name == "NRestarts") state.restarts = value;
  }
  return state;
}

std::string unit_log(ActionContext& context, const std::string& unit) {
  CommandOptions options;
  options.quiet = true;
  const CommandResult log = context.command(
      {"", {"journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=5", "--unit", unit}, {}}, options);
  const std::string lines(trim(log.out));
  return lines.empty() ? std::string() : ": " + lines;
}

/// Until the unit is active and stays so for a moment, in one invocation and without a restart of systemd's own.
void wait_until_stable(ActionContext& context, const std::string& unit) {
  const Duration within = duration_input(context.inputs(), "ready_within");
  const Deadline deadline = context.deadline().at_most(within);
  UnitState last = unit_state(context, unit);
  auto since = Deadline::Clock::now();
  while (true) {
    if (last.is_active() && Deadline::Clock::now() - since >= std::min(unit_moment, within)) return;
    if (!deadline.sleep(unit_pause)) break;
    const UnitState now = unit_state(context, unit);
    if (now == last) continue;
    last = now;
    since = Deadline::Clock::now();
  }
  context.deadline().check("waiting for " + unit);
  throw Error(ErrorKind::failed, unit + " was not up within " + duration_text(within) + " (it is " + last.active +
                                     ", restarted " + last.restarts + " times)" + unit_log(context, unit));
}

void must_systemctl(ActionContext& context, const std::string& verb, const std::string& unit) {
  const CommandResult result = systemctl(context, {verb, "--", unit});
  if (result.ok) return;
  throw Error(ErrorKind::failed,
              "systemctl " + verb + " " + unit + " " + result.text + ": " + result.err_tail + unit_log(context, unit));
}

void bring_unit_back(ActionContext& context, const std::string& unit, const UnitState& before) {
  const UnitState now = unit_state(context, unit);
  if (!before.is_active()) {
    if (now.active != "inactive" && now.active != "failed") must_systemctl(context, "stop", unit);
    return;
  }
  if (now.is_active() && now.invocation == before.invocation) return;
  must_systemctl(context, "restart", unit);
  wait_until_stable(context, unit);
}

class SystemdWay : public RestartWay {
 public:
  Parameter input() const override {
    Parameter units = declare_input("systemd", ParameterType::list, "Units that systemd restarts, in this order.");
    units.repeated_or_single = true;
    return units;
  }

  void check(ActionContext& context) const override {
    need_program(context, "systemctl", "systemd");
    if (list_input(context.inputs(), "systemd").empty()) {
      throw Error(ErrorKind::invalid, "step '" + context.step().id + "': systemd names no unit");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    return {"restarts " + listing(list_input(context.inputs(), "systemd")),
            {},
            {},
            "the units are brought back to how they were, on the old code"};
  }

  Json baseline(ActionContext& context) const override {
    Json units = Json::object();
    for (const std::string& unit : list_input(context.inputs(), "systemd")) {
      const UnitState state = unit_state(context, unit);
      units[unit] = state.json();
    }
    return {{"way", "systemd"}, {"units", units}};
  }

  Outcome run(ActionContext& context) const override {
    const std::vector<std::string> units = list_input(context.inputs(), "systemd");
    for (const std::string& unit : units) {
      const UnitState before = unit_state(context, unit);
      if (before.load == "not-found") throw Error(ErrorKind::failed, "systemd has no unit " + unit);
      context.effect(unit_effect + unit, {{"unit", unit}, {"before", before.json()}}, [&] {
        must_systemctl(context, "restart", unit);
        return Json(nullptr);
      });
      wait_until_stable(context, unit);
    }
    return {"restarted " + listing(units), Json::object()};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    const UnitState before = UnitState::from(record.data.at("before"));
    return unit_state(context, record.data.at("unit").get<std::string>()) == before ? Probe::not_happened
                                                                                    : Probe::happened;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (context.state().rolling_back) return left_to_settle;
    bring_unit_back(context, record.data.at("unit").get<std::string>(), UnitState::from(record.data.at("before")));
    return "the unit is as it was";
  }

  void quiet(ActionContext& context) const override {
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || !effect.undo.contains("unit")) continue;
      must_systemctl(context, "stop", effect.undo["unit"].get<std::string>());
    }
  }

  void settle(ActionContext& context, const Json& baseline) const override {
    for (const auto& [unit, state] : baseline.at("units").items()) {
      if (was_touched(context, unit)) bring_unit_back(context, unit, UnitState::from(state));
    }
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    for (const auto& [unit, state] : baseline.at("units").items()) {
      const UnitState before = UnitState::from(state);
      const UnitState now = unit_state(context, unit);
      if (now.is_active() != before.is_active())
        return {true, false, unit + " is " + now.active + " and was " + before.active};
    }
    return {true, true, "the units are as before"};
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
