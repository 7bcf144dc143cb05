#include <algorithm>
#include <set>

#include "database/dialect.h"
#include "database/mariadb/server.h"

namespace deployer::database {

namespace {

/// A name as the server's files have it: `DROP TABLE` takes it behind this prefix (MariaDB Knowledge Base, "Identifier
/// to File Name Mapping").
constexpr const char* file_name_prefix = "#mysql50#";

std::set<std::string> tables_that_cannot_be_opened(Session& session, const Deadline& deadline) {
  std::set<std::string> names;
  // Of a table that it cannot open the server knows no engine.
  const Rows rows = session.query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND engine IS NULL AND "
      "table_type NOT IN ('VIEW', 'SYSTEM VIEW')",
      deadline);
  for (const Row& row : rows.rows) names.insert(as_text(row.at(0)));
  return names;
}

/// What InnoDB holds of a table whose definition is gone: file names, as in `p#P#p0`.
std::vector<std::string> storage_without_table(Session& session, const std::string& table, const Deadline& deadline) {
  const Rows rows = session.query(
      "SELECT SUBSTRING_INDEX(name, '/', -1) FROM information_schema.innodb_sys_tables WHERE "
      "CONVERT(CONVERT(CAST(SUBSTRING_INDEX(name, '/', 1) AS BINARY) USING filename) USING utf8mb4) = DATABASE() AND "
      "CONVERT(CONVERT(CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(name, '/', -1), '#P#', 1), '#p#', 1) AS "
      "BINARY) USING filename) USING utf8mb4) = ?",
      {table}, deadline);
  std::vector<std::string> names;
  for (const Row& row : rows.rows) names.push_back(as_text(row.at(0)));
  return names;
}

}  // namespace

std::vector<std::string> MariaDbServer::drop_unreadable(Session& session, const std::vector<std::string>& tables,
                                                        const Deadline& deadline) const {
  std::vector<std::string> dropped;
  const std::set<std::string> unreadable = tables_that_cannot_be_opened(session, deadline);
  const bool sees_storage = sees_table_ids(session, deadline);
  const Dialect& dialect = session.dialect();
  for (const std::string& table : tables) {
    const bool is_there = dialect.has_table(session, table, deadline);
    if (is_there && unreadable.count(table) == 0) continue;
    if (is_there) session.execute("DROP TABLE " + dialect.quote(table), deadline);
    const std::vector<std::string> left =
        sees_storage ? storage_without_table(session, table, deadline) : std::vector<std::string>{};
    for (const std::string& name : left) {
      session.execute("DROP TABLE IF EXISTS " + dialect.quote(file_name_prefix + name), deadline);
    }
    if (is_there || !left.empty()) dropped.push_back(table);
  }
  return dropped;
}

}  // namespace deployer::database
