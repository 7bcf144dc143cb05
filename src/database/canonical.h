#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "database/lexer.h"

namespace deployer::database {

/// The tokens of a text without comments and blanks. `text` must live on. Error `database` where it cannot be lexed
/// ("cannot read the definition of WHAT: …").
std::vector<Token> tokens_of(std::string_view text, SqlDialect dialect, std::string_view what);

/// Tokens in one spelling, joined by single blanks, so that texts which a server takes as the same are the same: words
/// and quoted names that need no quotes in lower case, other quoted names in double quotes, all else as it stands.
std::string canonical(const std::vector<Token>& tokens, std::size_t begin = 0, std::size_t end = SIZE_MAX);
std::string canonical(std::string_view text, SqlDialect dialect, std::string_view what);

/// A name without its quotes, as written.
std::string unquoted(std::string_view name);
/// In lower case (ASCII), as SQLite and column names of servers are compared.
std::string lower_case(std::string_view text);

bool is_sign(const Token& token, std::string_view sign);
/// One past the bracket that closes the one at `open`, at most `end`.
std::size_t behind_bracket(const std::vector<Token>& tokens, std::size_t open, std::size_t end);

/// A CREATE TABLE cut up: the tokens [begin, end) of each column and constraint, and where its options begin.
struct TableParts {
  struct Part {
    std::size_t begin;
    std::size_t end;
  };
  std::vector<Part> parts;
  std::size_t options = 0;
};
TableParts parts_of_table(const std::vector<Token>& tokens);

/// Whether introspection passes over a table: deployer's own, or named in `ignore`.
bool is_left_out(std::string_view table, const std::vector<std::string>& ignore);

}  // namespace deployer::database
