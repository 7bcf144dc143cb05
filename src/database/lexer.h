#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"

namespace deployer::database {

/// What differs between the two languages as far as cutting and classifying statements goes.
enum class SqlDialect { sqlite, mysql };

enum class TokenKind { word, quoted_name, string, number, blob, variable, operator_sign, comment, blank };

/// A token with its place in the text. `text` points into the lexed text.
struct Token {
  TokenKind kind;
  std::string_view text;
  int line = 1;
  int column = 1;

  /// A word, compared without regard to case.
  bool is(std::string_view word) const;
};

/// One statement of a script: its text as the server gets it (without the delimiter; bytes inside strings and comments
/// inside bodies as they are), where it begins, and its tokens without comments and blanks. `text` and tokens point
/// into the lexed text, which must live on.
struct Statement {
  std::string_view text;
  Location at;
  std::vector<Token> tokens;
  /// Comments that stand before it and belong to it, as in `-- deployer: repeatable`.
  std::vector<Token> comments;
};

struct Script {
  std::vector<Statement> statements;
  Diagnostics diagnostics;
};

/// Cuts a script into statements as the `sqlite3` and the `mariadb` client do. Understood: strings ('' and \ escapes
/// in mysql), quoted names ("", ``, []), comments (`--`, `#`, nested none), `/*! … */` and `/*M! … */` (their content
/// is code), `DELIMITER` (mysql), `BEGIN … END` with CASE, IF, LOOP, WHILE, REPEAT inside bodies of CREATE TRIGGER,
/// PROCEDURE, FUNCTION, EVENT (in mysql without DELIMITER too), SQLite triggers.
/// Errors: an unterminated string, name or comment (at its beginning), the client's backslash commands, a body that
/// does not end. Never throws. `file` and `first_line` are for the locations (`first_line`: the line of the file at
/// which `text` begins).
Script split_script(std::string_view text, SqlDialect dialect, const std::string& file = {}, int first_line = 1);

/// What a statement is, by its leading words.
struct StatementKind {
  std::string verb;    ///< "CREATE", "INSERT", …, upper case; of `WITH … INSERT` the INSERT
  std::string object;  ///< after CREATE, ALTER, DROP, RENAME: "TABLE", "INDEX", "TRIGGER", "VIEW", …, else empty
  std::string name;    ///< the first name it works on, unquoted, with its schema as `schema.name`; or empty
  bool changes_schema = false;
  bool changes_rows = false;
  bool is_read = false;
  bool transaction_control = false;  ///< BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, START TRANSACTION, XA
};
StatementKind classify(const Statement& statement);

/// SHA-256 over the tokens of `text`, each as its length and its bytes, so that comments, blanks, line ends between
/// tokens and a byte order mark do not count, while every byte inside a string does. 64 hex digits.
std::string token_digest(std::string_view text, SqlDialect dialect);

}  // namespace deployer::database
