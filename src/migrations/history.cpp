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

bool same_set(Ids a, Ids b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::string shown_ids(const Ids& ids) { return ids.empty() ? "nothing" : listing(ids); }

void compare_with_file(const Applied& row, const Revision& revision, Diagnostics& found) {
  const auto report = [&](int line, Level level, const std::string& message, const std::string& hint) {
    found.push_back({{revision.file, line, 1}, level, "changed", message, hint, ""});
  };
  const std::string& id = row.revision;
  if (revision.checksum_up != row.checksum_up) {
    report(revision.up ? revision.up->first_line - 1 : 1, Level::error,
           "the up section of '" + id + "' has changed since it was applied: its checksum was " + row.checksum_up +
               " and is " + revision.checksum_up,
           "put the file back as it was, or make the change in a new revision");
  }
  if (revision.down.has_value() != row.has_down || revision.checksum_down != row.checksum_down) {
    report(revision.down ? revision.down->first_line - 1 : 1, Level::warning,
           "the down section of '" + id + "' has changed since it was applied",
           "going back uses the section as it was applied");
  }
  if (!same_set(revision.down_revisions, row.down_revisions)) {
    const auto line = revision.header_lines.find("revises");
    report(line == revision.header_lines.end() ? 1 : line->second, Level::error,
           "'" + id + "' was applied on " + shown_ids(row.down_revisions) + " and its file now says " +
               shown_ids(revision.down_revisions),
           "put `revises` back as it was");
  }
}

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

Json history_json(const std::map<std::string, Applied>& rows) {
  Json json = Json::array();
  for (const auto& [id, row] : rows) {
    json.push_back({{"revision", id},
                    {"down_revisions", row.down_revisions},
                    {"depends_on", row.depends_on},
                    {"branch_labels", row.branch_labels},
                    {"description", row.description},
                    {"up_text", row.up_text},
                    {"has_down", row.has_down},
                    {"down_text", row.down_text},
                    {"checksum_up", row.checksum_up},
                    {"checksum_down", row.checksum_down},
                    {"state", row.state},
                    {"applied_at", row.applied_at},
                    {"duration_ms", row.duration_ms},
                    {"applied_by", row.applied_by},
                    {"marked_by", row.marked_by},
                    {"deployer_version", row.deployer_version},
                    {"run_id", row.run_id}});
  }
  return json;
}

std::map<std::string, Applied> history_from(const Json& json) {
  std::map<std::string, Applied> rows;
  for (const Json& item : json) {
    Applied row;
    row.revision = item.value("revision", "");
    row.down_revisions = item.value("down_revisions", Ids{});
    row.depends_on = item.value("depends_on", Ids{});
    row.branch_labels = item.value("branch_labels", Ids{});
    row.description = item.value("description", "");
    row.up_text = item.value("up_text", "");
    row.has_down = item.value("has_down", false);
    row.down_text = item.value("down_text", "");
    row.checksum_up = item.value("checksum_up", "");
    row.checksum_down = item.value("checksum_down", "");
    row.state = item.value("state", "");
    row.applied_at = item.value("applied_at", "");
    row.duration_ms = item.value("duration_ms", std::int64_t{0});
    row.applied_by = item.value("applied_by", "");
    row.marked_by = item.value("marked_by", "");
    row.deployer_version = item.value("deployer_version", "");
    row.run_id = item.value("run_id", "");
    rows.emplace(row.revision, std::move(row));
  }
  return rows;
}

Applied applied_row(const Revision& revision) {
  Applied row;
  row.revision = revision.id;
  row.down_revisions = revision.down_revisions;
  row.depends_on = revision.depends_on;
  row.branch_labels = revision.branch_labels;
  row.description = revision.description;
  row.up_text = revision.up->text;
  row.has_down = revision.down.has_value();
  row.down_text = revision.down ? revision.down->text : "";
  row.checksum_up = revision.checksum_up;
  row.checksum_down = revision.checksum_down;
  row.state = "applied";
  return row;
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
    for (const std::string& parent : Parents{row.down_revisions, row.depends_on}.all()) current.erase(parent);
  }
  return {current.begin(), current.end()};
}

std::map<std::string, Parents> parents_of(const std::map<std::string, Applied>& rows) {
  std::map<std::string, Parents> parents;
  for (const auto& [id, row] : rows) parents[id] = {row.down_revisions, row.depends_on};
  return parents;
}

Diagnostics compare(const Graph& graph, const std::map<std::string, Applied>& rows) {
  Diagnostics found;
  for (const auto& [id, row] : rows) {
    const Revision* revision = graph.find(id);
    if (row.state != "applied") {
      const Location at = revision != nullptr ? Location{revision->file, 1, 1} : Location{};
      found.push_back({at, Level::error, "half-way", "revision '" + id + "' stopped half-way (" + row.state + ")",
                       "deployer recover brings the run that did it to an end; else restore a backup: deployer backup "
                       "list, deployer restore NAME",
                       ""});
    }
    if (revision != nullptr) compare_with_file(row, *revision, found);
  }
  return found;
}

}  // namespace deployer::migrations
