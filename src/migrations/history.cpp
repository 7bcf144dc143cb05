#include "migrations/history.h"

#include <algorithm>

#include "base/text.h"
#include "database/dialect.h"

namespace deployer::migrations {

namespace {

using database::Row;
using database::Value;

constexpr const char* history_columns =
    "revision, down_revision, depends_on, branch_labels, description, phase, up_text, down_text, has_down, "
    "checksum_up, "
    "checksum_down, state, applied_at, duration_ms, applied_by, marked_by, deployer_version, run_id";

Ids list_of(const Value& value) {
  const std::string text = database::as_text(value);
  return text.empty() ? Ids{} : split(text, ',');
}

Applied row_to_applied(const Row& row) {
  Applied applied;
  std::size_t at = 0;
  const auto text = [&] { return database::as_text(row[at++]); };
  applied.revision = text();
  applied.down_revisions = list_of(row[at++]);
  applied.depends_on = list_of(row[at++]);
  applied.branch_labels = list_of(row[at++]);
  applied.description = text();
  text();  // phase: always expand in this version
  applied.up_text = text();
  applied.down_text = text();
  applied.has_down = database::as_integer(row[at++]) != 0;
  applied.checksum_up = text();
  applied.checksum_down = text();
  applied.state = text();
  applied.applied_at = text();
  applied.duration_ms = database::as_integer(row[at++]);
  applied.applied_by = text();
  applied.marked_by = text();
  applied.deployer_version = text();
  applied.run_id = text();
  return applied;
}

Ids parents_in(const Applied& row) {
  Ids parents = row.down_revisions;
  parents.insert(parents.end(), row.depends_on.begin(), row.depends_on.end());
  return parents;
}

bool same_set(Ids a, Ids b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::string shown_ids(const Ids& ids) { return ids.empty() ? "nothing" : listing(ids); }

}  // namespace

std::map<std::string, Applied> History::read(database::Session& session, const Deadline& deadline) const {
  std::map<std::string, Applied> rows;
  const database::Dialect& dialect = session.dialect();
  if (!dialect.has_table(session, table_, deadline)) return rows;
  const std::string sql = std::string("SELECT ") + history_columns + " FROM " + dialect.quote(table_);
  session.stream(sql, {}, deadline, [&](const Row& row) {
    Applied applied = row_to_applied(row);
    rows.emplace(applied.revision, std::move(applied));
  });
  return rows;
}

void History::create(database::Session& session, const Deadline& deadline) const {
  const database::Dialect& dialect = session.dialect();
  if (dialect.has_table(session, table_, deadline)) return;
  std::vector<database::Dialect::Column> columns;
  for (const std::string& name : split(history_columns, ',')) {
    const std::string column(trim(name));
    const bool number = column == "duration_ms" || column == "has_down";
    columns.push_back({column, column == "revision" ? "key" : number ? "integer" : "text", column != "revision"});
  }
  session.execute(dialect.create_table(table_, columns, {"revision"}), deadline);
}

void History::insert(database::Session& session, const Applied& row, const Deadline& deadline) const {
  const std::string sql = "INSERT INTO " + session.dialect().quote(table_) + " (" + history_columns +
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  session.execute(sql,
                  {row.revision, join(row.down_revisions, ","), join(row.depends_on, ","), join(row.branch_labels, ","),
                   row.description, std::string("expand"), row.up_text, row.down_text,
                   std::int64_t{row.has_down ? 1 : 0}, row.checksum_up, row.checksum_down, row.state, row.applied_at,
                   row.duration_ms, row.applied_by, row.marked_by, row.deployer_version, row.run_id},
                  deadline);
}

void History::set_state(database::Session& session, const std::string& revision, const std::string& state,
                        const Deadline& deadline) const {
  session.execute("UPDATE " + session.dialect().quote(table_) + " SET state = ? WHERE revision = ?", {state, revision},
                  deadline);
}

void History::remove(database::Session& session, const std::string& revision, const Deadline& deadline) const {
  session.execute("DELETE FROM " + session.dialect().quote(table_) + " WHERE revision = ?", {revision}, deadline);
}

std::set<std::string> applied_ids(const std::map<std::string, Applied>& rows) {
  std::set<std::string> ids;
  for (const auto& [id, row] : rows) {
    if (row.state == "applied") ids.insert(id);
  }
  return ids;
}

Ids current_of(const std::map<std::string, Applied>& rows) {
  std::set<std::string> current = applied_ids(rows);
  for (const auto& [id, row] : rows) {
    if (row.state != "applied") continue;
    for (const std::string& parent : parents_in(row)) current.erase(parent);
  }
  return {current.begin(), current.end()};
}

std::map<std::string, Ids> parents_of(const std::map<std::string, Applied>& rows) {
  std::map<std::string, Ids> parents;
  for (const auto& [id, row] : rows) parents[id] = parents_in(row);
  return parents;
}

Diagnostics compare(const Graph& graph, const std::map<std::string, Applied>& rows) {
  Diagnostics found;
  for (const auto& [id, row] : rows) {
    const Revision* revision = graph.find(id);
    const Location at{revision != nullptr ? revision->file : id, revision != nullptr ? 1 : 0,
                      revision != nullptr ? 1 : 0};
    if (row.state != "applied") {
      found.push_back({at, Level::error, "half-way", "revision '" + id + "' stopped half-way (" + row.state + ")",
                       "look at the schema, then set its row in the history to what is true", ""});
    }
    if (revision == nullptr) continue;
    if (revision->checksum_up != row.checksum_up) {
      found.push_back({at, Level::error, "changed",
                       "the up section of '" + id + "' has changed since it was applied: it was " + row.checksum_up +
                           " and is " + revision->checksum_up,
                       "put the file back as it was, or make the change in a new revision", ""});
    }
    if (revision->down.has_value() != row.has_down || revision->checksum_down != row.checksum_down) {
      found.push_back({at, Level::warning, "changed",
                       "the down section of '" + id + "' has changed since it was applied",
                       "going back uses the section as it was applied", ""});
    }
    if (!same_set(revision->down_revisions, row.down_revisions)) {
      found.push_back({at, Level::error, "changed",
                       "'" + id + "' was applied on " + shown_ids(row.down_revisions) + " and its file now says " +
                           shown_ids(revision->down_revisions),
                       "put `revises` back as it was", ""});
    }
  }
  return found;
}

}  // namespace deployer::migrations
