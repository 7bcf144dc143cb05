#pragma once

#include <string>

#include "engine/action.h"

namespace deployer {

/// How long a service may take until it is ready: `ready_within` of the step, or 30 s where its action has no such
/// input.
Duration ready_within(const ActionContext& context);

/// How long a service must stay up before it counts as ready: `wanted`, or `ready_within` where that is shorter.
Duration stay_up(const ActionContext& context, Duration wanted);

/// Whether the service was brought back in this rollback already as `identity` (of its process or invocation), and
/// nothing beneath it has been undone since: two steps may look after one service, and a recovery comes twice.
bool is_settled(const ActionContext& context, const std::string& service, const Json& identity);
/// Remembers that it was, as a fact of the run. Only while a rollback goes on.
void remember_settled(ActionContext& context, const std::string& service, const Json& identity);

}  // namespace deployer
