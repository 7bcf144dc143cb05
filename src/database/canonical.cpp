#include "database/canonical.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace deployer::database {

namespace {

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && !(name.front() >= '0' && name.front() <= '9') && std::all_of(name.begin(), name.end(), plain);
}

std::string canonical_token(const Token& token) {
  if (token.kind == TokenKind::word) return lower_case(token.text);
  if (token.kind != TokenKind::quoted_name) return std::string(token.text);
  const std::string name = unquoted(token.text);
  if (is_plain_name(name)) return lower_case(name);
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

/// The lexer gives the signs of `>=` one by one.
bool belong_together(const Token& first, const Token& second) {
  if (first.kind != TokenKind::operator_sign || second.kind != TokenKind::operator_sign) return false;
  if (first.text.data() + first.text.size() != second.text.data()) return false;
  for (const std::string_view pair : {">=", "<=", "<>", "!=", "==", "||", "<<", ">>", ":=", "->", "&&"}) {
    if (first.text.back() == pair[0] && second.text.front() == pair[1]) return true;
  }
  return false;
}

bool starts_with_any_case(std::string_view text, std::string_view lower_prefix) {
  return lower_case(text.substr(0, lower_prefix.size())) == lower_prefix;
}

}  // namespace

std::vector<Token> tokens_of(std::string_view text, SqlDialect dialect, std::string_view what) {
  std::vector<Token> tokens;
  const Script script = split_script(text, dialect);
  for (const Diagnostic& diagnostic : script.diagnostics) {
    if (diagnostic.level != Level::error) continue;
    throw Error(ErrorKind::database, fmt::format("cannot read the definition of {}: {}", what, diagnostic.message));
  }
  for (const Statement& statement : script.statements) {
    tokens.insert(tokens.end(), statement.tokens.begin(), statement.tokens.end());
  }
  return tokens;
}

std::string canonical(const std::vector<Token>& tokens, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < std::min(end, tokens.size()); ++i) {
    if (!text.empty() && !belong_together(tokens[i - 1], tokens[i])) text += ' ';
    text += canonical_token(tokens[i]);
  }
  return text;
}

std::string canonical(std::string_view text, SqlDialect dialect, std::string_view what) {
  return canonical(tokens_of(text, dialect, what));
}

std::string unquoted(std::string_view name) {
  if (name.size() < 2) return std::string(name);
  const char open = name.front();
  const char close = open == '[' ? ']' : open;
  if ((open != '"' && open != '`' && open != '[' && open != '\'') || name.back() != close) return std::string(name);
  std::string plain;
  for (std::size_t i = 1; i + 1 < name.size(); ++i) {
    plain += name[i];
    if (open != '[' && name[i] == close && i + 2 < name.size() && name[i + 1] == close) ++i;
  }
  return plain;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

bool is_sign(const Token& token, std::string_view sign) {
  return token.kind == TokenKind::operator_sign && token.text == sign;
}

std::size_t behind_bracket(const std::vector<Token>& tokens, std::size_t open, std::size_t end) {
  int depth = 0;
  for (std::size_t i = open; i < end; ++i) {
    if (is_sign(tokens[i], "(")) ++depth;
    if (is_sign(tokens[i], ")") && --depth == 0) return i + 1;
  }
  return end;
}

TableParts parts_of_table(const std::vector<Token>& tokens) {
  TableParts table;
  table.options = tokens.size();
  std::size_t open = 0;
  while (open < tokens.size() && !is_sign(tokens[open], "(")) ++open;
  if (open == tokens.size()) return table;
  table.options = behind_bracket(tokens, open, tokens.size());
  const std::size_t close = table.options - 1;
  std::size_t begin = open + 1;
  for (std::size_t i = begin; i <= close; ++i) {
    if (i < close && is_sign(tokens[i], "(")) i = behind_bracket(tokens, i, close) - 1;
    if (i != close && !is_sign(tokens[i], ",")) continue;
    if (begin < i) table.parts.push_back({begin, i});
    begin = i + 1;
  }
  return table;
}

bool is_left_out(std::string_view table, const std::vector<std::string>& ignore) {
  return starts_with_any_case(table, "deployer_") || starts_with_any_case(table, "_deployer_") ||
         std::find(ignore.begin(), ignore.end(), table) != ignore.end();
}

}  // namespace deployer::database
