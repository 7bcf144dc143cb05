#include "database/sql_scanner.h"

#include <algorithm>
#include <cctype>

namespace deployer::database {

namespace {

bool is_blank(char letter) {
  return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r' || letter == '\f' || letter == '\v';
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

bool is_word_start(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return std::isalpha(byte) != 0 || letter == '_' || byte >= 0x80;
}

bool is_word_letter(char letter) { return is_word_start(letter) || is_digit(letter) || letter == '$'; }

}  // namespace

SqlScanner::SqlScanner(std::string_view text, SqlDialect dialect, int first_line)
    : text_(text), dialect_(dialect), line_(first_line) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

void SqlScanner::advance(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (text_[at_] == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
    ++at_;
  }
}

bool SqlScanner::at_line_start() const {
  for (std::size_t i = at_; i > 0; --i) {
    if (text_[i - 1] == '\n') return true;
    if (!is_blank(text_[i - 1])) return i == 3 && text_.starts_with("\xEF\xBB\xBF");
  }
  return true;
}

std::string_view SqlScanner::rest_of_line() const {
  const std::size_t end = text_.find('\n', at_);
  std::string_view rest = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

void SqlScanner::skip_line() {
  const std::size_t end = text_.find('\n', at_);
  advance((end == std::string_view::npos ? text_.size() : end + 1) - at_);
}

bool SqlScanner::take(std::string_view word) {
  if (word.empty() || !text_.substr(at_).starts_with(word)) return false;
  advance(word.size());
  return true;
}

Token SqlScanner::token(TokenKind kind, std::size_t length) {
  const Token made{kind, text_.substr(at_, length), line_, column_};
  advance(length);
  return made;
}

/// A token whose bytes may hold the delimiter.
Token SqlScanner::plain_token(TokenKind kind, std::size_t length) {
  if (delimiter_.empty()) return token(kind, length);
  const std::size_t found = text_.substr(at_, length + delimiter_.size() - 1).find(delimiter_, 1);
  return token(kind, std::min(length, found));
}

std::size_t SqlScanner::quoted_length(char close, bool backslash) {
  std::size_t i = 1;
  while (at_ + i < text_.size()) {
    if (backslash && peek(i) == '\\') {
      i += 2;
    } else if (peek(i) != close) {
      ++i;
    } else if (close != ']' && peek(i + 1) == close) {
      i += 2;
    } else {
      return i + 1;
    }
  }
  complaint_ = close == '\'' ? "a string does not end" : "a quoted name does not end";
  return text_.size() - at_;
}

std::size_t SqlScanner::block_comment_length() {
  const std::size_t end = text_.find("*/", at_ + 2);
  if (end != std::string_view::npos) return end + 2 - at_;
  complaint_ = "a comment does not end";
  return text_.size() - at_;
}

std::size_t SqlScanner::comment_length() {
  const std::size_t end = text_.find('\n', at_);
  return (end == std::string_view::npos ? text_.size() : end) - at_;
}

std::size_t SqlScanner::word_length(std::size_t from) const {
  std::size_t i = from;
  while (at_ + i < text_.size() && is_word_letter(peek(i))) ++i;
  return i;
}

Token SqlScanner::quoted() {
  const char open = peek();
  const bool mysql = dialect_ == SqlDialect::mysql;
  if (open == '`') return token(TokenKind::quoted_name, quoted_length('`', false));
  if (open == '[') return token(TokenKind::quoted_name, quoted_length(']', false));
  if (open == '"' && !mysql) return token(TokenKind::quoted_name, quoted_length('"', false));
  const std::size_t length = quoted_length(open, mysql);
  if (!complaint_.empty()) complaint_ = "a string does not end";
  return token(TokenKind::string, length);
}

Token SqlScanner::number() {
  std::size_t i = 0;
  if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') && std::isxdigit(static_cast<unsigned char>(peek(2))) != 0) {
    return plain_token(TokenKind::number, word_length(2));
  }
  while (is_digit(peek(i))) ++i;
  if (peek(i) == '.') ++i;
  while (is_digit(peek(i))) ++i;
  const bool exponent =
      (peek(i) == 'e' || peek(i) == 'E') &&
      (is_digit(peek(i + 1)) || ((peek(i + 1) == '+' || peek(i + 1) == '-') && is_digit(peek(i + 2))));
  if (exponent) {
    i += 2;
    while (is_digit(peek(i))) ++i;
  }
  // What follows a number without a blank belongs to it: `1abc` is a name in mysql and an error in sqlite.
  return plain_token(is_word_letter(peek(i)) ? TokenKind::word : TokenKind::number, word_length(i));
}

/// `@name`, `@@global.name`, `@'quoted'`, the host of an account, SQLite's `:name`, `$name`, `?1`.
Token SqlScanner::variable() {
  std::size_t i = 1;
  if (peek() == '@' && peek(1) == '@') i = 2;
  if (peek() == '@' && (peek(i) == '\'' || peek(i) == '"' || peek(i) == '`')) {
    const std::size_t end = text_.find(peek(i), at_ + i + 1);
    if (end != std::string_view::npos) return token(TokenKind::variable, end + 1 - at_);
  }
  while (is_word_letter(peek(i)) || (peek() == '@' && peek(i) == '.')) ++i;
  return plain_token(TokenKind::variable, i);
}

/// mysql wants a blank or a control character behind the dashes: `5--3` is a subtraction there.
bool SqlScanner::at_dash_comment() const {
  if (peek() != '-' || peek(1) != '-') return false;
  return dialect_ == SqlDialect::sqlite || at_ + 2 >= text_.size() || static_cast<unsigned char>(peek(2)) <= ' ';
}

/// A comment, or the beginning of one whose content is code in mysql.
Token SqlScanner::slash_star() {
  const bool maria = peek(2) == 'M' && peek(3) == '!';
  // The first line of a dump: it tells the client to run no commands of its own, and the server nothing.
  const bool sandbox = text_.substr(at_).starts_with("/*M!999999\\-");
  if (dialect_ == SqlDialect::sqlite || sandbox || (peek(2) != '!' && !maria)) {
    return token(TokenKind::comment, block_comment_length());
  }
  std::size_t i = maria ? 4 : 3;
  while (is_digit(peek(i))) ++i;
  ++open_conditionals_;
  return token(TokenKind::operator_sign, i);
}

std::optional<Token> SqlScanner::next() {
  complaint_.clear();
  if (done()) return std::nullopt;
  const bool mysql = dialect_ == SqlDialect::mysql;
  const char first = peek();
  if (is_blank(first)) {
    std::size_t i = 1;
    while (at_ + i < text_.size() && is_blank(peek(i))) ++i;
    return plain_token(TokenKind::blank, i);
  }
  if (at_dash_comment() || (first == '#' && mysql)) return token(TokenKind::comment, comment_length());
  if (first == '/' && peek(1) == '*') return slash_star();
  if (open_conditionals_ > 0 && first == '*' && peek(1) == '/') {
    --open_conditionals_;
    return token(TokenKind::operator_sign, 2);
  }
  if (first == '\'' || first == '"' || first == '`' || (first == '[' && !mysql)) return quoted();
  if ((first == 'x' || first == 'X') && peek(1) == '\'') {
    const std::size_t end = text_.find('\'', at_ + 2);
    if (end != std::string_view::npos) return token(TokenKind::blob, end + 1 - at_);
  }
  if (is_digit(first) || (first == '.' && is_digit(peek(1)))) return number();
  if (first == '@' || (!mysql && (first == ':' || first == '$') && is_word_start(peek(1)))) return variable();
  if (!mysql && first == '?') return variable();
  if (is_word_start(first) || (mysql && first == '$')) return plain_token(TokenKind::word, word_length(1));
  if (mysql && first == '\\' && peek(1) == 'N') return plain_token(TokenKind::word, 2);  // NULL
  return token(TokenKind::operator_sign, 1);
}

}  // namespace deployer::database
