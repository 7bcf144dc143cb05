#include "actions/restart/readiness.h"

#include <algorithm>

#include "actions/inputs.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr Duration usual_ready_within = std::chrono::seconds(30);

std::string settled_fact(const std::string& service) { return "settled " + service; }

Json settled_value(const ActionContext& context, const Json& identity) {
  const std::vector<EffectState>& effects = context.state().effects;
  const auto undone = std::count_if(effects.begin(), effects.end(), [](const EffectState& effect) {
    return effect.status == EffectState::Status::undone;
  });
  return {{"identity", identity}, {"undone", undone}};
}

}  // namespace

Duration ready_within(const ActionContext& context) {
  return has_input(context.inputs(), "ready_within") ? duration_input(context.inputs(), "ready_within")
                                                     : usual_ready_within;
}

Duration stay_up(const ActionContext& context, Duration wanted) { return std::min(wanted, ready_within(context)); }

bool is_settled(const ActionContext& context, const std::string& service, const Json& identity) {
  return context.state().rolling_back && context.fact(settled_fact(service)) == settled_value(context, identity);
}

void remember_settled(ActionContext& context, const std::string& service, const Json& identity) {
  if (context.state().rolling_back) context.set_fact(settled_fact(service), settled_value(context, identity));
}

}  // namespace deployer
