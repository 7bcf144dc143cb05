#include "database/lexer.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "database/sql_scanner.h"
#include "system/stream/stream.h"

namespace deployer::database {

namespace {

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

bool is_one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.is(word); });
}

/// Follows one statement token by token and knows whether a `;` would end it.
class StatementEnd {
 public:
  explicit StatementEnd(SqlDialect dialect) : dialect_(dialect) {}

  void take(const Token& token) {
    if (dialect_ == SqlDialect::sqlite) {
      take_sqlite(token);
    } else {
      take_mysql(token);
    }
    before_ = last_;
    last_ = token;
    has_tokens_ = true;
  }

  /// A `;` that comes now ends the statement.
  bool ends() const {
    if (dialect_ == SqlDialect::sqlite) return !is_trigger_ || (last_.is("END") && before_.text == ";");
    return depth_ == 0;
  }

  void take_semicolon(const Token& token) {
    before_ = last_;
    last_ = token;
  }

  bool open() const { return dialect_ == SqlDialect::sqlite ? is_trigger_ && !ends() : depth_ > 0; }

 private:
  /// As sqlite3_complete(): CREATE [TEMP] TRIGGER ends with `; END ;`.
  void take_sqlite(const Token& token) {
    ++words_;
    if (words_ == 1) begins_create_ = token.is("CREATE");
    if (words_ == 1 && token.is("EXPLAIN")) words_ = 0;
    if (words_ == 2 && begins_create_ && is_one_of(token, {"TEMP", "TEMPORARY"})) words_ = 1;
    if (words_ == 2 && begins_create_ && token.is("TRIGGER")) is_trigger_ = true;
  }

  void take_mysql(const Token& token) {
    ++words_;
    if (words_ == 1) {
      begins_create_ = is_one_of(token, {"CREATE", "ALTER"});
      // `BEGIN NOT ATOMIC … END` is the only block outside of a body.
      if (token.is("BEGIN")) begins_begin_ = true;
    }
    if (words_ == 2 && begins_begin_ && token.is("NOT")) {
      has_body_ = true;
      depth_ = 1;
      return;
    }
    if (begins_create_ && !has_body_ && words_ < 16 &&
        is_one_of(token, {"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"})) {
      has_body_ = true;
      return;
    }
    if (!has_body_ || token.kind != TokenKind::word) return;
    if (after_end_) {
      after_end_ = false;
      if (is_one_of(token, {"IF", "CASE", "LOOP", "WHILE", "REPEAT"})) return;
    }
    const bool begins = at_statement_start();
    if (token.is("END")) {
      if (depth_ > 0) --depth_;
      after_end_ = true;
    } else if (token.is("CASE") || (begins && is_one_of(token, {"BEGIN", "IF", "LOOP", "WHILE", "REPEAT"}))) {
      ++depth_;
    }
  }

  bool at_statement_start() const {
    if (!has_tokens_) return false;
    return is_one_of(last_, {";", ":", ")", "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ROW", "SQL",
                             "DETERMINISTIC", "DATA", "DEFINER", "INVOKER"}) ||
           last_.kind == TokenKind::string || is_type_word();
  }

  /// `CREATE FUNCTION f() RETURNS INT BEGIN …`: the body follows a type.
  bool is_type_word() const { return depth_ == 0 && last_.kind == TokenKind::word && !last_.is("EXISTS"); }

  SqlDialect dialect_;
  Token last_{TokenKind::blank, {}, 0, 0};
  Token before_{TokenKind::blank, {}, 0, 0};
  bool has_tokens_ = false;
  int words_ = 0;
  int depth_ = 0;
  bool begins_create_ = false;
  bool begins_begin_ = false;
  bool is_trigger_ = false;
  bool has_body_ = false;
  bool after_end_ = false;
};

class Splitter {
 public:
  Splitter(std::string_view text, SqlDialect dialect, const std::string& file, int first_line)
      : text_(text), dialect_(dialect), file_(file), scanner_(text, dialect, first_line), end_(dialect) {}

  Script split() {
    while (!scanner_.done()) {
      if (!statement_.tokens.empty() || !take_delimiter_command()) step();
    }
    if (end_.open()) complain(statement_.at, "the body of this statement does not end", "its END is missing");
    finish();
    return std::move(script_);
  }

 private:
  void step() {
    if (own_delimiter() && scanner_.take(delimiter_)) {
      finish();
      return;
    }
    const std::optional<Token> token = scanner_.next();
    if (!token) return;
    if (!scanner_.complaint().empty()) complain({file_, token->line, token->column}, scanner_.complaint(), "");
    if (token->kind == TokenKind::blank) return;
    if (token->kind == TokenKind::comment) {
      if (statement_.tokens.empty()) statement_.comments.push_back(*token);
      return;
    }
    if (token->text == "\\" && dialect_ == SqlDialect::mysql) {
      complain({file_, token->line, token->column}, "a backslash command of the client cannot stand here",
               "write the statement with its delimiter");
      return;
    }
    if (token->text == ";" && !own_delimiter()) {
      if (end_.ends()) {
        finish();
        return;
      }
      end_.take_semicolon(*token);
    } else if (token->text == ";") {
      end_.take_semicolon(*token);
    } else {
      end_.take(*token);
    }
    if (statement_.tokens.empty()) {
      statement_.at = {file_, token->line, token->column};
      begin_ = static_cast<std::size_t>(token->text.data() - text_.data());
    }
    statement_.tokens.push_back(*token);
  }

  bool own_delimiter() const { return delimiter_ != ";"; }

  bool take_delimiter_command() {
    if (dialect_ != SqlDialect::mysql || !scanner_.at_line_start()) return false;
    const std::string_view line = trim(scanner_.rest_of_line());
    if (line.size() < 10 || !same_word(line.substr(0, 9), "DELIMITER") || (line[9] != ' ' && line[9] != '\t')) {
      return false;
    }
    std::string_view word = trim(line.substr(9));
    word = word.substr(0, word.find_first_of(" \t"));
    if (word.find('\\') != std::string_view::npos) {
      complain({file_, scanner_.line(), scanner_.column()}, "a delimiter cannot hold a backslash", "");
    } else {
      delimiter_ = std::string(word);
    }
    scanner_.skip_line();
    return true;
  }

  void finish() {
    if (!statement_.tokens.empty()) {
      const std::string_view last = statement_.tokens.back().text;
      const auto end = static_cast<std::size_t>(last.data() - text_.data()) + last.size();
      statement_.text = text_.substr(begin_, end - begin_);
      script_.statements.push_back(std::move(statement_));
    }
    statement_ = Statement{};
    end_ = StatementEnd(dialect_);
  }

  void complain(const Location& at, const std::string& message, const std::string& hint) {
    script_.diagnostics.push_back({at, Level::error, "sql", message, hint, ""});
  }

  std::string_view text_;
  SqlDialect dialect_;
  std::string file_;
  SqlScanner scanner_;
  StatementEnd end_;
  std::string delimiter_ = ";";
  Statement statement_;
  std::size_t begin_ = 0;
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
