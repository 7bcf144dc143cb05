#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "database/lexer.h"

namespace deployer::migrations {

/// What is known of a unit after its sender or the server has died in it.
enum class UnitKind {
  rows,         ///< one transaction together with its entry in the progress: all of it or nothing
  provable,     ///< it changes what `Server::evidence` reads of the things that it names
  repeatable,   ///< doing it twice does no harm
  undecidable,  ///< nobody can tell whether it happened
};

/// What is sent to a server without transactional DDL between two entries of the progress.
struct Unit {
  UnitKind kind = UnitKind::provable;
  std::string why;                      ///< of an undecidable one, for people
  std::vector<std::string> statements;  ///< as they are sent; several only of `rows`
  Location at;                          ///< of the first in its file
  std::vector<std::string> names;       ///< what they name, for the evidence
  std::vector<std::string> needs;       ///< tables that must be there, else nothing of the statement is sent
  std::string probe;                    ///< `-- deployer: probe SELECT …`: one row 1 says that it happened
  std::vector<std::string> session;     ///< of its statements those that what comes after it needs
  bool not_atomic = false;              ///< a server that dies in it may leave a part of it
};

/// How the tables are called that stand beside the schema's own while one replaces another, with a number behind.
inline constexpr std::array<std::string_view, 2> beside_prefixes = {"_deployer_new_", "_deployer_old_"};

/// What the kinds of statements depend on besides their words.
struct UnitFacts {
  std::map<std::string, std::string> engines;  ///< of the tables that are there
  bool sees_table_ids = true;                  ///< Server::sees_table_ids
};

/// Cuts a script into units. Which statements are in which unit depends on the text alone, so that it is the same after
/// a crash; the facts decide the kinds. `CREATE OR REPLACE TABLE` is sent as a CREATE under another name, one RENAME
/// and a DROP, and a DROP of several names one by one, since the server does neither atomically. Consecutive statements
/// that change or read rows are one unit.
std::vector<Unit> units_of(const database::Script& script, const UnitFacts& facts);

}  // namespace deployer::migrations
