#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/context.h"

namespace deployer {

// What `maintenance` with `database: read_only` gives to actions that change the database.

/// Looks whether the server is still read-only, where a step of this run has made it so and none has ended that, and
/// makes it so again where it is not: a restarted server has forgotten it. Before the first statement over a session
/// that was opened anew. Throws SqlError.
void hold_maintenance(ActionContext& context);

/// Since which effect of the run (its id) nobody else can have written to the database: what stopped them then still
/// does, proved now (the same start of the server, read_only still on, no event of the schema that is enabled while the
/// scheduler runs, no replication that is applied, no account of deployer's that the service has, too). Nothing where
/// no such thing holds, and `why` says why. It cannot know of other accounts that have the privilege READ_ONLY ADMIN.
std::optional<std::int64_t> writes_stopped_since(ActionContext& context, std::string& why);

}  // namespace deployer
