#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"
#include "database/lexer.h"
#include "database/sql_scanner.h"

namespace deployer::database {
namespace {

rc::Gen<SqlDialect> any_dialect() { return rc::gen::element(SqlDialect::sqlite, SqlDialect::mysql); }

/// Text of the pieces that mean something to a lexer, whole and broken.
rc::Gen<std::string> sql_like_text() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{
      ";",      "'",      "\"",    "`",      "[",       "]",         "\\",    "--",       "-- x",    "#",       "/*",
      "*/",     "/*!",    "/*M!1", "\n",     "\r\n",    " ",         "(",     ")",        "@",       ":",       ".",
      "$$",     "//",     "BEGIN", "END",    "CASE",    "IF",        "THEN",  "ELSE",     "LOOP",    "REPEAT",  "UNTIL",
      "WHILE",  "DO",     "FOR",   "CREATE", "TRIGGER", "PROCEDURE", "EVENT", "EACH ROW", "DECLARE", "HANDLER", "NOT",
      "ATOMIC", "SELECT", "'a;b'", "`c``d`", "x'3b'",   "1.5e3",     "0x1F",  "\xC3\xA9", "\xFF",    "a",       "ROW"});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string text;
    for (const std::string& one : pieces) text += one + (text.size() % 3 == 0 ? "" : " ");
    return text;
  });
}

RC_GTEST_PROP(Lexer, NeverFailsOnRandomBytes, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  const SqlDialect dialect = *any_dialect();
  for (const Statement& statement : split_script(text, dialect).statements) classify(statement);
  RC_ASSERT(token_digest(text, dialect).size() == 64U);
}

RC_GTEST_PROP(Lexer, LosesNoByteOutsideOfDelimitersAndComments, ()) {
  const auto text = *sql_like_text();
  const SqlDialect dialect = *any_dialect();
  const Script script = split_script(text, dialect);
  std::string kept;
  for (const Statement& statement : script.statements) {
    RC_ASSERT(statement.text.data() >= text.data());
    RC_ASSERT(statement.text.data() + statement.text.size() <= text.data() + text.size());
    for (const Token& token : statement.tokens) kept += token.text;
  }
  std::string all;
  std::string dropped;
  SqlScanner scanner(text, dialect, 1);
  while (const std::optional<Token> token = scanner.next()) {
    if (token->kind != TokenKind::blank && token->kind != TokenKind::comment) all += token->text;
  }
  // What is in no statement are semicolons (and the client's backslash, which is complained of).
  std::size_t at = 0;
  for (const char byte : all) {
    if (at < kept.size() && kept[at] == byte) {
      ++at;
    } else {
      dropped += byte;
    }
  }
  RC_ASSERT(at == kept.size());
  RC_ASSERT(dropped.find_first_not_of(script.diagnostics.empty() ? ";" : ";\\") == std::string::npos);
}

RC_GTEST_PROP(Lexer, FindsTheSameStatementsInThemJoined, ()) {
  const auto text = *sql_like_text();
  const SqlDialect dialect = *any_dialect();
  const Script script = split_script(text, dialect);
  RC_PRE(script.diagnostics.empty());
  std::vector<std::string> parts;
  for (const Statement& statement : script.statements) {
    RC_PRE(!statement.text.ends_with("--"));  // `--#` ends in a comment where no `#` follows
    parts.emplace_back(statement.text);
  }
  const std::string joined = join(parts, ";\n");
  std::vector<std::string> again;
  for (const Statement& statement : split_script(joined, dialect).statements) again.emplace_back(statement.text);
  RC_ASSERT(again == parts);
}

RC_GTEST_PROP(Lexer, DigestsTokensWhateverStandsBetweenThem, ()) {
  const auto tokens = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "SELECT", "'it''s -- /*'", "\"a;\"", "`b #`", "1.5", ",", "(", ";", "x'00'", "=", "\xC3\xA9"));
  const SqlDialect dialect = *any_dialect();
  std::string spaced = *rc::gen::element<std::string>("", "\xEF\xBB\xBF");
  for (const std::string& token : tokens) {
    spaced += token + *rc::gen::element<std::string>(" ", "\n", "\r\n\t", "/* ; ' */", " -- it's ;\n", " --\n\n");
  }
  RC_ASSERT(token_digest(spaced, dialect) == token_digest(join(tokens, " "), dialect));
}

}  // namespace
}  // namespace deployer::database
