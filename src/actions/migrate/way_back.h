#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "database/row_digest.h"
#include "engine/action.h"
#include "migrations/history.h"

namespace deployer {

/// The rows of every table but deployer's own, by table.
using TableDigests = std::map<std::string, database::RowDigest>;
TableDigests table_digests(ActionContext& context);
Json json_of(const TableDigests& digests);
TableDigests digests_from(const Json& json);

/// The backup that an earlier step of this run made, or null.
Json backup_of_run(const ActionContext& context);

/// Fills the table of revisions of a schema that is about to take the place of the live one.
void write_history(database::Session& session, const migrations::History& history,
                   const std::map<std::string, migrations::Applied>& rows, const Deadline& deadline);

/// What a restore would bring back, and from when.
struct RestoreWindow {
  TableDigests before;  ///< the rows before the first statement of what is undone
  /// The rows after its last one; nothing where the run died before it had counted them.
  std::optional<TableDigests> after = std::nullopt;
  /// The tables that its statements may have changed; empty: any. On a server the others are left as they are.
  std::vector<std::string> touched = {};
};

/// Brings the backup of this run back into the database, after a safety backup of what is there; for undo. `policy` is
/// safe, always or never.
/// `safe` restores only where nobody else has written to what it brings back, proved by one of: writes were stopped
/// before the backup and still are; the binary log holds no row of others since the backup; of a database that is a
/// file, the rows. Else Error `left_behind` with the rows at stake and the command.
void restore_backup_of_run(ActionContext& context, const std::string& policy, const RestoreWindow& window);

}  // namespace deployer
