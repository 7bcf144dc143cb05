#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"
#include "database/session.h"
#include "migrations/graph.h"

namespace deployer::migrations {

/// A row of the history: a revision with its texts as they were applied.
struct Applied {
  std::string revision;
  Ids down_revisions;
  Ids depends_on;
  Ids branch_labels;
  std::string description;
  std::string up_text;
  bool has_down = false;  ///< false: irreversible
  std::string down_text;
  std::string checksum_up;
  std::string checksum_down;
  std::string state;  ///< applying, applied, reverting, failed
  std::string applied_at;
  std::int64_t duration_ms = 0;
  std::string applied_by;
  std::string marked_by;
  std::string deployer_version;
  std::string run_id;
};

/// The table of applied revisions in the migrated database.
class History {
 public:
  explicit History(std::string table) : table_(std::move(table)) {}

  const std::string& table() const { return table_; }
  /// All rows by id; empty where there is no table. Reads only.
  std::map<std::string, Applied> read(database::Session& session, const Deadline& deadline) const;
  /// Makes the table where it is missing; within the caller's transaction.
  void create(database::Session& session, const Deadline& deadline) const;
  void insert(database::Session& session, const Applied& row, const Deadline& deadline) const;
  void set_state(database::Session& session, const std::string& revision, const std::string& state,
                 const Deadline& deadline) const;
  void remove(database::Session& session, const std::string& revision, const Deadline& deadline) const;

 private:
  std::string table_;
};

/// The whole history as JSON and back, for what is kept of it outside of the database.
Json history_json(const std::map<std::string, Applied>& rows);
std::map<std::string, Applied> history_from(const Json& json);

/// The row of a revision that is applied, from its file; who, when and by which run are for the caller.
Applied applied_row(const Revision& revision);

/// Ids in state applied.
std::set<std::string> applied_ids(const std::map<std::string, Applied>& rows);
/// Applied revisions that no applied one revises or depends on: where the database stands. Sorted.
Ids current_of(const std::map<std::string, Applied>& rows);
/// Parents by id, for plans of revisions that the files do not know.
std::map<std::string, Parents> parents_of(const std::map<std::string, Applied>& rows);

/// What is wrong between files and history: a changed up section or `revises` of an applied revision (error, with both
/// checksums and the ways out), a changed down section (warning), a revision that stopped half-way (error). Each at the
/// line of the file that it is about.
Diagnostics compare(const Graph& graph, const std::map<std::string, Applied>& rows);

}  // namespace deployer::migrations
