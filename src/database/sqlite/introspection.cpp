#include "database/sqlite/introspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"
#include "database/canonical.h"
#include "database/sqlite/session.h"
#include "database/sqlite/table_text.h"

namespace deployer::database {

namespace {

/// All reads in between see one state, within a transaction of the caller or not.
class SqliteSnapshot {
 public:
  SqliteSnapshot(Session& session, const Deadline& deadline) : session_(session) {
    session_.execute("SAVEPOINT deployer_introspection", deadline);
  }
  ~SqliteSnapshot() {
    try {
      session_.execute("RELEASE deployer_introspection", Deadline::never());
    } catch (const Error&) {  // an interrupted read may have ended the transaction, and the savepoint with it
    }
  }
  SqliteSnapshot(const SqliteSnapshot&) = delete;
  SqliteSnapshot& operator=(const SqliteSnapshot&) = delete;

 private:
  Session& session_;
};

class SqliteIntrospection {
 public:
  SqliteIntrospection(SqliteSession& session, const Deadline& deadline) : session_(session), deadline_(deadline) {}

  Table table(const std::string& name, const std::string& sql, bool is_virtual, bool without_rowid, bool strict) {
    Table table;
    table.name = name;
    std::vector<std::string> lines;
    read_columns(table, lines);
    if (is_virtual) {
      table.definition = canonical(sql, SqlDialect::sqlite, "table " + name);
      return table;
    }
    const TableText text = read_table_text(sql, "table " + name);
    lines.insert(lines.end(), text.clauses.begin(), text.clauses.end());
    read_keys(name, lines);
    read_foreign_keys(name, text, lines);
    if (without_rowid) lines.emplace_back("without rowid");
    if (strict) lines.emplace_back("strict");
    std::sort(lines.begin(), lines.end());
    table.definition = join(lines, "\n");
    return table;
  }

 private:
  Rows pragma(std::string_view columns, std::string_view function, const std::string& argument,
              std::string_view order) {
    return session_.query(fmt::format("SELECT {} FROM {}(?) ORDER BY {}", columns, function, order), {argument},
                          deadline_);
  }

  void read_columns(Table& table, std::vector<std::string>& lines) {
    std::map<std::int64_t, std::string> key;
    const Rows rows =
        pragma("name, type, \"notnull\", dflt_value, pk, hidden", "pragma_table_xinfo", table.name, "cid");
    for (const Row& row : rows.rows) {
      const std::int64_t hidden = as_integer(row[5]);
      if (hidden == 1) continue;  // a hidden column of a virtual table
      Column column;
      column.name = as_text(row[0]);
      column.type = canonical_type(as_text(row[1]), "table " + table.name);
      column.nullable = as_integer(row[2]) == 0;
      column.has_default = !is_null(row[3]);
      if (column.has_default) column.default_text = default_text(as_text(row[3]), table.name);
      column.generated = hidden != 0;
      if (as_integer(row[4]) > 0) key[as_integer(row[4])] = column.name;
      if (hidden == 3) lines.push_back(fmt::format("{} stored", lower_case(column.name)));
      read_metadata(table.name, column, lines);
      table.columns.push_back(std::move(column));
    }
    for (const auto& [position, name] : key) table.primary_key.push_back(name);
  }

  void read_metadata(const std::string& table, Column& column, std::vector<std::string>& lines) {
    const char* type = nullptr;
    const char* collation = nullptr;
    int not_null = 0;
    int key = 0;
    int autoincrement = 0;
    const int code = sqlite3_table_column_metadata(session_.handle(), "main", table.c_str(), column.name.c_str(), &type,
                                                   &collation, &not_null, &key, &autoincrement);
    if (code != SQLITE_OK) throw_sqlite_error(session_.handle(), code, deadline_);
    column.collation = lower_case(collation == nullptr ? "binary" : collation);
    if (autoincrement != 0) lines.push_back(fmt::format("{} autoincrement", lower_case(column.name)));
  }

  /// "x" as a default can only be a text, since no column may stand there.
  static std::string default_text(const std::string& text, const std::string& table) {
    const std::vector<Token> tokens = tokens_of(text, SqlDialect::sqlite, "table " + table);
    if (tokens.size() != 1 || tokens[0].kind != TokenKind::quoted_name) return canonical(tokens);
    std::string quoted = "'";
    for (const char c : unquoted(tokens[0].text)) quoted.append(c == '\'' ? 2 : 1, c);
    return quoted + "'";
  }

  void read_keys(const std::string& table, std::vector<std::string>& lines) {
    for (const Row& row : pragma("name, origin", "pragma_index_list", table, "seq").rows) {
      const std::string origin = as_text(row[1]);
      if (origin == "c") continue;  // made by CREATE INDEX: an object of its own
      std::vector<std::string> columns;
      const Rows parts = pragma("name, \"desc\", coll, key", "pragma_index_xinfo", as_text(row[0]), "seqno");
      for (const Row& part : parts.rows) {
        if (as_integer(part[3]) == 0) continue;
        const std::string collation = lower_case(as_text(part[2]));
        columns.push_back(lower_case(as_text(part[0])) + (collation == "binary" ? "" : " collate " + collation) +
                          (as_integer(part[1]) != 0 ? " desc" : ""));
      }
      lines.push_back(fmt::format("{} ({})", origin == "pk" ? "primary key" : "unique", join(columns, ", ")));
    }
  }

  void read_foreign_keys(const std::string& table, const TableText& text, std::vector<std::string>& lines) {
    struct Key {
      std::vector<std::string> from;
      std::vector<std::string> to;
      std::string table;
      std::string actions;
    };
    std::map<std::int64_t, Key> keys;
    const Rows rows = pragma("id, \"table\", \"from\", \"to\", on_update, on_delete, match", "pragma_foreign_key_list",
                             table, "id, seq");
    for (const Row& row : rows.rows) {
      Key& key = keys[as_integer(row[0])];
      key.from.push_back(lower_case(as_text(row[2])));
      if (!is_null(row[3])) key.to.push_back(lower_case(as_text(row[3])));
      key.table = lower_case(as_text(row[1]));
      key.actions = lower_case(
          fmt::format("on update {} on delete {} match {}", as_text(row[4]), as_text(row[5]), as_text(row[6])));
    }
    for (const auto& [id, key] : keys) {
      // The pragma counts from the last key of the text to the first.
      const std::size_t place = text.deferred.size() - 1 - static_cast<std::size_t>(id);
      const bool deferred = place < text.deferred.size() && text.deferred[place];
      lines.push_back(fmt::format("foreign key ({}) references {} ({}) {}{}", join(key.from, ", "), key.table,
                                  join(key.to, ", "), key.actions, deferred ? " initially deferred" : ""));
    }
  }

  SqliteSession& session_;
  const Deadline& deadline_;
};

}  // namespace

Schema introspect_sqlite(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore) {
  auto& own = dynamic_cast<SqliteSession&>(session);
  const SqliteSnapshot snapshot(session, deadline);
  SqliteIntrospection introspection(own, deadline);
  Schema schema;
  const Rows tables = session.query(
      "SELECT s.name, s.sql, l.type, l.wr, l.strict FROM sqlite_schema s "
      "JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name "
      "WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.type <> 'shadow'",
      deadline);
  for (const Row& row : tables.rows) {
    if (is_left_out(as_text(row[0]), ignore)) continue;
    schema.tables.push_back(introspection.table(as_text(row[0]), as_text(row[1]), as_text(row[2]) == "virtual",
                                                as_integer(row[3]) != 0, as_integer(row[4]) != 0));
  }
  const Rows objects = session.query(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL", deadline);
  for (const Row& row : objects.rows) {
    SchemaObject object{as_text(row[0]), as_text(row[1]), as_text(row[2]), {}};
    if (is_left_out(object.table, ignore) || is_left_out(object.name, ignore)) continue;
    object.definition = canonical(as_text(row[3]), SqlDialect::sqlite, object.kind + " " + object.name);
    if (object.kind == "view") object.table.clear();
    schema.objects.push_back(std::move(object));
  }
  std::sort(schema.tables.begin(), schema.tables.end(), [](const Table& a, const Table& b) { return a.name < b.name; });
  std::sort(schema.objects.begin(), schema.objects.end(), [](const SchemaObject& a, const SchemaObject& b) {
    return std::tie(a.name, a.kind) < std::tie(b.name, b.kind);
  });
  return schema;
}

}  // namespace deployer::database
