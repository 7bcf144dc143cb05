#pragma once

#include "database/sandbox.h"

namespace deployer::database {

/// Sandbox::start for a MariaDB server. MySQL is refused: it prepares its data folders in another way.
std::unique_ptr<Sandbox> start_mariadb_sandbox(Session& like, const std::filesystem::path& folder,
                                               const Machine& machine, const Deadline& deadline);

}  // namespace deployer::database
