#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/dump.h"
#include "database/lexer.h"
#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

// `load_dump` (dump.h) in its two halves, for whoever needs the second one in another schema than the first: tables and
// rows; then what may name anything, and is therefore made only when no statement of the dump runs any more that could
// set it going: views, triggers, routines, events.

/// A statement of the second half.
struct DumpDefinition {
  enum class Part {
    setting,   ///< SET, under which those behind it are made
    removal,   ///< DROP … IF EXISTS
    creation,  ///< CREATE, an event disabled; ALTER DATABASE CHARACTER SET
    enabling,  ///< of an event, behind all else
  };
  Part part = Part::creation;
  std::string object;  ///< "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "DATABASE"
  std::string name;
  std::string sql;
  std::string as_current_user;  ///< the same without the account of its definer; empty where it names none
  int line = 0;
  std::vector<std::string> other_schemas;  ///< that it reads or writes
};

/// The first half, as `load_dump` says. The session has the settings that it had before.
std::vector<DumpDefinition> load_content(Session& session, const std::function<std::string()>& read,
                                         const LoadOptions& options, const Deadline& deadline);

/// The definitions of a script that holds nothing else, for a schema that it may call `own`. Error `invalid`.
std::vector<DumpDefinition> read_definitions(const std::string& script, SqlDialect dialect, const std::string& own);

/// The schema with those events enabled that a load would have enabled at its end.
Schema with_events_enabled(Schema schema, const std::vector<DumpDefinition>& definitions);

struct DefineOptions {
  bool enable_events = true;  ///< false: they stay disabled
  /// Where given: views that cannot be made since they need another schema, which is not there, are named here.
  std::vector<std::string>* unchecked = nullptr;
};

/// The second half, in the session's schema, as `load_dump` says. Error: SqlError with the line.
void make_definitions(Session& session, const std::vector<DumpDefinition>& definitions, const DefineOptions& options,
                      const Deadline& deadline);

}  // namespace deployer::database
