#include "database/statement_end.h"

#include <algorithm>
#include <initializer_list>

namespace deployer::database {

namespace {

bool is_any_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.is(word); });
}

/// With which a statement of a stored program begins that is no block. Behind a head (`… DETERMINISTIC`, `… FOR EACH
/// ROW`) the first of these or of the blocks is the body.
bool begins_simple_statement(const Token& token) {
  return is_any_of(token,
                   {"RETURN",  "SELECT",  "INSERT",   "UPDATE",  "DELETE", "REPLACE", "CALL",   "WITH",   "SET",
                    "VALUES",  "DO",      "TRUNCATE", "CREATE",  "DROP",   "ALTER",   "RENAME", "SIGNAL", "RESIGNAL",
                    "EXECUTE", "PREPARE", "LEAVE",    "ITERATE", "OPEN",   "CLOSE",   "FETCH",  "GET"});
}

}  // namespace

void StatementEnd::take(const Token& token) {
  if (dialect_ == SqlDialect::sqlite) {
    take_sqlite(token);
  } else {
    take_mysql(token);
  }
}

bool StatementEnd::open() const {
  if (dialect_ == SqlDialect::sqlite) return sqlite_ == Sqlite::trigger || sqlite_ == Sqlite::semicolon;
  return !blocks_.empty();
}

void StatementEnd::take_sqlite(const Token& token) {
  const bool semicolon = token.text == ";";
  switch (sqlite_) {
    case Sqlite::start:
      sqlite_ = token.is("EXPLAIN") ? Sqlite::explain : token.is("CREATE") ? Sqlite::create : Sqlite::normal;
      break;
    case Sqlite::explain:
      if (token.is("CREATE")) sqlite_ = Sqlite::create;
      if (is_any_of(token, {"TEMP", "TEMPORARY", "TRIGGER", "END", "EXPLAIN"})) sqlite_ = Sqlite::normal;
      break;
    case Sqlite::create:
      if (is_any_of(token, {"TEMP", "TEMPORARY"})) break;
      sqlite_ = token.is("TRIGGER") ? Sqlite::trigger : Sqlite::normal;
      break;
    case Sqlite::trigger:
      if (semicolon) sqlite_ = Sqlite::semicolon;
      break;
    case Sqlite::semicolon:
      if (!semicolon) sqlite_ = token.is("END") ? Sqlite::end : Sqlite::trigger;
      break;
    case Sqlite::end:
      sqlite_ = Sqlite::trigger;
      break;
    case Sqlite::normal:
      break;
  }
}

void StatementEnd::take_mysql(const Token& token) {
  // The signs of `/*!50003 … */` stand anywhere and mean nothing to the grammar.
  if (token.text.starts_with("/*") || token.text == "*/") return;
  if (phase_ == Phase::body) {
    take_body(token);
  } else if (phase_ != Phase::plain) {
    take_head(token);
  }
  last_ = token;
}

/// Before the body: what kind of statement it is, and where its body begins.
void StatementEnd::take_head(const Token& token) {
  switch (phase_) {
    case Phase::start:
      phase_ = Phase::plain;
      if (is_any_of(token, {"CREATE", "ALTER"})) phase_ = Phase::create;
      if (token.is("BEGIN")) phase_ = Phase::begin;
      if (token.kind == TokenKind::word && opens_block(token)) phase_ = Phase::body;
      break;
    case Phase::begin:
      phase_ = token.is("NOT") ? Phase::body : Phase::plain;
      if (phase_ == Phase::body) push(Block::begin, Start::yes);
      break;
    case Phase::create:
      take_create(token);
      break;
    case Phase::trigger:
      if (token.is("ROW")) phase_ = Phase::body;
      break;
    case Phase::routine:
      // Behind the list of parameters come characteristics, then the body.
      if (token.text == "(") ++brackets_;
      if (token.text == ")" && --brackets_ == 0) phase_ = Phase::body;
      break;
    case Phase::event:
      if (token.is("DO")) phase_ = Phase::body;
      break;
    case Phase::body:
    case Phase::plain:
      break;
  }
  if (phase_ == Phase::body && blocks_.empty()) start_ = Start::soon;
}

/// `CREATE OR REPLACE DEFINER = name AGGREGATE` up to the word that says what is made.
void StatementEnd::take_create(const Token& token) {
  const bool is_value = behind_equals_;
  behind_equals_ = token.text == "=";
  if (is_value || token.kind != TokenKind::word ||
      is_any_of(token, {"OR", "REPLACE", "DEFINER", "AGGREGATE", "CURRENT_USER", "CURRENT_ROLE"})) {
    return;
  }
  phase_ = Phase::plain;
  if (token.is("TRIGGER")) phase_ = Phase::trigger;
  if (token.is("EVENT")) phase_ = Phase::event;
  if (is_any_of(token, {"PROCEDURE", "FUNCTION"})) phase_ = Phase::routine;
}

void StatementEnd::take_body(const Token& token) {
  if (token.text == ";" && token.kind == TokenKind::operator_sign) {
    brackets_ = blocks_.empty() ? 0 : blocks_.back().brackets;
    start_ = Start::yes;
    label_possible_ = declares_ = behind_until_ = just_closed_ = false;
    return;
  }
  if (token.text == "(") ++brackets_;
  if (token.text == ")" && brackets_ > 0) --brackets_;
  if (token.text == ":" && label_possible_) {
    start_ = Start::yes;
    label_possible_ = false;
    return;
  }
  const bool is_word = token.kind == TokenKind::word && last_.text != ".";
  label_possible_ = false;
  if (start_ == Start::no) {
    if (is_word) inside_statement(token);
  } else if (is_word) {
    begin_statement(token);
  } else if (start_ == Start::yes) {
    start_ = Start::no;
    label_possible_ = token.kind == TokenKind::quoted_name;
  }
  just_closed_ = just_closed_ && token.is("END");
}

/// A word where a statement may begin.
void StatementEnd::begin_statement(const Token& token) {
  const int base = blocks_.empty() ? 0 : blocks_.back().brackets;
  if (brackets_ > base) return;  // `RETURNS VARCHAR(10)`
  const bool behind_begin = last_.is("BEGIN") || (last_.is("NOT") && token.is("ATOMIC"));
  if (behind_begin && is_any_of(token, {"NOT", "ATOMIC"})) return;
  if (opens_block(token)) return;
  if (token.is("BEGIN")) {
    push(Block::begin, Start::yes);
    return;
  }
  if (start_ == Start::soon) {
    // `CHARACTER SET x` and `RETURNS SET (…)` are parts of the head.
    if (begins_simple_statement(token) && !is_any_of(last_, {"CHARACTER", "CHAR", "RETURNS"})) start_ = Start::no;
    return;
  }
  if (token.is("ELSE")) return;
  start_ = Start::no;
  if (token.is("END") && !blocks_.empty()) {
    blocks_.pop_back();
    just_closed_ = true;
  } else if (token.is("UNTIL")) {
    behind_until_ = true;
  } else {
    declares_ = token.is("DECLARE");
    label_possible_ = true;
  }
}

/// A word within a statement: what leads to the statements of a block, CASE as an expression, and its END.
void StatementEnd::inside_statement(const Token& token) {
  if (token.is("THEN")) {
    if (in_block(Block::if_statement) || in_block(Block::case_statement)) start_ = Start::yes;
  } else if (token.is("DO")) {
    const bool head = (in_block(Block::while_loop) || in_block(Block::for_loop)) && blocks_.back().in_head;
    if (!head) return;
    blocks_.back().in_head = false;
    start_ = Start::yes;
  } else if (token.is("CASE")) {
    if (!just_closed_) push(Block::case_expression, Start::no);
  } else if (token.is("END")) {
    const bool ends = in_block(Block::case_expression) || (behind_until_ && in_block(Block::repeat));
    if (!ends || !behind_operand()) return;
    behind_until_ = behind_until_ && in_block(Block::case_expression);
    blocks_.pop_back();
    just_closed_ = true;
  } else if (token.is("FOR") && declares_ && last_.is("HANDLER")) {
    start_ = Start::soon;
  }
}

/// IF, CASE, LOOP, WHILE, REPEAT, FOR as the first word of a statement.
bool StatementEnd::opens_block(const Token& token) {
  if (token.is("IF")) {
    push(Block::if_statement, Start::no);
  } else if (token.is("CASE")) {
    push(Block::case_statement, Start::no);
  } else if (token.is("WHILE")) {
    push(Block::while_loop, Start::no);
  } else if (token.is("FOR")) {
    push(Block::for_loop, Start::no);
  } else if (token.is("LOOP")) {
    push(Block::loop, Start::yes);
  } else if (token.is("REPEAT")) {
    push(Block::repeat, Start::yes);
  } else {
    return false;
  }
  return true;
}

void StatementEnd::push(Block block, Start then) {
  blocks_.push_back({block, brackets_});
  start_ = then;
}

bool StatementEnd::in_block(Block block) const { return !blocks_.empty() && blocks_.back().block == block; }

/// The last token can end an expression, so an END that comes now is not a column of this name.
bool StatementEnd::behind_operand() const {
  if (last_.kind == TokenKind::operator_sign) return last_.text == ")";
  return !is_any_of(last_, {"CASE", "WHEN", "THEN", "ELSE", "AND", "OR", "XOR", "NOT", "IN", "LIKE", "BETWEEN", "IS",
                            "DIV", "MOD", "REGEXP", "RLIKE", "SELECT", "BINARY", "UNTIL"});
}

}  // namespace deployer::database
