#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "database/row_digest.h"
#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

struct DumpOptions {
  std::vector<std::string> tables;  ///< only these, without views, routines and events; empty: the whole schema
  bool rows = true;                 ///< false: definitions alone
  std::vector<std::string> ignore;  ///< left out besides deployer's own tables
  std::function<void(std::uint64_t rows_done, std::uint64_t rows_expected)> progress = nullptr;
};

/// What a dump holds, counted from the rows as they passed.
struct Dumped {
  Schema schema;
  std::map<std::string, RowDigest> tables;
  std::vector<std::string> inconsistent;  ///< tables of engines without transactions: not of one moment with the rest
  std::vector<std::string> unfaithful;    ///< what cannot be dumped faithfully, a sentence each: no way back
  std::string log_position;               ///< of the snapshot; empty where the server does not say
  /// The command that reads the text on standard input into the schema, by the product's own client, for a shell. It
  /// names no password: where there is one, it asks.
  std::string load_with;
};

// A dump (Server::dump) is plain SQL that the product's own client loads (`mariadb NAME < FILE`): SET statements,
// tables with their rows, then views, triggers, routines; events are created DISABLED and enabled last. One consistent
// snapshot; rows by primary key, FLOAT as its double, bytes in hex. It names no schema. Its last line is
// `-- Dump completed`: without it, it was cut off. A schema that changes under the dump is Error `failed` after a
// second try, with the table's name.

/// Runs a dump statement by statement in the session's schema, which must be empty. `read` gives the next piece of the
/// text, nothing at its end; a whole statement is in memory at a time. Also dumps of other tools are taken, as far as
/// they hold nothing that leaves the schema. Error `invalid` with the line for a statement that cannot be (USE, another
/// schema, accounts, SET GLOBAL, client commands) and for a dump that is cut off; SqlError with the line for what the
/// server refuses. Definers who are not there, or may not be named without SUPER, are replaced by the current user.
struct LoadOptions {
  bool needs_end = true;  ///< the last line must be there
  /// What the dump calls the schema itself where it names it before a view, trigger, routine or event that it makes;
  /// empty: as the session's.
  std::string schema;
  std::function<void(std::uint64_t bytes)> progress = nullptr;
};
void load_dump(Session& session, const std::function<std::string()>& read, const LoadOptions& options,
               const Deadline& deadline);

}  // namespace deployer::database
