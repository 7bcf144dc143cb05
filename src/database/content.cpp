#include "database/content.h"

#include <string>

#include "database/dialect.h"

namespace deployer::database {

namespace {

constexpr const char* pages_sql =
    "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
constexpr const char* tables_sql =
    "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables "
    "WHERE table_schema = DATABASE()";

// What a virtual table keeps its content in comes with it (https://www.sqlite.org/vtab.html, "shadow tables").
constexpr const char* definitions_sql =
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT "
    "IN "
    "(SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow') "
    "ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";

}  // namespace

std::uint64_t content_bytes(Session& session, const Deadline& deadline) {
  const bool is_server = session.dialect().server() != nullptr;
  const Value bytes = session.query(is_server ? tables_sql : pages_sql, deadline).rows.at(0).at(0);
  return static_cast<std::uint64_t>(as_integer(bytes));
}

void copy_definitions(Session& from, Session& into, const Deadline& deadline) {
  if (from.dialect().server() != nullptr) {
    throw Error(ErrorKind::internal, "definitions are copied between files; of a server they are dumped");
  }
  const Rows definitions = from.query(definitions_sql, deadline);
  for (const Row& row : definitions.rows) into.execute(as_text(row.at(0)), deadline);
}

}  // namespace deployer::database
