#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/mariadb/sandbox_home.h"
#include "database/session.h"

namespace deployer {
struct Command;
struct Machine;
}  // namespace deployer

namespace deployer::database {

/// The programs that a sandbox is made of, all of them there and of the target's series.
struct SandboxPrograms {
  std::filesystem::path server;   ///< mariadbd
  std::filesystem::path prepare;  ///< mariadb-install-db
  std::filesystem::path setpriv;  ///< of util-linux
  std::string version;            ///< what the server says of itself, as in `10.11.19-MariaDB-0+deb12u1`
};

/// Error `missing_tool` where one is not there, or the server is of another series than the target's: a dump of a
/// newer series need not load in an older one, and the same statement can lead elsewhere.
SandboxPrograms sandbox_programs(const ServerInfo& target, const Machine& machine, const Deadline& deadline);

/// `words` as a command of a sandbox: as its user, unable to get privileges back, ended by the kernel with whoever
/// started it (PR_SET_PDEATHSIG of prctl(2)), nothing of the runner's environment but PATH.
Command sandbox_command(const SandboxPrograms& programs, const SandboxHome& home, const Machine& machine,
                        const std::vector<std::string>& words);

/// Runs such a command to its end; what it printed on standard output. Error `failed` with its last words, `no_space`,
/// `timed_out`, `cancelled`.
std::string run_in_sandbox(const Command& command, const Machine& machine, const std::string& what,
                           const Deadline& deadline);

/// The last lines of a log, for an error, and whether they tell of a full disk.
std::string last_words(const std::string& log);
bool tells_full_disk(const std::string& log);

}  // namespace deployer::database
