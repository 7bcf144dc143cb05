#include "database/mariadb/dialect.h"

#include <fmt/format.h>

#include <map>

#include "base/text.h"
#include "database/mariadb/introspection.h"
#include "database/mariadb/server.h"
#include "database/mariadb/session.h"

namespace deployer::database {

namespace {

std::string mariadb_column_type(const std::string& type) {
  if (type == "integer") return "BIGINT";
  return type == "key" ? "VARCHAR(191)" : "LONGTEXT";
}

struct MariaDbForeignKey {
  std::string table;
  std::string referenced_schema;
  std::string referenced_table;
  std::vector<std::string> columns;
  std::vector<std::string> referenced;
};

using MariaDbForeignKeys = std::map<std::pair<std::string, std::string>, MariaDbForeignKey>;

MariaDbForeignKeys read_mariadb_foreign_keys(Session& session, const Deadline& deadline) {
  MariaDbForeignKeys keys;
  const Rows rows = session.query(
      "SELECT table_name, constraint_name, referenced_table_schema, referenced_table_name, column_name, "
      "referenced_column_name FROM information_schema.key_column_usage "
      "WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL "
      "ORDER BY table_name, constraint_name, ordinal_position",
      deadline);
  for (const Row& row : rows.rows) {
    MariaDbForeignKey& key = keys[{as_text(row[0]), as_text(row[1])}];
    key.table = as_text(row[0]);
    key.referenced_schema = as_text(row[2]);
    key.referenced_table = as_text(row[3]);
    key.columns.push_back(as_text(row[4]));
    key.referenced.push_back(as_text(row[5]));
  }
  return keys;
}

std::string orphans_sql(const Dialect& dialect, const MariaDbForeignKey& key) {
  std::vector<std::string> matches;
  std::vector<std::string> present;
  for (std::size_t i = 0; i < key.columns.size(); ++i) {
    matches.push_back(fmt::format("p.{} = c.{}", dialect.quote(key.referenced[i]), dialect.quote(key.columns[i])));
    present.push_back(fmt::format("c.{} IS NOT NULL", dialect.quote(key.columns[i])));
  }
  return fmt::format("SELECT COUNT(*) FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {}.{} p WHERE {})",
                     dialect.quote(key.table), join(present, " AND "), dialect.quote(key.referenced_schema),
                     dialect.quote(key.referenced_table), join(matches, " AND "));
}

}  // namespace

std::string mariadb_digest_expression(const std::string& name, const database::Column& column) {
  if (column.is_float) return fmt::format("CAST({} AS DOUBLE)", name);
  // The text of a TIMESTAMP is that of the session's time zone, and ambiguous where that has summer time.
  return column.type.starts_with("timestamp") ? fmt::format("UNIX_TIMESTAMP({})", name) : name;
}

const Dialect& mariadb_dialect() {
  static const MariaDbDialect dialect;
  return dialect;
}

const Server* MariaDbDialect::server() const {
  static const MariaDbServer server;
  return &server;
}

std::string MariaDbDialect::quote(std::string_view identifier) const {
  std::string quoted = "`";
  for (const char c : identifier) quoted.append(c == '`' ? 2 : 1, c);
  return quoted + '`';
}

Schema MariaDbDialect::introspect(Session& session, const Deadline& deadline,
                                  const std::vector<std::string>& ignore) const {
  return introspect_mariadb(session, deadline, ignore);
}

std::string MariaDbDialect::create_table(std::string_view table, const std::vector<Column>& columns,
                                         const std::vector<std::string>& primary_key) const {
  std::vector<std::string> parts;
  for (const Column& column : columns) {
    parts.push_back(fmt::format("{} {}{}", quote(column.name), mariadb_column_type(column.type),
                                column.nullable ? "" : " NOT NULL"));
  }
  std::vector<std::string> keys;
  for (const std::string& key : primary_key) keys.push_back(quote(key));
  if (!keys.empty()) parts.push_back(fmt::format("PRIMARY KEY ({})", join(keys, ", ")));
  return fmt::format("CREATE TABLE {} ({}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin", quote(table),
                     join(parts, ", "));
}

bool MariaDbDialect::has_table(Session& session, std::string_view table, const Deadline& deadline) const {
  return !session
              .query("SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
                     {std::string(table)}, deadline)
              .empty();
}

std::string MariaDbDialect::select_for_digest(const Table& table) const {
  std::vector<std::string> columns;
  for (const database::Column& column : table.columns) {
    if (column.generated) continue;
    columns.push_back(mariadb_digest_expression(quote(column.name), column));
  }
  return fmt::format("SELECT {} FROM {}", columns.empty() ? "NULL" : join(columns, ", "), quote(table.name));
}

void MariaDbDialect::copy_to_file(Session&, const std::filesystem::path&, const Deadline&,
                                  const std::function<void(std::uint64_t, std::uint64_t)>&) const {
  throw Error(ErrorKind::internal, "a MariaDB database cannot be copied to a file of its own");
}

void MariaDbDialect::copy_from_file(Session&, const std::filesystem::path&, const Deadline&) const {
  throw Error(ErrorKind::internal, "a MariaDB database cannot be copied from a file of its own");
}

std::vector<std::string> MariaDbDialect::integrity(Session& session, const Deadline& deadline) const {
  std::vector<std::string> problems;
  const Rows tables = session.query(
      "SELECT table_name FROM information_schema.tables "
      "WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name",
      deadline);
  for (const Row& table : tables.rows) {
    const std::string name = as_text(table.at(0));
    for (const Row& row : session.query("CHECK TABLE " + quote(name), deadline).rows) {
      const std::string kind = as_text(row.at(2));
      const std::string text = as_text(row.at(3));
      const bool good = kind == "note" || (kind == "status" && (text == "OK" || text == "Table is already up to date"));
      if (!good) problems.push_back(fmt::format("table {}: {}", name, text));
    }
  }
  return problems;
}

std::vector<std::string> MariaDbDialect::broken_foreign_keys(Session& session, const Deadline& deadline) const {
  std::vector<std::string> problems;
  for (const auto& [id, key] : read_mariadb_foreign_keys(session, deadline)) {
    const std::int64_t orphans = as_integer(session.query(orphans_sql(*this, key), deadline).rows.at(0).at(0));
    if (orphans == 0) continue;
    problems.push_back(fmt::format("table {}: {} rows point at rows of {} that are not there (foreign key {})",
                                   key.table, orphans, key.referenced_table, id.second));
  }
  return problems;
}

}  // namespace deployer::database
