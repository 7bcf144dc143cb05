#pragma once

#include <filesystem>

#include "base/deadline.h"
#include "database/mariadb/sandbox_home.h"
#include "database/mariadb/sandbox_likeness.h"
#include "database/mariadb/sandbox_programs.h"

namespace deployer::database {

/// InnoDB's log: larger than a template's, each start would take as long again to make it larger.
inline constexpr const char* sandbox_log_size = "--innodb-log-file-size=16M";

/// Puts a data folder for the server into `home`. mariadb-install-db takes seconds, so what it makes is kept in
/// `keep` as `sandbox-template-VERSION…` and copied from then on. It is published by one rename: of several who make it
/// at once, one wins, and none sees half of it. Errors `io`, `no_space`, `failed`, `missing_tool` (the target knows
/// time zones by name, and this machine has none), `timed_out`, `cancelled`.
void fill_sandbox_data(const SandboxHome& home, const SandboxPrograms& programs, const SandboxLikeness& like,
                       const std::filesystem::path& keep, const Machine& machine, const Deadline& deadline);

}  // namespace deployer::database
