#include <algorithm>
#include <optional>

#include "actions/migrate/checks.h"
#include "database/dialect.h"
#include "migrations/revision_file.h"

namespace deployer {

namespace {

using database::Statement;
using database::StatementKind;
using database::Token;

void add_name(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

/// The table behind ON in `CREATE INDEX i ON t …`, `DROP INDEX i ON t`: read as what stands behind a verb of rows.
std::string table_of_index(const Statement& statement) {
  const auto on =
      std::find_if(statement.tokens.begin(), statement.tokens.end(), [](const Token& token) { return token.is("ON"); });
  if (on == statement.tokens.end()) return {};
  Statement as_update;
  as_update.tokens.push_back({database::TokenKind::word, "UPDATE", 1, 1});
  as_update.tokens.insert(as_update.tokens.end(), on + 1, statement.tokens.end());
  return database::classify(as_update).name;
}

/// Takes one statement in; false where it works on what its words do not name.
bool take_statement(const Statement& statement, TouchedTables& tables) {
  const StatementKind kind = database::classify(statement);
  if (kind.is_read || kind.transaction_control || (!kind.changes_schema && !kind.changes_rows)) return true;
  if (kind.changes_rows || kind.object == "TABLE") {
    if (kind.name.empty()) return false;
    add_name(tables.touched, kind.name);
    const bool rebuilds = kind.verb == "ALTER" || kind.verb == "UPDATE";
    if (rebuilds) add_name(tables.rebuilt, kind.name);
    return true;
  }
  if (kind.object != "INDEX") return true;
  const std::string table = table_of_index(statement);
  if (table.empty()) return kind.verb == "DROP";
  add_name(tables.touched, table);
  if (kind.verb == "CREATE") add_name(tables.rebuilt, table);
  return true;
}

std::optional<migrations::Section> section_to_run(const MigrationWork& work, const std::string& id) {
  if (work.up) return work.graph.find(id)->up;
  const auto row = work.rows.find(id);
  if (row == work.rows.end() || !row->second.has_down) return std::nullopt;
  return migrations::Section{row->second.down_text, 1};
}

}  // namespace

TouchedTables touched_tables(const MigrationWork& work, const database::Dialect& dialect) {
  TouchedTables tables;
  for (const std::string& id : work.plan) {
    const std::optional<migrations::Section> section = section_to_run(work, id);
    if (!section) continue;
    const database::Script script = migrations::statements_of(*section, id, dialect.lexer());
    for (const Statement& statement : script.statements) {
      if (!take_statement(statement, tables)) tables.whole = false;
    }
  }
  return tables;
}

}  // namespace deployer
