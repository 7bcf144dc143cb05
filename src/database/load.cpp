#include "database/load.h"

#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"
#include "database/load_rules.h"
#include "database/load_statements.h"

namespace deployer::database {

namespace {

// Rows are committed in portions of about this many bytes of SQL, so that no undo log grows with the dump.
constexpr std::size_t load_portion = 16 * 1024 * 1024;

// Character sets of a client in which no other letter ends with the byte of a quote or a backslash.
constexpr std::array<std::string_view, 16> plain_character_sets = {
    "utf8mb4", "utf8mb3", "utf8",   "latin1", "latin2", "latin5", "latin7", "binary",
    "ascii",   "cp1250",  "cp1251", "cp1257", "koi8r",  "koi8u",  "greek",  "hebrew"};

[[noreturn]] void throw_at(int line, const SqlError& error) {
  throw SqlError(error.kind, fmt::format("line {} of the dump: {}", line, error.message), error.code, error.state,
                 error.hint);
}

/// The session's settings as a dump may change them, put back at the end.
class SessionSettings {
 public:
  SessionSettings(Session& session, const Deadline& deadline) : session_(session) {
    const Rows rows = session.query(
        "SELECT @@sql_mode, @@foreign_key_checks, @@unique_checks, @@time_zone, @@character_set_client, "
        "@@character_set_results, @@collation_connection, @@autocommit, @@sql_notes",
        deadline);
    values_ = rows.rows.at(0);
  }
  ~SessionSettings() {
    try {
      put_back();
    } catch (const Error&) {
      // A session that is gone has no settings; the error that led here is the one to tell.
    }
  }
  SessionSettings(const SessionSettings&) = delete;
  SessionSettings& operator=(const SessionSettings&) = delete;

 private:
  void put_back() {
    const auto text = [&](std::size_t at) { return is_null(values_.at(at)) ? "NULL" : as_text(values_.at(at)); };
    session_.execute(
        fmt::format("SET SESSION sql_mode = '{}', foreign_key_checks = {}, unique_checks = {}, time_zone = '{}', "
                    "character_set_client = {}, character_set_results = {}, collation_connection = {}, "
                    "autocommit = {}, sql_notes = {}",
                    text(0), text(1), text(2), text(3), text(4), text(5), text(6), text(7), text(8)),
        Deadline::after(std::chrono::seconds(10)));
  }

  Session& session_;
  Row values_;
};

void expect_empty_schema(Session& session, const Deadline& deadline) {
  const Rows rows = session.query(
      "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
      "        AND table_name NOT LIKE 'deployer\\_%' AND table_name NOT LIKE '\\_deployer\\_%') + "
      "(SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE()) + "
      "(SELECT COUNT(*) FROM information_schema.events WHERE event_schema = DATABASE())",
      deadline);
  if (as_integer(rows.rows.at(0).at(0)) == 0) return;
  throw Error(ErrorKind::invalid, fmt::format("the schema {} is not empty", session.url().name),
              "a dump is loaded into an empty schema only");
}

/// Puts definitions in their order as they come.
class DefinitionList {
 public:
  void add(const DumpStatement& statement, const DumpStatementKind& kind, const std::string& own) {
    DumpDefinition made;
    made.object = kind.object;
    made.name = kind.name;
    made.line = statement.at.line;
    switch (kind.part) {
      case DumpPart::setting:
        made.part = DumpDefinition::Part::setting;
        made.sql = std::string(statement.text);
        break;
      case DumpPart::enabling:
        enabled_[kind.name] = made.line;
        return;
      default:
        if (kind.verb == "ALTER" && kind.object == "EVENT") {  // … DISABLE
          enabled_.erase(kind.name);
          return;
        }
        add_definition(statement, kind, own, made);
    }
    definitions_.push_back(std::move(made));
  }

  std::vector<DumpDefinition> finish() && {
    for (const auto& [name, line] : enabled_) {
      DumpDefinition made;
      made.part = DumpDefinition::Part::enabling;
      made.object = "EVENT";
      made.name = name;
      made.line = line;
      const std::string quoted = quote_name(name);
      // Without the account it would become the current user's.
      const std::string& definer = definers_[name];
      const std::string plain = fmt::format("ALTER DEFINER=CURRENT_USER EVENT {} ENABLE", quoted);
      made.sql = definer.empty() ? plain : fmt::format("ALTER {} EVENT {} ENABLE", definer, quoted);
      if (!definer.empty()) made.as_current_user = plain;
      definitions_.push_back(std::move(made));
    }
    return std::move(definitions_);
  }

 private:
  static std::string quote_name(const std::string& name) {
    std::string quoted = "`";
    for (const char letter : name) quoted += letter == '`' ? "``" : std::string(1, letter);
    return quoted + "`";
  }

  void add_definition(const DumpStatement& statement, const DumpStatementKind& kind, const std::string& own,
                      DumpDefinition& made) {
    made.sql = std::string(statement.text);
    if (kind.verb == "DROP") {
      made.part = DumpDefinition::Part::removal;
      if (kind.object == "EVENT") enabled_.erase(kind.name);
      return;
    }
    if (kind.verb == "ALTER") {
      made.sql = without_schema_name(statement);
      return;
    }
    made.sql = made_text(statement, kind, false);
    made.other_schemas = other_schemas(statement.tokens, own);
    if (kind.definer_begin != nullptr) made.as_current_user = made_text(statement, kind, true);
    if (kind.object != "EVENT") return;
    definers_[kind.name] = definer_text(kind);
    if (enables_event(statement)) enabled_[kind.name] = statement.at.line;
  }

  static std::string definer_text(const DumpStatementKind& kind) {
    if (kind.definer_begin == nullptr) return {};
    const char* begin = kind.definer_begin->text.data();
    const char* end = kind.definer_end->text.data() + kind.definer_end->text.size();
    return {begin, end};
  }

  std::vector<DumpDefinition> definitions_;
  std::map<std::string, int> enabled_;  ///< events, with the line that says so
  std::map<std::string, std::string> definers_;
};

class ContentLoad {
 public:
  ContentLoad(Session& session, const std::function<std::string()>& read, const LoadOptions& options,
              const Deadline& deadline)
      : session_(session),
        options_(options),
        deadline_(deadline),
        own_(session.url().name),
        schema_(options.schema.empty() ? own_ : options.schema),
        reader_(read, session.dialect().lexer(), own_) {}

  std::vector<DumpDefinition> run() {
    while (const std::optional<DumpStatement> statement = reader_.next()) {
      take(*statement);
      if (options_.progress) options_.progress(reader_.bytes());
    }
    commit();
    if ((options_.needs_end || reader_.should_say_completed()) && !reader_.says_completed()) {
      throw Error(ErrorKind::invalid, "the dump is cut off: its last line is not `-- Dump completed`");
    }
    return std::move(definitions_).finish();
  }

 private:
  void take(const DumpStatement& statement) {
    const DumpStatementKind kind = judge(statement, schema_);
    switch (kind.part) {
      case DumpPart::ignored:
        return;
      case DumpPart::definition:
      case DumpPart::enabling:
        definitions_.add(statement, kind, schema_);
        return;
      case DumpPart::setting:
        definitions_.add(statement, kind, schema_);
        reading_known_ = false;
        run(statement);
        return;
      case DumpPart::content:
        commit();
        expect_plain_reading(statement.at.line);
        run(statement);
        return;
      case DumpPart::rows:
        expect_plain_reading(statement.at.line);
        if (!session_.in_transaction()) session_.begin(deadline_);
        run(statement);
        uncommitted_ += statement.text.size();
        if (uncommitted_ >= load_portion) commit();
        return;
    }
  }

  void run(const DumpStatement& statement) {
    try {
      session_.execute(statement.text, deadline_);
    } catch (const SqlError& error) {
      throw_at(statement.at.line, error);
    }
  }

  void commit() {
    if (session_.in_transaction()) session_.commit(deadline_);
    uncommitted_ = 0;
  }

  /// The server must read strings as the judge of the statements does.
  void expect_plain_reading(int line) {
    if (std::exchange(reading_known_, true)) return;
    const Rows rows = session_.query("SELECT @@sql_mode, @@character_set_client", deadline_);
    const std::string mode = as_text(rows.rows.at(0).at(0));
    for (const std::string_view word : {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"}) {
      if (mode.find(word) == std::string::npos) continue;
      throw Error(ErrorKind::invalid,
                  fmt::format("line {} of the dump: tables and rows cannot be loaded in sql_mode {}", line, word));
    }
    const std::string charset = as_text(rows.rows.at(0).at(1));
    if (std::find(plain_character_sets.begin(), plain_character_sets.end(), charset) != plain_character_sets.end())
      return;
    throw Error(ErrorKind::invalid,
                fmt::format("line {} of the dump: tables and rows cannot be loaded in character set {}", line, charset),
                "dump in utf8mb4");
  }

  Session& session_;
  const LoadOptions& options_;
  const Deadline& deadline_;
  const std::string own_;
  const std::string schema_;  ///< as the dump calls it
  DumpReader reader_;
  DefinitionList definitions_;
  std::size_t uncommitted_ = 0;
  bool reading_known_ = false;
};

class DefinitionRun {
 public:
  DefinitionRun(Session& session, const DefineOptions& options, const Deadline& deadline)
      : session_(session), options_(options), deadline_(deadline) {}

  void run(const DumpDefinition& definition) {
    if (definition.part == DumpDefinition::Part::enabling) {
      if (!options_.enable_events || is_missing(definition.name)) return;
    }
    try {
      run_as_somebody(definition);
    } catch (const SqlError& error) {
      if (!leaves_unchecked(definition, error)) throw_at(definition.line, error);
    }
  }

 private:
  void run_as_somebody(const DumpDefinition& definition) {
    try {
      session_.execute(definition.sql, deadline_);
      if (definition.part == DumpDefinition::Part::setting || definition.as_current_user.empty()) return;
      if (!owner_is_missing()) return;
      if (definition.part == DumpDefinition::Part::creation) {
        session_.execute(fmt::format("DROP {} {}", definition.object, session_.dialect().quote(definition.name)),
                         deadline_);
      }
    } catch (const SqlError& error) {
      const bool by_owner = error.code == ER_SPECIFIC_ACCESS_DENIED_ERROR || error.code == ER_NO_SUCH_USER;
      if (!by_owner || definition.as_current_user.empty()) throw;
    }
    session_.execute(definition.as_current_user, deadline_);
  }

  /// The server makes it and only notes that there is no such account; every use of it would fail.
  bool owner_is_missing() {
    const Rows notes = session_.query("SHOW WARNINGS", deadline_);
    return std::any_of(notes.rows.begin(), notes.rows.end(),
                       [](const Row& note) { return as_integer(note.at(1)) == ER_NO_SUCH_USER; });
  }

  bool is_missing(const std::string& name) const {
    return std::find(missing_.begin(), missing_.end(), name) != missing_.end();
  }

  bool leaves_unchecked(const DumpDefinition& definition, const SqlError& error) {
    if (options_.unchecked == nullptr || definition.part != DumpDefinition::Part::creation) return false;
    switch (error.code) {
      case ER_NO_SUCH_TABLE:
      case ER_BAD_DB_ERROR:
      case ER_SP_DOES_NOT_EXIST:
      case ER_VIEW_INVALID:
        break;
      default:
        return false;
    }
    const bool of_missing = std::any_of(missing_.begin(), missing_.end(), [&](const std::string& name) {
      return error.message.find(name) != std::string::npos;
    });
    if (definition.other_schemas.empty() && !of_missing) return false;
    missing_.push_back(definition.name);
    options_.unchecked->push_back(fmt::format("{} {} needs {}", lower_case(definition.object), definition.name,
                                              definition.other_schemas.empty()
                                                  ? "what could not be checked"
                                                  : "schema " + join(definition.other_schemas, ", ")));
    return true;
  }

  Session& session_;
  const DefineOptions& options_;
  const Deadline& deadline_;
  std::vector<std::string> missing_;
};

}  // namespace

std::vector<DumpDefinition> read_definitions(const std::string& script, SqlDialect dialect, const std::string& own) {
  DumpReader reader([script, given = false]() mutable { return std::exchange(given, true) ? std::string() : script; },
                    dialect, own);
  DefinitionList definitions;
  while (const std::optional<DumpStatement> statement = reader.next()) {
    const DumpStatementKind kind = judge(*statement, own);
    if (kind.part != DumpPart::setting && kind.part != DumpPart::definition && kind.part != DumpPart::enabling) {
      throw Error(ErrorKind::invalid, fmt::format("line {} is no definition", statement->at.line));
    }
    definitions.add(*statement, kind, own);
  }
  return std::move(definitions).finish();
}

Schema with_events_enabled(Schema schema, const std::vector<DumpDefinition>& definitions) {
  constexpr std::string_view disabled = " preserve disable ";
  for (const DumpDefinition& definition : definitions) {
    if (definition.part != DumpDefinition::Part::enabling) continue;
    for (SchemaObject& object : schema.objects) {
      if (object.kind != "event" || object.name != definition.name) continue;
      const std::size_t at = object.definition.find(disabled);
      if (at != std::string::npos) object.definition.replace(at, disabled.size(), " preserve enable ");
    }
  }
  return schema;
}

std::vector<DumpDefinition> load_content(Session& session, const std::function<std::string()>& read,
                                         const LoadOptions& options, const Deadline& deadline) {
  if (session.dialect().server() == nullptr) {
    throw Error(ErrorKind::invalid, "a dump is loaded into a database server only");
  }
  expect_empty_schema(session, deadline);
  const SessionSettings settings(session, deadline);
  // A dump makes and fills its tables in any order.
  session.execute("SET SESSION foreign_key_checks = 0", deadline);
  try {
    return ContentLoad(session, read, options, deadline).run();
  } catch (...) {
    try {
      session.rollback();
    } catch (const Error&) {
      // The session is gone, and with it the transaction.
    }
    throw;
  }
}

void make_definitions(Session& session, const std::vector<DumpDefinition>& definitions, const DefineOptions& options,
                      const Deadline& deadline) {
  const SessionSettings settings(session, deadline);
  DefinitionRun run(session, options, deadline);
  for (const DumpDefinition& definition : definitions) run.run(definition);
}

void load_dump(Session& session, const std::function<std::string()>& read, const LoadOptions& options,
               const Deadline& deadline) {
  make_definitions(session, load_content(session, read, options, deadline), {}, deadline);
}

}  // namespace deployer::database
