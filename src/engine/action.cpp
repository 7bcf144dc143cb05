#include "engine/action.h"

namespace deployer {

void Action::check(ActionContext& /*context*/) const {}

StepPlan Action::plan(ActionContext& context) const { return {context.step().name, {}, {}, std::nullopt}; }

Json Action::baseline(ActionContext& /*context*/) const { return nullptr; }

Probe Action::probe(ActionContext& /*context*/, const UndoRecord& /*record*/) const { return Probe::unknown; }

std::string Action::undo(ActionContext& /*context*/, const UndoRecord& /*record*/) const { return {}; }

void Action::quiet(ActionContext& /*context*/) const {}

void Action::settle(ActionContext& /*context*/, const Json& /*baseline*/) const {}

Verification Action::verify(ActionContext& /*context*/, const Json& /*baseline*/) const { return {}; }

void Action::finish(ActionContext& /*context*/) const {}

}  // namespace deployer
