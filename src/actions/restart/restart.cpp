#include <array>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/text.h"

namespace deployer {

namespace {

using RestartWayGetter = const RestartWay& (*)();

/// THE table: a way to restart services is a file and a line here.
constexpr std::array<RestartWayGetter, 3> restart_ways = {&systemd_way, &daemon_way, &command_way};

/// Ways that documents may come to have.
constexpr std::array<const char*, 3> later_restart_ways = {"runit", "supervisor", "docker_compose"};

std::vector<Parameter> restart_inputs() {
  std::vector<Parameter> inputs;
  for (const RestartWayGetter way : restart_ways) inputs.push_back(way().input());
  for (const char* word : later_restart_ways) {
    inputs.push_back(declare_input(word, ParameterType::any, "Not in this version."));
    inputs.back().check = [](const Json&) { return std::optional<std::string>("not in this version"); };
  }
  inputs.push_back(declare_input("ready_within", ParameterType::duration,
                                 "How long a service may take until it runs and stays so.", 30000));
  return inputs;
}

std::vector<const RestartWay*> given_ways(const ActionContext& context) {
  std::vector<const RestartWay*> ways;
  for (const RestartWayGetter way : restart_ways) {
    if (has_input(context.inputs(), way().input().name)) ways.push_back(&way());
  }
  return ways;
}

const RestartWay& way_of(const ActionContext& context) {
  const std::vector<const RestartWay*> ways = given_ways(context);
  if (ways.size() == 1) return *ways.front();
  std::vector<std::string> words;
  for (const RestartWayGetter way : restart_ways) words.push_back(way().input().name);
  throw Error(ErrorKind::invalid, "step '" + context.step().id + "': restart takes exactly one of " + listing(words));
}

class RestartAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }
  void check(ActionContext& context) const override { way_of(context).check(context); }
  StepPlan plan(ActionContext& context) const override { return way_of(context).plan(context); }
  Json baseline(ActionContext& context) const override { return way_of(context).baseline(context); }
  Outcome run(ActionContext& context) const override { return way_of(context).run(context); }
  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    return way_of(context).probe(context, record);
  }
  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    return way_of(context).undo(context, record);
  }
  void quiet(ActionContext& context) const override { way_of(context).quiet(context); }
  void settle(ActionContext& context, const Json& baseline) const override {
    way_of(context).settle(context, baseline);
  }
  Verification verify(ActionContext& context, const Json& baseline) const override {
    return way_of(context).verify(context, baseline);
  }

 private:
  ActionSpec spec_{"restart", "Starts services anew, and hands them over running.", restart_inputs()};
};

}  // namespace

const Action& restart_action() {
  static const RestartAction action;
  return action;
}

}  // namespace deployer
