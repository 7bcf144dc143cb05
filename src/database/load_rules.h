#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "database/load_statements.h"

namespace deployer::database {

/// What a statement of a dump does to the schema that it is loaded into.
enum class DumpPart {
  content,     ///< tables, sequences and rows
  rows,        ///< rows alone
  setting,     ///< of the session
  definition,  ///< a view, trigger, routine or event, or its removal
  enabling,    ///< ALTER EVENT … ENABLE
  ignored,     ///< LOCK TABLES and the like
};

struct DumpStatementKind {
  DumpPart part = DumpPart::content;
  std::string verb;    ///< upper case
  std::string object;  ///< of CREATE, ALTER, DROP: "TABLE", "VIEW", …
  std::string name;    ///< unquoted; of ALTER DATABASE: none
  /// Where the account stands that owns it, with its DEFINER and its `=`; null if none is named.
  const Token* definer_begin = nullptr;
  const Token* definer_end = nullptr;  ///< the last token
  /// The schema's own name, with its dot, before what is made and before the table of a trigger.
  std::vector<std::string_view> qualifiers;
};

/// What it is. Error `invalid` with the line for everything that reaches beyond the schema of the session or has no
/// place in a dump: USE, other schemas, accounts, global variables, files of the server, other servers. `schema`: what
/// the dump calls the schema itself.
DumpStatementKind judge(const DumpStatement& statement, const std::string& schema);

/// The statement as it is made: without the name of its own schema; with the current user as its owner, where that is
/// asked for and it names one; an event disabled.
std::string made_text(const DumpStatement& statement, const DumpStatementKind& kind, bool by_current_user);
/// Whether CREATE EVENT makes an enabled one.
bool enables_event(const DumpStatement& statement);
/// ALTER DATABASE without the name of the schema: it means the session's own.
std::string without_schema_name(const DumpStatement& statement);

/// Schemas besides `own` that a view or a body reads or writes, as far as its words say so (`FROM other.table`).
std::vector<std::string> other_schemas(const std::vector<Token>& tokens, std::string_view own);

}  // namespace deployer::database
