#pragma once

#include <string>
#include <vector>

#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// Dialect::introspect of SQLite, read in one snapshot. SQLite's own tables and the shadow tables of virtual ones are
/// left out. A table's structure comes from pragmas, and only what they do not tell (checks, generated expressions,
/// deferred keys, conflict clauses) from the tokens of its text: so a column added by ALTER TABLE is the same as one
/// that was there from the start.
Schema introspect_sqlite(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore);

}  // namespace deployer::database
