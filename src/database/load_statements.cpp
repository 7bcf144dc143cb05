#include "database/load_statements.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "database/canonical.h"
#include "database/sql_scanner.h"
#include "database/statement_end.h"

namespace deployer::database {

namespace {

bool is_dump_name(const Token& token) {
  return token.kind == TokenKind::word || token.kind == TokenKind::quoted_name || token.kind == TokenKind::string;
}

bool is_conditional_sign(const Token& token) { return token.text.starts_with("/*") || token.text == "*/"; }

/// The delimiter that a line `DELIMITER x` names; nothing if the line is none.
std::optional<std::string> delimiter_of(std::string_view line) {
  line = trim(line);
  if (lower_case(line.substr(0, 9)) != "delimiter" || (line.size() > 9 && line[9] != ' ' && line[9] != '\t')) {
    return std::nullopt;
  }
  const std::string_view word = trim(line.substr(std::min<std::size_t>(9, line.size())));
  return std::string(word.substr(0, word.find_first_of(" \t")));
}

/// Looks at the tokens of one statement as they come.
class StatementWatch {
 public:
  StatementWatch(DumpStatement& statement, const std::string& own) : statement_(statement), own_(own) {}

  void take(const Token& token) {
    if (is_conditional_sign(token)) return;
    if (statement_.tokens.empty()) {
      changes_rows_ = token.is("INSERT") || token.is("REPLACE") || token.is("UPDATE") || token.is("DELETE");
    }
    look_for_qualifier(token);
    if (token.kind == TokenKind::word && statement_.file_word.empty() &&
        (token.is("OUTFILE") || token.is("DUMPFILE") || token.is("LOAD_FILE"))) {
      statement_.file_word = std::string(token.text);
    }
    if (!changes_rows_ || statement_.tokens.size() < DumpReader::head_tokens) statement_.tokens.push_back(token);
    before_last_ = last_;
    last_ = token;
  }

 private:
  /// `a.b`, with blanks around the dot too; `a.5b` comes as a word that begins with the dot.
  void look_for_qualifier(const Token& token) {
    if (!statement_.qualified.empty() || token.kind == TokenKind::blob) return;
    const bool joined = token.kind != TokenKind::operator_sign && token.text.starts_with(".") && is_dump_name(last_);
    const bool apart = last_.text == "." && is_dump_name(before_last_) && (is_dump_name(token) || token.text == "*");
    if (!joined && !apart) return;
    const Token& qualifier = joined ? last_ : before_last_;
    const std::string name = unquoted(qualifier.text);
    if (!own_.empty() && name == own_) return;
    statement_.qualifier = name;
    statement_.qualified = joined ? name + std::string(token.text) : name + "." + unquoted(token.text);
  }

  DumpStatement& statement_;
  const std::string& own_;
  bool changes_rows_ = false;
  Token last_{TokenKind::blank, {}, 0, 0};
  Token before_last_{TokenKind::blank, {}, 0, 0};
};

}  // namespace

DumpReader::DumpReader(std::function<std::string()> read, SqlDialect dialect, std::string own, std::size_t portion)
    : read_(std::move(read)), dialect_(dialect), own_(std::move(own)), portion_(portion) {}

void DumpReader::fail(const Location& at, const std::string& what) const {
  throw Error(ErrorKind::invalid, fmt::format("line {} of the dump: {}", at.line, what));
}

/// At least doubles what is held, so that a long statement is looked at only twice.
void DumpReader::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t wanted = std::max(portion_, buffer_.size());
  std::size_t got = 0;
  while (got < wanted) {
    const std::string piece = read_();
    if (piece.empty()) {
      at_end_ = true;
      return;
    }
    buffer_ += piece;
    got += piece.size();
    bytes_ += piece.size();
  }
}

void DumpReader::note_comment(std::string_view text) {
  if (text.starts_with("-- MariaDB dump ") || text.starts_with("-- MySQL dump ")) of_dump_program_ = true;
  completed_ = text.starts_with("-- Dump completed");
}

std::optional<DumpStatement> DumpReader::next() {
  for (;;) {
    DumpStatement statement;
    switch (scan(statement)) {
      case Outcome::statement:
        completed_ = false;
        return statement;
      case Outcome::end:
        return std::nullopt;
      case Outcome::more:
        fill();
        break;
    }
  }
}

DumpReader::Outcome DumpReader::scan(DumpStatement& statement) {
  const std::string_view text = std::string_view(buffer_).substr(at_);
  const std::size_t from = at_;
  SqlScanner scanner(text, dialect_, line_);
  if (delimiter_ != ";") scanner.set_delimiter(delimiter_);
  StatementEnd end(dialect_);
  StatementWatch watch(statement, own_);
  const char* first = nullptr;
  const char* last = nullptr;
  const auto give_out = [&] {
    at_ = from + scanner.offset();
    line_ = scanner.line();
  };
  while (!scanner.done()) {
    if (first == nullptr && dialect_ == SqlDialect::mysql && scanner.at_line_start()) {
      const std::string_view line = scanner.rest_of_line();
      const bool whole = at_end_ || scanner.offset() + line.size() < text.size();
      if (!whole && line.size() < 64) return Outcome::more;
      if (const std::optional<std::string> named = delimiter_of(line)) {
        if (named->empty()) fail({{}, scanner.line(), 1}, "DELIMITER names no delimiter");
        delimiter_ = *named;
        scanner.set_delimiter(delimiter_ == ";" ? "" : delimiter_);
        scanner.skip_line();
        give_out();
        continue;
      }
    }
    if ((delimiter_ != ";" || !end.open()) && scanner.take(delimiter_)) {
      give_out();
      if (first == nullptr) continue;
      statement.text = {first, static_cast<std::size_t>(last - first)};
      return Outcome::statement;
    }
    const std::optional<Token> token = scanner.next();
    if (!token) break;
    if (scanner.done() && !at_end_) return Outcome::more;  // it may go on in the next piece
    const Location at{{}, token->line, token->column};
    if (!scanner.complaint().empty()) fail(at, scanner.complaint());
    if (token->kind == TokenKind::comment) note_comment(token->text);
    if (token->kind == TokenKind::blank || token->kind == TokenKind::comment) {
      if (first == nullptr) give_out();
      continue;
    }
    if (token->text == "\\" && dialect_ == SqlDialect::mysql)
      fail(at, "a command of the client cannot stand in a dump");
    if (first == nullptr) {
      first = token->text.data();
      statement.at = at;
    }
    last = token->text.data() + token->text.size();
    end.take(*token);
    watch.take(*token);
  }
  if (!at_end_) return Outcome::more;
  if (first == nullptr) return Outcome::end;
  if (end.open() && delimiter_ == ";") fail(statement.at, "a body does not end");
  give_out();
  statement.text = {first, static_cast<std::size_t>(last - first)};
  return Outcome::statement;
}

}  // namespace deployer::database
