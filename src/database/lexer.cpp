#include "database/lexer.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "database/sql_scanner.h"
#include "database/statement_end.h"
#include "system/stream/stream.h"

namespace deployer::database {

namespace {

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

class Splitter {
 public:
  Splitter(std::string_view text, SqlDialect dialect, const std::string& file, int first_line)
      : dialect_(dialect), file_(file), scanner_(text, dialect, first_line), end_(dialect) {}

  Script split() {
    while (!scanner_.done()) {
      if (!statement_.tokens.empty() || !take_delimiter_command()) step();
    }
    // With a delimiter of its own the server judges whether a body is whole.
    if (end_.open() && delimiter_ == ";") complain(statement_.at, "a body does not end", "its END is missing");
    finish();
    return std::move(script_);
  }

 private:
  void step() {
    if (ends_here()) {
      finish();
      return;
    }
    const std::optional<Token> token = scanner_.next();
    if (!token) return;
    const Location at{file_, token->line, token->column};
    if (!scanner_.complaint().empty()) complain(at, scanner_.complaint());
    if (token->kind == TokenKind::blank) return;
    if (token->kind == TokenKind::comment) {
      if (statement_.tokens.empty()) statement_.comments.push_back(*token);
      return;
    }
    if (token->text == "\\" && dialect_ == SqlDialect::mysql) {
      complain(at, "a backslash command of the client cannot stand here", "end the statement with its delimiter");
      return;
    }
    if (statement_.tokens.empty()) statement_.at = at;
    end_.take(*token);
    statement_.tokens.push_back(*token);
  }

  /// Takes the delimiter if it comes now and ends the statement.
  bool ends_here() {
    if (delimiter_ == ";" && end_.open()) return false;
    return scanner_.take(delimiter_);
  }

  /// A line `DELIMITER x` where no statement is open; `x` may stand in quotes, what follows it is passed over.
  bool take_delimiter_command() {
    if (dialect_ != SqlDialect::mysql || !scanner_.at_line_start()) return false;
    const std::string_view line = trim(scanner_.rest_of_line());
    if (!same_word(line.substr(0, 9), "DELIMITER") || (line.size() > 9 && line[9] != ' ' && line[9] != '\t')) {
      return false;
    }
    std::string_view word = trim(line.substr(9));
    if (!word.empty() && (word[0] == '\'' || word[0] == '"' || word[0] == '`')) {
      word = word.substr(1, word.find(word[0], 1) - 1);
    } else {
      word = word.substr(0, word.find_first_of(" \t"));
    }
    const Location at{file_, scanner_.line(), scanner_.column()};
    if (word.empty()) {
      complain(at, "DELIMITER names no delimiter");
    } else if (word.find('\\') != std::string_view::npos) {
      complain(at, "a delimiter cannot hold a backslash");
    } else {
      delimiter_ = std::string(word);
      scanner_.set_delimiter(delimiter_ == ";" ? "" : delimiter_);
    }
    scanner_.skip_line();
    return true;
  }

  void finish() {
    if (!statement_.tokens.empty()) {
      const char* begin = statement_.tokens.front().text.data();
      const std::string_view last = statement_.tokens.back().text;
      statement_.text = {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
      script_.statements.push_back(std::move(statement_));
    }
    statement_ = Statement{};
    end_ = StatementEnd(dialect_);
  }

  void complain(const Location& at, const std::string& message, const std::string& hint = {}) {
    script_.diagnostics.push_back({at, Level::error, "sql", message, hint, ""});
  }

  SqlDialect dialect_;
  std::string file_;
  SqlScanner scanner_;
  StatementEnd end_;
  std::string delimiter_ = ";";
  Statement statement_;
  Script script_;
};

}  // namespace

bool Token::is(std::string_view word) const {
  return (kind == TokenKind::word || kind == TokenKind::operator_sign) && same_word(text, word);
}

Script split_script(std::string_view text, SqlDialect dialect, const std::string& file, int first_line) {
  return Splitter(text, dialect, file, first_line).split();
}

std::string token_digest(std::string_view text, SqlDialect dialect) {
  Sha256 digest;
  SqlScanner scanner(text, dialect, 1);
  while (const std::optional<Token> token = scanner.next()) {
    if (token->kind == TokenKind::blank || token->kind == TokenKind::comment) continue;
    digest.update(std::to_string(token->text.size()) + ":");
    digest.update(token->text);
  }
  return digest.hex();
}

}  // namespace deployer::database
