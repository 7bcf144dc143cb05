#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "database/lexer.h"
#include "database/schema.h"

namespace deployer::database {

/// Every name that a statement writes, unquoted, each once, in their order: words and quoted names, `a.b` as one. Words
/// of the language are among them, since most of them may be names; what is in strings and comments is not.
std::vector<std::string> names_in(const Statement& statement);
std::vector<std::string> names_in(std::string_view text, SqlDialect dialect);

/// What a script may change rows or definitions of: the tables that it names, and those that are reached from them by
/// foreign keys, triggers, views and routines, transitively.
struct Reach {
  std::set<std::string> tables;  ///< of the schema, also those that the script makes
  std::string unknown;           ///< not empty: it cannot be known, and why
};
/// `own_schema`: `own.table` means `table`.
Reach reach_of(const Script& script, const Schema& schema, SqlDialect dialect, const std::string& own_schema);

}  // namespace deployer::database
