#pragma once

#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/session.h"

namespace deployer {
struct Machine;
}

namespace deployer::database {

/// What mariadb-dump prints of a schema's definitions, rows apart: tables with their triggers, views, sequences,
/// routines, events. It connects as `session` does; the password reaches it in a descriptor alone. `tables`: only these
/// with their triggers; empty: all. `without`: tables and views to leave out.
/// Errors: `missing_tool`; `database` with what it said; `timed_out`, `cancelled`.
std::string run_mariadb_dump(Session& session, const std::vector<std::string>& tables,
                             const std::vector<std::string>& without, const Machine& machine, const Deadline& deadline);

/// The command that loads a dump into the schema by the product's own client (Dumped::load_with).
std::string mariadb_load_command(const Url& url);

}  // namespace deployer::database
