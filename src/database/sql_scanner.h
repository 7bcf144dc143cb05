#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "database/lexer.h"

namespace deployer::database {

/// Cuts a text into tokens, one at a time; the lexer's inside. A byte order mark at the beginning is passed over.
class SqlScanner {
 public:
  SqlScanner(std::string_view text, SqlDialect dialect, int first_line);

  /// The next token; nothing at the end. An unterminated string, name or comment runs to the end and sets `complaint`.
  std::optional<Token> next();
  /// Tokens end before `delimiter`, as in `END$$`; strings, quoted names and comments do not.
  void set_delimiter(std::string delimiter) { delimiter_ = std::move(delimiter); }
  /// What was wrong with the last token, or empty.
  const std::string& complaint() const { return complaint_; }

  /// True where the next bytes begin a line (only blanks before them).
  bool at_line_start() const;
  /// The rest of the current line, without its end; passed over by `skip_line`.
  std::string_view rest_of_line() const;
  void skip_line();
  /// Takes `word` if exactly these bytes come next.
  bool take(std::string_view word);
  bool done() const { return at_ >= text_.size(); }
  std::size_t offset() const { return at_; }
  int line() const { return line_; }
  int column() const { return column_; }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void advance(std::size_t count);
  Token token(TokenKind kind, std::size_t length);
  Token plain_token(TokenKind kind, std::size_t length);
  std::size_t quoted_length(char close, bool backslash);
  std::size_t block_comment_length();
  std::size_t comment_length();
  std::size_t word_length(std::size_t from) const;
  bool at_dash_comment() const;
  Token slash_star();
  Token quoted();
  Token number();
  Token variable();

  std::string_view text_;
  SqlDialect dialect_;
  std::size_t at_ = 0;
  int line_;
  int column_ = 1;
  int open_conditionals_ = 0;  // of /*! … */
  std::string delimiter_;
  std::string complaint_;
};

}  // namespace deployer::database
