#include "database/names.h"

#include <algorithm>
#include <deque>
#include <map>

#include "database/canonical.h"

namespace deployer::database {

namespace {

bool names_a_thing(const Token& token) { return token.kind == TokenKind::word || token.kind == TokenKind::quoted_name; }

std::vector<std::string> names_of(const std::vector<Token>& tokens) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!names_a_thing(tokens[i])) continue;
    std::string name = unquoted(tokens[i].text);
    if (i + 2 < tokens.size() && is_sign(tokens[i + 1], ".") && names_a_thing(tokens[i + 2])) {
      name += "." + unquoted(tokens[i + 2].text);
      i += 2;
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

/// `own.table` and `table.column` both begin with a name of the schema, or end with one.
void add_parts(const std::string& name, const std::string& own_schema, std::set<std::string>& out) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) {
    out.insert(name);
  } else if (name.substr(0, dot) == own_schema) {
    out.insert(name.substr(dot + 1));
  } else {
    out.insert(name.substr(0, dot));
  }
}

std::set<std::string> parts_in(const std::vector<std::string>& names, const std::string& own_schema) {
  std::set<std::string> parts;
  for (const std::string& name : names) add_parts(name, own_schema, parts);
  return parts;
}

/// From each thing of a schema to those that a change of it may reach.
using Edges = std::map<std::string, std::set<std::string>>;

Edges edges_of(const Schema& schema, SqlDialect dialect, const std::string& own_schema) {
  Edges edges;
  for (const Table& table : schema.tables) {
    edges[table.name];
    const std::vector<Token> tokens = tokens_of(table.definition, dialect, "table " + table.name);
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      if (!tokens[i].is("REFERENCES")) continue;
      // Both ways: a restore brings tables that are tied by a foreign key back together.
      const std::string parent = unquoted(tokens[i + 1].text);
      edges[parent].insert(table.name);
      edges[table.name].insert(parent);
    }
  }
  for (const SchemaObject& object : schema.objects) {
    const std::set<std::string> parts = parts_in(names_in(object.definition, dialect), own_schema);
    for (const std::string& from : {object.name, object.kind == "trigger" ? object.table : std::string()}) {
      if (!from.empty() && object.kind != "index") edges[from].insert(parts.begin(), parts.end());
    }
  }
  return edges;
}

std::string why_unknown(const Script& script) {
  for (const Statement& statement : script.statements) {
    const StatementKind kind = classify(statement);
    const std::string& verb = kind.verb;
    static const std::set<std::string> of_no_table = {"VIEW", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE", "PACKAGE"};
    if (kind.changes_schema && of_no_table.count(kind.object) > 0) {
      return verb + " " + kind.object + " in line " + std::to_string(statement.at.line) + " changes what is no table";
    }
    if (verb == "CALL" || verb == "EXECUTE" || verb == "PREPARE") {
      return verb + " in line " + std::to_string(statement.at.line) + " may change any table";
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> names_in(const Statement& statement) { return names_of(statement.tokens); }

std::vector<std::string> names_in(std::string_view text, SqlDialect dialect) {
  return names_of(tokens_of(text, dialect, "a definition"));
}

Reach reach_of(const Script& script, const Schema& schema, SqlDialect dialect, const std::string& own_schema) {
  Reach reach;
  reach.unknown = why_unknown(script);
  const Edges edges = edges_of(schema, dialect, own_schema);
  std::set<std::string> seen;
  std::deque<std::string> next;
  for (const Statement& statement : script.statements) {
    const StatementKind kind = classify(statement);
    if (kind.changes_schema && kind.object == "TABLE" && !kind.name.empty())
      add_parts(kind.name, own_schema, reach.tables);
    const bool renames = kind.changes_schema && std::any_of(statement.tokens.begin(), statement.tokens.end(),
                                                            [](const Token& token) { return token.is("RENAME"); });
    for (const std::string& part : parts_in(names_in(statement), own_schema)) {
      next.push_back(part);
      if (renames) reach.tables.insert(part);  // the new name is among them
    }
  }
  while (!next.empty()) {
    const std::string name = std::move(next.front());
    next.pop_front();
    const auto edge = edges.find(name);
    if (edge == edges.end() || !seen.insert(name).second) continue;
    if (schema.find(name) != nullptr) reach.tables.insert(name);
    next.insert(next.end(), edge->second.begin(), edge->second.end());
  }
  return reach;
}

}  // namespace deployer::database
