#include <algorithm>

#include "actions/inputs.h"
#include "actions/restart/way.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr const char* restart_command_effect = "restart command";

/// `command`: what it restarts is not known, so taking it back is running it again when the old code is in place.
class CommandWay : public RestartWay {
 public:
  Parameter input() const override {
    return declare_input("command", ParameterType::command,
                         "A command that restarts; a rollback runs it again when the old code is in place.");
  }

  void check(ActionContext& context) const override {
    const CommandLine line = command_input(context.inputs(), "command", context.step());
    if (!line.shell_text.empty() && !context.step().shell.empty()) {
      need_program(context, context.step().shell.front(), "");
    }
  }

  StepPlan plan(ActionContext& /*context*/) const override {
    return {"restarts by a command", {}, {}, "the command is run again when the old code is in place"};
  }

  Json baseline(ActionContext& /*context*/) const override { return {{"way", "command"}}; }

  Outcome run(ActionContext& context) const override {
    context.effect(restart_command_effect, Json::object(), [&] {
      restart(context);
      return Json(nullptr);
    });
    return {"restarted by the command", Json::object()};
  }

  Probe probe(ActionContext& /*context*/, const UndoRecord& /*record*/) const override { return Probe::unknown; }

  std::string undo(ActionContext& context, const UndoRecord& /*record*/) const override {
    if (context.state().rolling_back) return left_to_settle;
    restart(context);
    return "the command was run again";
  }

  void quiet(ActionContext& /*context*/) const override {}

  void settle(ActionContext& context, const Json& /*baseline*/) const override {
    const std::vector<EffectState>& effects = context.state().effects;
    const bool ran = std::any_of(effects.begin(), effects.end(),
                                 [&](const EffectState& effect) { return effect.step == context.step().id; });
    if (ran) restart(context);
  }

  Verification verify(ActionContext& /*context*/, const Json& /*baseline*/) const override { return {}; }

 private:
  static void restart(ActionContext& context) {
    context.must(command_input(context.inputs(), "command", context.step()), "command");
  }
};

}  // namespace

const RestartWay& command_way() {
  static const CommandWay way;
  return way;
}

}  // namespace deployer
