#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "actions/migrate/work.h"
#include "base/deadline.h"
#include "base/json.h"

namespace deployer {

class Files;
namespace database {
class Session;
struct Statement;
}  // namespace database

/// What stands in the way of an upgrade, found before its first statement.
struct CheckResult {
  enum class Status { ok, warning, error };
  std::string name;  ///< that of the setting, without `checks.`
  Status status = Status::ok;
  std::string message;  ///< what was found; names the session that blocks
  std::string hint;     ///< what to do; empty where all is well
};
std::string_view name_of(CheckResult::Status status);

/// How much is too much: the settings `checks.*`.
struct CheckLimits {
  double disk_free = 2;         ///< so many times what is rebuilt
  double max_connections = 80;  ///< percent of the server's limit
  Duration long_transaction = std::chrono::seconds(60);
  std::uint64_t lock_waits = 0;
  Duration replication_lag = std::chrono::seconds(30);
  std::string table_integrity = "quick";  ///< quick, full, off

  /// As `pipeline.database.checks` has them (document.cpp).
  static CheckLimits from(const Json& checks);
};

/// What pending statements work on, as far as their first words tell.
struct TouchedTables {
  std::vector<std::string> rebuilt;  ///< whose rows or indexes are written anew: they need room
  std::vector<std::string> touched;  ///< all of them
  bool whole = true;                 ///< false: a statement works on what its words do not name
};
TouchedTables touched_tables(const MigrationWork& work, const database::Dialect& dialect);

/// Looks at all of it, whatever the first finding is. What cannot be known (the disk of a server elsewhere, a privilege
/// that is missing) is a warning. Blocks as long as the integrity checks take; changes nothing. Throws SqlError where
/// the server goes away.
std::vector<CheckResult> preflight(database::Session& session, const TouchedTables& tables, const CheckLimits& limits,
                                   const std::filesystem::path& project, const Files& files, const Deadline& deadline);
/// The same for a step: over the run's session, with the limits of its pipeline.
std::vector<CheckResult> preflight(ActionContext& context, const TouchedTables& tables);

/// Warnings go to the run; Error `failed` with the first error and its hint, and the others behind it.
void pass_preflight(ActionContext& context, const std::vector<CheckResult>& results);

}  // namespace deployer
