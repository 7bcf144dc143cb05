#include "migrations/refused.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace deployer::migrations {

namespace {

using database::Statement;
using database::Token;
using database::TokenKind;

struct RefusedWords {
  std::string_view verb;
  std::string_view second;  ///< the second word in lower case, or empty for any
  std::string_view remedy;
};

constexpr std::string_view own_transaction = "a revision is one transaction already; take it out";
constexpr std::string_view own_database = "a revision changes the database it belongs to, and no other";
constexpr std::string_view own_lock = "deployer holds the lock already; take it out";
constexpr std::string_view whole_server = "it would change more than this database; do it outside of migrations";

constexpr std::array<RefusedWords, 16> refused_words = {{
    {"BEGIN", "", own_transaction},
    {"COMMIT", "", own_transaction},
    {"END", "", own_transaction},
    {"ROLLBACK", "", own_transaction},
    {"SAVEPOINT", "", own_transaction},
    {"RELEASE", "", own_transaction},
    {"START", "transaction", own_transaction},
    {"XA", "", own_transaction},
    {"ATTACH", "", own_database},
    {"DETACH", "", own_database},
    {"PRAGMA", "journal_mode", "set it once, outside of migrations"},
    {"PRAGMA", "synchronous", "a revision must be on disk when it is committed"},
    {"PRAGMA", "writable_schema", "write ALTER and CREATE statements instead"},
    {"LOCK", "", own_lock},
    {"UNLOCK", "", own_lock},
    {"KILL", "", whole_server},
}};

/// Variables that a migration may not SET.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> refused_variables = {{
    {"autocommit", own_transaction},
    {"sql_log_bin", "replicas would miss the revision"},
    {"wsrep_on", "the other nodes would miss the revision"},
}};

std::string small_letters(std::string_view text) {
  std::string out;
  for (const char letter : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return out;
}

/// Of a quoted name what is between the quotes, in small letters.
std::string small_name(const Token& token) {
  const bool quoted = token.kind == TokenKind::quoted_name || token.kind == TokenKind::string;
  return small_letters(quoted && token.text.size() > 1 ? token.text.substr(1, token.text.size() - 2) : token.text);
}

/// Of `PRAGMA main.journal_mode = x` it is journal_mode.
std::string second_word(const Statement& statement) {
  const std::vector<Token>& tokens = statement.tokens;
  if (tokens.size() < 2) return {};
  return small_name(tokens[tokens.size() > 3 && tokens[2].text == "." ? 3 : 1]);
}

bool has_word(const Statement& statement, std::string_view word) {
  return std::any_of(statement.tokens.begin(), statement.tokens.end(),
                     [&](const Token& token) { return token.is(word); });
}

std::optional<Refusal> refused_assignment(const Statement& statement) {
  for (const Token& token : statement.tokens) {
    const std::string name = small_name(token);
    for (const auto& [variable, remedy] : refused_variables) {
      // `@@session.sql_log_bin` too, `@sql_log_bin` (a variable of the user) not.
      const bool is_it = name == variable || (name.starts_with("@@") && name.ends_with(variable));
      if (is_it) return Refusal{"SET " + std::string(variable), std::string(remedy)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refusal_of(const Statement& statement, bool in_transaction) {
  const std::string verb = database::classify(statement).verb;
  const std::string second = second_word(statement);
  for (const RefusedWords& words : refused_words) {
    if (words.verb != verb || (!words.second.empty() && words.second != second)) continue;
    if (verb == "BEGIN" && second == "not") continue;  // BEGIN NOT ATOMIC: a block
    return Refusal{verb + (words.second.empty() ? "" : " " + second), std::string(words.remedy)};
  }
  if (verb == "VACUUM" && in_transaction) {
    return Refusal{"VACUUM", "it cannot run in a transaction: give it a revision of its own with -- transaction: none"};
  }
  if (verb == "PRAGMA" && second == "foreign_keys" && !in_transaction) {
    return Refusal{"PRAGMA foreign_keys", "later revisions would run with it; deployer checks foreign keys itself"};
  }
  if (verb == "FLUSH" && has_word(statement, "READ") && has_word(statement, "LOCK")) {
    return Refusal{"FLUSH … WITH READ LOCK", std::string(own_lock)};
  }
  if (verb == "SET") return refused_assignment(statement);
  if (has_word(statement, "GET_LOCK")) return Refusal{"GET_LOCK", std::string(own_lock)};
  return std::nullopt;
}

}  // namespace deployer::migrations
