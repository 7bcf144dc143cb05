#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "database/row_digest.h"
#include "engine/action.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "migrations/history.h"

namespace deployer {

/// What `migrate` works with: the files, the history, and what is to be done. Read anew whenever it is asked for.
struct MigrationWork {
  migrations::Graph graph;
  std::map<std::string, migrations::Applied> rows;
  migrations::Ids plan;  ///< revisions in the order in which they are applied, or reverted
  bool up = true;
};

/// The folder of the revision files, as document and settings say.
std::filesystem::path migrations_folder(const ActionContext& context);
migrations::History history_of(const ActionContext& context);

/// Reads files and history through the run's session and plans the step. Error `invalid` for what is wrong with the
/// files, with their history, or with the target; warnings go to the run.
MigrationWork plan_migration(ActionContext& context);
/// The same before the run has begun: through a connection of its own that only reads; a database that is not there yet
/// has no history.
MigrationWork peek_migration(ActionContext& context);

/// For `check`: Error `invalid` where no database is configured, or where it is one that this version cannot change.
void need_capable_database(ActionContext& context);

migrations::ExecutorOptions executor_options(ActionContext& context);

/// The rows of every table but deployer's own, by table.
using TableDigests = std::map<std::string, database::RowDigest>;
TableDigests table_digests(ActionContext& context);
Json json_of(const TableDigests& digests);
TableDigests digests_from(const Json& json);

/// Where the database stands, and its schema's fingerprint: `{revision, fingerprint}`.
Json database_baseline(ActionContext& context);

/// The backup that an earlier step of this run made, or null.
Json backup_of_run(const ActionContext& context);

/// Whether nobody else has written since: the backup's rows are those from before the first statement, and those from
/// after the last one are still there. How many rows differ, by table; empty: unmoved.
std::map<std::string, std::uint64_t> rows_at_stake(ActionContext& context, const TableDigests& before,
                                                   const TableDigests& after, const Json& backup);

/// Brings the backup of this run back into the database, after a safety backup of what is there; for undo. `policy` is
/// safe, always or never. `before` and `after` as above; no `after` where the run died before it had counted the rows:
/// then nobody knows whether others have written, and `safe` does not restore. Error `left_behind` with the rows at
/// stake where it may not.
void restore_backup_of_run(ActionContext& context, const std::string& policy, const TableDigests& before,
                           const std::optional<TableDigests>& after);

}  // namespace deployer
