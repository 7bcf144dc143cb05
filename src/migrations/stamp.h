#pragma once

#include <map>
#include <string>

#include "base/deadline.h"
#include "database/session.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "migrations/history.h"

namespace deployer::migrations {

/// What `stamp` does to a history: rows are written, no migration runs.
struct StampPlan {
  Ids marked;     ///< in the order of an upgrade
  Ids forgotten;  ///< newest first
};

/// To say that the database stands at `word`: what comes before it is marked as applied, what stands behind it is
/// forgotten, other branches stay, as in Alembic. `purge`: the whole history is forgotten first, and written anew from
/// the files. Error `invalid` as in Graph::resolve.
StampPlan plan_stamp(const Graph& graph, const std::map<std::string, Applied>& rows, const std::string& word,
                     bool purge);

/// Writes it in one transaction. The rows have `options.applied_by` as the one who marked them.
void stamp(database::Session& session, const Graph& graph, const History& history, const StampPlan& plan,
           const ExecutorOptions& options, const Deadline& deadline);

}  // namespace deployer::migrations
