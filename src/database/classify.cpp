#include <algorithm>
#include <array>
#include <cctype>

#include "database/lexer.h"

namespace deployer::database {

namespace {

constexpr std::array<std::string_view, 9> row_verbs = {"INSERT",   "UPDATE", "DELETE", "REPLACE", "LOAD",
                                                       "TRUNCATE", "MERGE",  "CALL",   "DO"};
constexpr std::array<std::string_view, 8> read_verbs = {"SELECT",   "VALUES", "SHOW", "EXPLAIN",
                                                        "DESCRIBE", "DESC",   "WITH", "TABLE"};
constexpr std::array<std::string_view, 5> schema_verbs = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"};
constexpr std::array<std::string_view, 8> transaction_verbs = {"BEGIN",     "COMMIT",  "END", "ROLLBACK",
                                                               "SAVEPOINT", "RELEASE", "XA",  "START"};
constexpr std::array<std::string_view, 13> object_words = {"TABLE",    "INDEX", "TRIGGER",  "VIEW",   "PROCEDURE",
                                                           "FUNCTION", "EVENT", "DATABASE", "SCHEMA", "SEQUENCE",
                                                           "USER",     "ROLE",  "SERVER"};
/// Words that may stand between an object's word and its name.
constexpr std::array<std::string_view, 4> before_names = {"IF", "NOT", "EXISTS", "ONLY"};

template <std::size_t Count>
bool is_among(const std::array<std::string_view, Count>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string upper_case(std::string_view text) {
  std::string out;
  for (const char letter : text) out += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return out;
}

std::string plain_name(std::string_view text) {
  if (text.size() < 2) return std::string(text);
  const char open = text.front();
  const char close = open == '[' ? ']' : open;
  if (open != '`' && open != '"' && open != '[') return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    out += text[i];
    if (text[i] == close && text[i + 1] == close) ++i;
  }
  return out;
}

bool is_name(const Token& token) { return token.kind == TokenKind::word || token.kind == TokenKind::quoted_name; }

std::string name_at(const std::vector<Token>& tokens, std::size_t at) {
  while (at < tokens.size() && is_among(before_names, upper_case(tokens[at].text))) ++at;
  if (at >= tokens.size() || !is_name(tokens[at])) return {};
  std::string name = plain_name(tokens[at].text);
  if (at + 2 < tokens.size() && tokens[at + 1].text == "." && is_name(tokens[at + 2])) {
    name += "." + plain_name(tokens[at + 2].text);
  }
  return name;
}

/// Of `WITH x AS (…) INSERT …` the place of INSERT: the first verb outside parentheses. `(SELECT …) UNION …` is a
/// SELECT.
std::size_t verb_place(const std::vector<Token>& tokens) {
  std::size_t first = 0;
  while (first < tokens.size() && (tokens[first].text.starts_with("/*") || tokens[first].text == "(")) ++first;
  if (first >= tokens.size() || !tokens[first].is("WITH")) return first;
  int depth = 0;
  for (std::size_t i = first + 1; i < tokens.size(); ++i) {
    if (tokens[i].text == "(") ++depth;
    if (tokens[i].text == ")") --depth;
    if (depth == 0 && tokens[i].kind == TokenKind::word &&
        (is_among(row_verbs, upper_case(tokens[i].text)) || tokens[i].is("SELECT") || tokens[i].is("VALUES"))) {
      return i;
    }
  }
  return first;
}

void take_object(const std::vector<Token>& tokens, std::size_t verb, StatementKind& kind) {
  for (std::size_t i = verb + 1; i < std::min(tokens.size(), verb + 16); ++i) {
    const std::string word = upper_case(tokens[i].text);
    if (tokens[i].kind != TokenKind::word || !is_among(object_words, word)) continue;
    kind.object = word;
    kind.name = name_at(tokens, i + 1);
    return;
  }
}

/// Words that may stand between the verb of a change of rows and the table.
constexpr std::array<std::string_view, 9> before_tables = {"INTO",          "FROM",  "TABLE",   "ONLY",  "LOW_PRIORITY",
                                                           "HIGH_PRIORITY", "QUICK", "DELAYED", "IGNORE"};

void take_row_table(const std::vector<Token>& tokens, std::size_t verb, StatementKind& kind) {
  std::size_t at = verb + 1;
  if (kind.verb == "DO") return;
  if (kind.verb == "LOAD") {
    while (at < tokens.size() && !tokens[at].is("TABLE")) ++at;
  }
  while (at < tokens.size()) {
    if (tokens[at].is("OR")) {
      at += 2;  // INSERT OR REPLACE
    } else if (tokens[at].kind == TokenKind::word && is_among(before_tables, upper_case(tokens[at].text))) {
      ++at;
    } else {
      break;
    }
  }
  kind.name = name_at(tokens, at);
}

}  // namespace

StatementKind classify(const Statement& statement) {
  StatementKind kind;
  const std::vector<Token>& tokens = statement.tokens;
  const std::size_t verb = verb_place(tokens);
  if (verb >= tokens.size()) return kind;
  kind.verb = upper_case(tokens[verb].text);
  kind.changes_schema = is_among(schema_verbs, kind.verb);
  kind.changes_rows = is_among(row_verbs, kind.verb);
  kind.is_read = is_among(read_verbs, kind.verb);
  kind.transaction_control = is_among(transaction_verbs, kind.verb);
  // `BEGIN NOT ATOMIC` is a block, `START SLAVE` no transaction.
  if (kind.verb == "BEGIN" && verb + 1 < tokens.size() && tokens[verb + 1].is("NOT")) kind.transaction_control = false;
  if (kind.verb == "START" && (verb + 1 >= tokens.size() || !tokens[verb + 1].is("TRANSACTION"))) {
    kind.transaction_control = false;
  }
  if (kind.verb == "TRUNCATE" || (kind.changes_rows && !kind.changes_schema)) {
    take_row_table(tokens, verb, kind);
  } else if (kind.changes_schema) {
    take_object(tokens, verb, kind);
  }
  return kind;
}

}  // namespace deployer::database
