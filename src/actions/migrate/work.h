#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

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

/// For `check`: Error `invalid` where no database is configured.
void need_database(ActionContext& context);

/// Who migrates, and the inputs of the step that say how long a statement may wait and take.
migrations::ExecutorOptions executor_options(ActionContext& context);

/// Where the database stands, and its schema's fingerprint: `{revision, fingerprint}`.
Json database_baseline(ActionContext& context);

}  // namespace deployer
