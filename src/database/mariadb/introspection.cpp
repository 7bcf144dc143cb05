#include "database/mariadb/introspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"

namespace deployer::database {

namespace {

using MariaDbTokens = std::vector<Token>;

/// Erases `WORD [=] 'text'` and the like: `length` tokens from the word on, one more where an = stands between.
void erase_clause(MariaDbTokens& tokens, std::size_t at, std::size_t length) {
  const bool equals = at + 1 < tokens.size() && is_sign(tokens[at + 1], "=");
  const std::size_t end = std::min(tokens.size(), at + length + (equals ? 1 : 0));
  tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.begin() + static_cast<std::ptrdiff_t>(end));
}

/// What says nothing about how a table behaves: remarks, and where its numbers stand.
void erase_remarks(MariaDbTokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool equals = i + 1 < tokens.size() && is_sign(tokens[i + 1], "=");
    const std::size_t value = i + (equals ? 2 : 1);
    if (value >= tokens.size()) return;
    const bool remark = tokens[i].is("COMMENT") && tokens[value].kind == TokenKind::string;
    const bool counter = tokens[i].is("AUTO_INCREMENT") && equals && tokens[value].kind == TokenKind::number;
    if (remark || counter) erase_clause(tokens, i--, 2);
  }
}

/// Who made it, and an event's first time, which the server fills in itself.
void erase_origin(MariaDbTokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is("DEFINER") && i + 1 < tokens.size() && is_sign(tokens[i + 1], "=")) {
      std::size_t end = i + 2;
      const auto ends = [](const Token& token) {
        for (const char* word : {"SQL", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "AGGREGATE", "EVENT", "PACKAGE"}) {
          if (token.is(word)) return true;
        }
        return false;
      };
      while (end < tokens.size() && !ends(tokens[end])) ++end;
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i), tokens.begin() + static_cast<std::ptrdiff_t>(end));
      return;
    }
  }
}

/// `own.` before the name of a trigger and of its table, which the server keeps as it was written.
void erase_own_schema(MariaDbTokens& tokens, const std::string& own) {
  for (std::size_t i = 0; i + 1 < tokens.size() && !tokens[i].is("FOR"); ++i) {
    if (!is_sign(tokens[i + 1], ".") || unquoted(tokens[i].text) != own) continue;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i), tokens.begin() + static_cast<std::ptrdiff_t>(i) + 2);
  }
}

void erase_event_start(MariaDbTokens& tokens) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].is("DO")) return;
    if (tokens[i].is("STARTS") && tokens[i + 1].kind == TokenKind::string) return erase_clause(tokens, i, 2);
  }
}

class MariaDbIntrospection {
 public:
  MariaDbIntrospection(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore)
      : session_(session), deadline_(deadline), ignore_(ignore) {}

  Schema read() {
    read_columns();
    read_tables();
    read_objects("trigger",
                 "SELECT trigger_name, event_object_table FROM information_schema.triggers "
                 "WHERE trigger_schema = DATABASE()",
                 2);
    read_objects("procedure", routines_sql("PROCEDURE"), 2);
    read_objects("function", routines_sql("FUNCTION"), 2);
    read_objects("event", "SELECT event_name, NULL FROM information_schema.events WHERE event_schema = DATABASE()", 3);
    std::sort(schema_.objects.begin(), schema_.objects.end(), [](const SchemaObject& a, const SchemaObject& b) {
      return std::tie(a.name, a.kind) < std::tie(b.name, b.kind);
    });
    std::sort(schema_.tables.begin(), schema_.tables.end(),
              [](const Table& a, const Table& b) { return a.name < b.name; });
    return std::move(schema_);
  }

 private:
  static std::string routines_sql(const char* type) {
    return fmt::format(
        "SELECT routine_name, NULL FROM information_schema.routines "
        "WHERE routine_schema = DATABASE() AND routine_type = '{}'",
        type);
  }

  struct TableColumns {
    std::vector<Column> columns;
    std::vector<std::string> lines;
  };

  void read_columns() {
    const Rows rows = session_.query(
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, collation_name, "
        "generation_expression, data_type FROM information_schema.columns WHERE table_schema = DATABASE() "
        "ORDER BY table_name, ordinal_position",
        deadline_);
    for (const Row& row : rows.rows) {
      TableColumns& table = columns_[as_text(row[0])];
      Column column;
      column.name = as_text(row[1]);
      column.type = lower_keeping_strings(as_text(row[2]));
      column.nullable = as_text(row[3]) == "YES";
      column.has_default = !is_null(row[4]) && as_text(row[4]) != "NULL";
      if (column.has_default) column.default_text = as_text(row[4]);
      column.collation = as_text(row[6]);
      column.generated = !is_null(row[7]);
      column.is_float = as_text(row[8]) == "float";
      if (!as_text(row[5]).empty()) table.lines.push_back(lower_case(column.name + " " + as_text(row[5])));
      if (column.generated) table.lines.push_back(fmt::format("{} as {}", lower_case(column.name), as_text(row[7])));
      table.columns.push_back(std::move(column));
    }
  }

  /// `enum('A','b')` keeps its members.
  static std::string lower_keeping_strings(const std::string& type) {
    return type.find('\'') == std::string::npos ? lower_case(type) : type;
  }

  void read_tables() {
    const Rows rows = session_.query(
        "SELECT table_name, table_type, engine FROM information_schema.tables WHERE table_schema = DATABASE()",
        deadline_);
    for (const Row& row : rows.rows) {
      const std::string name = as_text(row[0]);
      const std::string type = as_text(row[1]);
      if (is_left_out(name, ignore_)) continue;
      if (type == "VIEW") {
        add_object("view", name, {}, show_create("VIEW", name, 1));
      } else if (type == "SEQUENCE") {
        add_object("sequence", name, {}, show_create("SEQUENCE", name, 1));
      } else {
        read_table(name, as_text(row[2]));
      }
    }
  }

  void read_table(const std::string& name, const std::string& engine) {
    Table table;
    table.name = name;
    table.engine = engine;
    TableColumns& columns = columns_[name];
    table.columns = std::move(columns.columns);
    std::vector<std::string> lines = std::move(columns.lines);
    const std::string text = show_create("TABLE", name, 1);
    MariaDbTokens tokens = tokens_of(text, SqlDialect::mysql, "table " + name);
    erase_remarks(tokens);
    const TableParts parts = parts_of_table(tokens);
    for (const TableParts::Part& part : parts.parts) {
      if (tokens[part.begin].kind == TokenKind::quoted_name) {
        read_column_checks(tokens, part, lines);
      } else {
        if (tokens[part.begin].is("PRIMARY")) read_primary_key(tokens, part, table);
        lines.push_back(canonical(tokens, part.begin, part.end));
      }
    }
    lines.push_back(options_text(tokens, parts.options));
    std::sort(lines.begin(), lines.end());
    table.definition = join(lines, "\n");
    schema_.tables.push_back(std::move(table));
  }

  /// The engine is a member of its own.
  static std::string options_text(MariaDbTokens tokens, std::size_t begin) {
    for (std::size_t i = begin; i < tokens.size(); ++i) {
      if (!tokens[i].is("ENGINE")) continue;
      erase_clause(tokens, i, 2);
      break;
    }
    return canonical(tokens, begin);
  }

  static void read_column_checks(const MariaDbTokens& tokens, const TableParts::Part& part,
                                 std::vector<std::string>& lines) {
    for (std::size_t i = part.begin; i + 1 < part.end; ++i) {
      if (!tokens[i].is("CHECK") || !is_sign(tokens[i + 1], "(")) continue;
      lines.push_back(fmt::format("{} {}", lower_case(unquoted(tokens[part.begin].text)),
                                  canonical(tokens, i, behind_bracket(tokens, i + 1, part.end))));
    }
  }

  static void read_primary_key(const MariaDbTokens& tokens, const TableParts::Part& part, Table& table) {
    for (std::size_t i = part.begin; i < part.end; ++i) {
      if (tokens[i].kind == TokenKind::quoted_name) table.primary_key.push_back(unquoted(tokens[i].text));
    }
  }

  void read_objects(const std::string& kind, const std::string& list, std::size_t column) {
    for (const Row& row : session_.query(list, deadline_).rows) {
      const std::string name = as_text(row[0]);
      const std::string table = as_text(row[1]);
      if (is_left_out(name, ignore_) || (!table.empty() && is_left_out(table, ignore_))) continue;
      std::string word = kind;
      std::transform(word.begin(), word.end(), word.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      add_object(kind, name, table, show_create(word, name, column));
    }
  }

  void add_object(const std::string& kind, const std::string& name, const std::string& table, const std::string& text) {
    // A body ends nowhere but at the end: as one statement it needs no delimiter.
    MariaDbTokens tokens = tokens_of(text, SqlDialect::mysql, kind + " " + name);
    erase_origin(tokens);
    if (kind == "trigger") erase_own_schema(tokens, session_.url().name);
    if (kind == "event") erase_event_start(tokens);
    if (kind == "sequence") erase_remarks(tokens);
    schema_.objects.push_back({kind, name, table, canonical(tokens)});
  }

  std::string show_create(const std::string& kind, const std::string& name, std::size_t column) {
    const Rows rows = session_.query(fmt::format("SHOW CREATE {} {}", kind, session_.dialect().quote(name)), deadline_);
    if (rows.empty() || is_null(rows.rows[0].at(column))) {
      throw Error(ErrorKind::database, fmt::format("the body of {} {} may not be read", lower_case(kind), name),
                  fmt::format("GRANT SELECT ON mysql.proc TO {}", session_.url().user));
    }
    return as_text(rows.rows[0].at(column));
  }

  Session& session_;
  const Deadline& deadline_;
  const std::vector<std::string>& ignore_;
  std::map<std::string, TableColumns> columns_;
  Schema schema_;
};

}  // namespace

Schema introspect_mariadb(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore) {
  return MariaDbIntrospection(session, deadline, ignore).read();
}

}  // namespace deployer::database
