#include "database/sqlite/table_text.h"

#include <fmt/format.h>

#include "database/canonical.h"

namespace deployer::database {

namespace {

using Tokens = std::vector<Token>;

bool is_constraint(const Token& token) {
  return token.is("CONSTRAINT") || token.is("PRIMARY") || token.is("UNIQUE") || token.is("CHECK") ||
         token.is("FOREIGN");
}

/// The words before ON CONFLICT that say what conflicts: back to PRIMARY, UNIQUE or NOT.
std::size_t conflict_begin(const Tokens& tokens, std::size_t begin, std::size_t on) {
  for (std::size_t i = on; i > begin; --i) {
    const Token& token = tokens[i - 1];
    if (token.is("PRIMARY") || token.is("UNIQUE") || token.is("NOT")) return i - 1;
  }
  return on;
}

bool is_deferred(const Tokens& tokens, std::size_t references, std::size_t end) {
  for (std::size_t i = references + 1; i + 2 < end && !tokens[i].is("REFERENCES"); ++i) {
    if (tokens[i].is("DEFERRABLE") && !tokens[i - 1].is("NOT")) {
      return tokens[i + 1].is("INITIALLY") && tokens[i + 2].is("DEFERRED");
    }
  }
  return false;
}

void read_part(const Tokens& tokens, const TableParts::Part& part, TableText& text) {
  const bool column = !is_constraint(tokens[part.begin]);
  const std::string owner = column ? lower_case(unquoted(tokens[part.begin].text)) : std::string();
  for (std::size_t i = part.begin + (column ? 1 : 0); i < part.end; ++i) {
    const Token& token = tokens[i];
    const bool bracket_follows = i + 1 < part.end && is_sign(tokens[i + 1], "(");
    if ((token.is("CHECK") || (column && token.is("AS"))) && bracket_follows) {
      const std::size_t end = behind_bracket(tokens, i + 1, part.end);
      const std::string clause = canonical(tokens, i, end);
      text.clauses.push_back(token.is("CHECK") ? clause : fmt::format("{} {}", owner, clause));
      i = end - 1;
    } else if (token.is("REFERENCES")) {
      text.deferred.push_back(is_deferred(tokens, i, part.end));
    } else if (token.is("ON") && i + 2 < part.end && tokens[i + 1].is("CONFLICT")) {
      const std::string clause = canonical(tokens, conflict_begin(tokens, part.begin, i), i + 3);
      text.clauses.push_back(column ? fmt::format("{} {}", owner, clause) : clause);
    } else if (is_sign(token, "(")) {
      i = behind_bracket(tokens, i, part.end) - 1;
    }
  }
}

}  // namespace

TableText read_table_text(std::string_view sql, std::string_view table) {
  TableText text;
  const Tokens tokens = tokens_of(sql, SqlDialect::sqlite, table);
  for (const TableParts::Part& part : parts_of_table(tokens).parts) {
    read_part(tokens, part, text);
  }
  return text;
}

std::string canonical_type(std::string_view type, std::string_view table) {
  std::string text;
  for (const Token& token : tokens_of(type, SqlDialect::sqlite, table)) {
    const bool tight = is_sign(token, "(") || is_sign(token, ")") || is_sign(token, ",");
    const bool after = !text.empty() && text.back() != '(' && text.back() != ',';
    if (after && !tight) text += ' ';
    text += token.kind == TokenKind::quoted_name ? lower_case(unquoted(token.text)) : lower_case(token.text);
  }
  return text;
}

}  // namespace deployer::database
