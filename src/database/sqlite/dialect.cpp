#include "database/sqlite/dialect.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "database/sqlite/introspection.h"
#include "database/sqlite/session.h"

namespace deployer::database {

namespace {

/// The digits behind the point of `decimal(10,2)` or `numeric(10,2)`, or 0.
int declared_scale(const std::string& type) {
  const std::size_t comma = type.find(',');
  if (comma == std::string::npos || (type.rfind("decimal(", 0) != 0 && type.rfind("numeric(", 0) != 0)) return 0;
  int scale = 0;
  std::from_chars(type.data() + comma + 1, type.data() + type.size(), scale);
  return scale >= 1 && scale <= 30 ? scale : 0;
}

/// SQLite keeps a DECIMAL as a double or an integer; where that loses nothing, it is read with the digits that another
/// database prints.
std::string decimal_for_digest(const std::string& column, int scale) {
  return fmt::format(
      "CASE WHEN typeof({0}) IN ('integer', 'real') AND CAST(printf('%.{1}f', {0}) AS REAL) = {0} "
      "THEN printf('%.{1}f', {0}) ELSE {0} END",
      column, scale);
}

}  // namespace

const Dialect& sqlite_dialect() {
  static const SqliteDialect dialect;
  return dialect;
}

std::string SqliteDialect::quote(std::string_view identifier) const {
  std::string quoted = "\"";
  for (const char c : identifier) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

Schema SqliteDialect::introspect(Session& session, const Deadline& deadline,
                                 const std::vector<std::string>& ignore) const {
  return introspect_sqlite(session, deadline, ignore);
}

std::string SqliteDialect::create_table(std::string_view table, const std::vector<Column>& columns,
                                        const std::vector<std::string>& primary_key) const {
  std::vector<std::string> parts;
  for (const Column& column : columns) {
    parts.push_back(fmt::format("{} {}{}", quote(column.name), column.type == "integer" ? "INTEGER" : "TEXT",
                                column.nullable ? "" : " NOT NULL"));
  }
  std::vector<std::string> keys;
  for (const std::string& key : primary_key) keys.push_back(quote(key));
  if (!keys.empty()) parts.push_back(fmt::format("PRIMARY KEY ({})", join(keys, ", ")));
  return fmt::format("CREATE TABLE {} ({})", quote(table), join(parts, ", "));
}

bool SqliteDialect::has_table(Session& session, std::string_view table, const Deadline& deadline) const {
  return !session
              .query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE",
                     {std::string(table)}, deadline)
              .empty();
}

std::string SqliteDialect::select_for_digest(const Table& table) const {
  std::vector<std::string> columns;
  for (const database::Column& column : table.columns) {
    if (column.generated) continue;
    const int scale = declared_scale(column.type);
    columns.push_back(scale == 0 ? quote(column.name) : decimal_for_digest(quote(column.name), scale));
  }
  return fmt::format("SELECT {} FROM {}", columns.empty() ? "NULL" : join(columns, ", "), quote(table.name));
}

std::vector<std::string> SqliteDialect::integrity(Session& session, const Deadline& deadline) const {
  std::vector<std::string> problems;
  for (const Row& row : session.query("PRAGMA integrity_check", deadline).rows) {
    if (as_text(row.at(0)) != "ok") problems.push_back(as_text(row.at(0)));
  }
  return problems;
}

std::vector<std::string> SqliteDialect::broken_foreign_keys(Session& session, const Deadline& deadline) const {
  std::vector<std::string> problems;
  for (const Row& row : session.query("PRAGMA foreign_key_check", deadline).rows) {
    const std::string place = is_null(row.at(1)) ? "a row" : "row " + as_text(row.at(1));
    problems.push_back(fmt::format("table {}: {} points at a row of {} that is not there (foreign key {})",
                                   as_text(row.at(0)), place, as_text(row.at(2)), as_text(row.at(3))));
  }
  return problems;
}

}  // namespace deployer::database
