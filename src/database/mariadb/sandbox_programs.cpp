#include "database/mariadb/sandbox_programs.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "database/mariadb/tools.h"
#include "system/machine.h"
#include "system/process.h"

namespace deployer::database {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view usual_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t most_last_words = 5;
constexpr std::size_t most_output = 64 * 1024 * 1024;  // the statements of all time zones are 5 MB

std::string path_of(const Machine& machine) {
  return machine.path.empty() ? std::string(usual_path) : machine.path + ":/usr/sbin:/sbin";
}

/// `10.11.19-MariaDB-0+deb12u1` of `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu …`.
std::string version_in(const std::string& answer) {
  const std::size_t found = answer.find("Ver ");
  if (found == std::string::npos) return {};
  const std::string rest = answer.substr(found + 4);
  return rest.substr(0, rest.find_first_of(" \n"));
}

std::string series_of(const std::string& version) {
  const std::vector<std::string> parts = split(version, '.');
  return parts.size() < 2 ? version : parts[0] + "." + parts[1];
}

}  // namespace

SandboxPrograms sandbox_programs(const ServerInfo& target, const Machine& machine, const Deadline& deadline) {
  SandboxPrograms programs;
  try {
    programs.server = need_mariadb_tool("mariadbd", machine.path);
    programs.prepare = need_mariadb_tool("mariadb-install-db", machine.path);
  } catch (const Error& error) {
    throw Error(error.kind, "a sandbox needs a database server of its own: " + error.message, error.hint);
  }
  const auto setpriv = find_program("setpriv", path_of(machine));
  if (!setpriv) {
    throw Error(ErrorKind::missing_tool, "a sandbox needs setpriv, which is not in PATH",
                "install it: apt-get install util-linux");
  }
  programs.setpriv = *setpriv;
  const Command ask{{programs.server.string(), "--no-defaults", "--version"}, {{"PATH", path_of(machine)}}, {}, {}, {}};
  programs.version = version_in(run_in_sandbox(ask, machine, "ask the server program for its version", deadline));
  const bool same_product = programs.version.find(target.product) != std::string::npos;
  if (!same_product || series_of(programs.version) != series_of(target.version)) {
    throw Error(ErrorKind::missing_tool,
                fmt::format("a sandbox needs a server of the series of the database, {} {}, and {} is {}",
                            target.product, series_of(target.version), programs.server.string(),
                            programs.version.empty() ? "none" : programs.version),
                fmt::format("install mariadb-server of series {} on this machine (database.scratch)",
                            series_of(target.version)));
  }
  return programs;
}

Command sandbox_command(const SandboxPrograms& programs, const SandboxHome& home, const Machine& machine,
                        const std::vector<std::string>& words) {
  Command command;
  command.argv = {programs.setpriv.string(), "--pdeathsig", "KILL", "--no-new-privs"};
  if (home.user()) {
    const std::string user = std::to_string(*home.user());
    command.argv.insert(command.argv.end(), {"--reuid", user, "--regid", user, "--clear-groups"});
  }
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.env = {{"PATH", path_of(machine)},
                 {"HOME", home.server().string()},
                 {"TMPDIR", home.server() / "tmp"},
                 {SandboxHome::variable, home.path().string()}};
  command.directory = home.server();
  return command;
}

std::string run_in_sandbox(const Command& command, const Machine& machine, const std::string& what,
                           const Deadline& deadline) {
  const Processes::Captured done = machine.processes.capture(command, deadline, most_output);
  if (done.exit.ok()) return done.out;
  deadline.check(what);
  const std::string log = done.err.empty() ? done.out : done.err;
  throw Error(tells_full_disk(log) ? ErrorKind::no_space : ErrorKind::failed,
              fmt::format("cannot {}: it {}", what, done.exit.text()) + (log.empty() ? "" : ": " + last_words(log)));
}

std::string last_words(const std::string& log) {
  std::vector<std::string> lines;
  for (const std::string& line : split(log, '\n')) {
    if (!trim(line).empty()) lines.emplace_back(trim(line));
  }
  if (lines.size() > most_last_words) lines.erase(lines.begin(), lines.end() - most_last_words);
  return join(lines, "; ");
}

bool tells_full_disk(const std::string& log) {
  return log.find("No space left on device") != std::string::npos || log.find("rrno: 28 ") != std::string::npos ||
         log.find("error 28") != std::string::npos || log.find("Out of disk space") != std::string::npos;
}

}  // namespace deployer::database
