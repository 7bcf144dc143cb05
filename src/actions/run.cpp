#include "actions/builtin.h"
#include "actions/inputs.h"

namespace deployer {

namespace {

/// `run:`, the step's command as one effect. Its `rollback`, `verify` and `probe` are the engine's.
class RunAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const Step& step = context.step();
    if (!step.run.shell_text.empty() && !step.shell.empty()) need_program(context, step.shell.front(), "");
  }

  StepPlan plan(ActionContext& context) const override {
    const Step& step = context.step();
    StepPlan plan{step.name, {}, {}, std::nullopt};
    plan.details.push_back(step.run.shell_text.empty() ? dump(Json(step.run.argv)) : step.run.shell_text);
    if (step.rollback && !step.rollback->none) plan.undo = "its rollback command";
    return plan;
  }

  Outcome run(ActionContext& context) const override {
    Outcome outcome;
    context.effect("command", Json::object(), [&] {
      CommandOptions options;
      options.collect_outputs = true;
      outcome.outputs = context.must(context.step().run, "command", options).outputs;
      return Json(outcome.outputs);
    });
    return outcome;
  }

  std::string undo(ActionContext& /*context*/, const UndoRecord& /*record*/) const override {
    return "nothing: the step has no rollback";
  }

 private:
  ActionSpec spec_{"run", "Runs a command.", {}};
};

}  // namespace

const Action& run_action() {
  static const RunAction action;
  return action;
}

}  // namespace deployer
