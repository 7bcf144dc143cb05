#pragma once

#include <string>
#include <vector>

#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// Dialect::introspect of MariaDB. A body that the user may not read is Error `database` with the GRANT to give, never
/// a smaller schema.
Schema introspect_mariadb(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore);

}  // namespace deployer::database
