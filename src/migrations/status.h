#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "migrations/graph.h"
#include "migrations/history.h"

namespace deployer::migrations {

/// Where a database stands against the files.
struct MigrationStatus {
  Ids current;  ///< sorted
  Ids heads;
  Ids pending;  ///< in the order of an upgrade
  Ids ahead;    ///< applied, and unknown to the files; sorted
  bool is_up_to_date = true;
  bool needs_migration = false;

  /// The text of docs/migrations.md, with a final line feed.
  std::string text() const;
  /// `migrate status --json`.
  Json json() const;
};

MigrationStatus status_of(const Graph& graph, const std::map<std::string, Applied>& rows);

/// A list of ids as JSON: null for none, a text for one, an array for several.
Json ids_json(const Ids& ids);

}  // namespace deployer::migrations
