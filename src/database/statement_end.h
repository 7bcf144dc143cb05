#pragma once

#include <string_view>
#include <vector>

#include "database/lexer.h"

namespace deployer::database {

/// Follows one statement token by token and knows whether a `;` that comes now would end it; the lexer's inside.
/// SQLite: the state machine of sqlite3_complete(). MySQL and MariaDB: the blocks of stored programs (CREATE TRIGGER,
/// PROCEDURE, FUNCTION, EVENT, `BEGIN NOT ATOMIC`, and MariaDB's IF, CASE, LOOP, WHILE, REPEAT, FOR outside of them).
/// BEGIN and END are no reserved words there, so a block begins only where a statement may begin, and ends there too.
class StatementEnd {
 public:
  explicit StatementEnd(SqlDialect dialect) : dialect_(dialect) {}

  /// A token that is neither comment nor blank; a `;` only where it does not end the statement.
  void take(const Token& token);

  /// Inside of a body: a `;` does not end the statement, and the end of the text would be a mistake.
  bool open() const;

 private:
  // SQLite: the states of sqlite3_complete().
  enum class Sqlite { start, normal, explain, create, trigger, semicolon, end };
  // MySQL: how far the statement is known. `plain` has no body.
  enum class Phase { start, begin, create, trigger, routine, event, body, plain };
  // Whether the next token begins a statement; `soon`: the first word that can, after words that cannot.
  enum class Start { no, yes, soon };
  enum class Block { begin, loop, repeat, while_loop, for_loop, if_statement, case_statement, case_expression };
  struct OpenBlock {
    Block block;
    int brackets;         // how many are open where it begins
    bool in_head = true;  // of WHILE and FOR: before their DO
  };

  void take_sqlite(const Token& token);
  void take_mysql(const Token& token);
  void take_head(const Token& token);
  void take_create(const Token& token);
  void take_body(const Token& token);
  void begin_statement(const Token& token);
  void inside_statement(const Token& token);
  bool opens_block(const Token& token);
  void push(Block block, Start then);
  bool in_block(Block block) const;
  bool behind_operand() const;

  SqlDialect dialect_;
  Sqlite sqlite_ = Sqlite::start;
  Phase phase_ = Phase::start;
  Start start_ = Start::no;
  std::vector<OpenBlock> blocks_;
  int brackets_ = 0;
  bool behind_equals_ = false;   // of `DEFINER = name`
  bool label_possible_ = false;  // the statement has one word so far
  bool declares_ = false;        // DECLARE … HANDLER FOR
  bool behind_until_ = false;
  bool just_closed_ = false;  // the last token was the END of a block
  Token last_{TokenKind::blank, {}, 0, 0};
};

}  // namespace deployer::database
