#include "database/load_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>

#include "base/error.h"
#include "database/canonical.h"

namespace deployer::database {

namespace {

// Session variables that dumps of any tool set. Others can change how a statement is read, what is replicated, or more.
constexpr std::array<std::string_view, 27> dump_variables = {
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "check_constraint_checks",
    "collation_connection",
    "default_storage_engine",
    "default_table_access_method",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "group_concat_max_len",
    "innodb_strict_mode",
    "lock_wait_timeout",
    "max_statement_time",
    "names",
    "net_read_timeout",
    "net_write_timeout",
    "sql_auto_is_null",
    "sql_mode",
    "sql_notes",
    "sql_quote_show_create",
    "sql_safe_updates",
    "storage_engine",
    "time_zone",
    "timestamp",
    "unique_checks",
    "wait_timeout",
};

bool is_one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.is(word); });
}

std::string upper(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](char letter) { return static_cast<char>(std::toupper(static_cast<unsigned char>(letter))); });
  return made;
}

[[noreturn]] void refuse(const DumpStatement& statement, const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorKind::invalid, fmt::format("line {} of the dump: {}", statement.at.line, what), hint);
}

void refuse_qualified(const DumpStatement& statement) {
  if (statement.qualified.empty()) return;
  refuse(statement, fmt::format("{} may be of another schema", statement.qualified),
         "a dump that is loaded names its tables without their schema");
}

void refuse_files(const DumpStatement& statement) {
  if (statement.file_word.empty()) return;
  refuse(statement, fmt::format("{} reaches files of the server", upper(statement.file_word)));
}

/// Reads the words of one statement from its beginning.
class DumpWords {
 public:
  explicit DumpWords(const DumpStatement& statement) : statement_(statement), tokens_(statement.tokens) {}

  bool done() const { return at_ >= tokens_.size(); }
  const Token& peek() const {
    static const Token none{TokenKind::blank, {}, 0, 0};
    return done() ? none : tokens_[at_];
  }
  bool take(std::string_view word) {
    if (!peek().is(word)) return false;
    ++at_;
    return true;
  }
  bool take_sign(std::string_view sign) {
    if (done() || !is_sign(tokens_[at_], sign)) return false;
    ++at_;
    return true;
  }
  const Token& next() {
    const Token& token = peek();
    if (!done()) ++at_;
    return token;
  }

  /// `DEFINER = name@host`, noted in `kind`.
  bool take_definer(DumpStatementKind& kind) {
    if (!peek().is("DEFINER")) return false;
    kind.definer_begin = &next();
    take_sign("=");
    kind.definer_end = &next();
    if (peek().kind == TokenKind::variable) kind.definer_end = &next();
    if (take_sign("(")) {
      kind.definer_end = &peek();
      take_sign(")");
    }
    return true;
  }

  void take_if_exists() {
    if (take("IF")) {
      take("NOT");
      take("EXISTS");
    }
  }

  /// A name that has no qualifier but `schema`, which is noted in `kind`.
  std::string take_name(const std::string& schema, DumpStatementKind& kind) {
    const Token& first = next();
    std::string name = unquoted(first.text);
    if (peek().kind == TokenKind::word && peek().text.starts_with(".")) refuse_name(name + std::string(peek().text));
    if (!take_sign(".")) return name;
    const Token& second = next();
    if (schema.empty() || name != schema) refuse_name(name + "." + unquoted(second.text));
    kind.qualifiers.emplace_back(first.text.data(), static_cast<std::size_t>(second.text.data() - first.text.data()));
    return unquoted(second.text);
  }

 private:
  [[noreturn]] void refuse_name(const std::string& name) const {
    refuse(statement_, fmt::format("{} may be of another schema", name),
           "a dump that is loaded names what it makes without its schema");
  }

  const DumpStatement& statement_;
  const std::vector<Token>& tokens_;
  std::size_t at_ = 0;
};

bool is_definition(std::string_view object) {
  constexpr std::array<std::string_view, 7> objects = {"VIEW",  "TRIGGER", "PROCEDURE",   "FUNCTION",
                                                       "EVENT", "PACKAGE", "PACKAGE BODY"};
  return std::find(objects.begin(), objects.end(), object) != objects.end();
}

void refuse_other_servers(const DumpStatement& statement) {
  const std::vector<Token>& tokens = statement.tokens;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].is("ENGINE")) continue;
    const std::size_t value = i + (is_sign(tokens[i + 1], "=") ? 2 : 1);
    if (value >= tokens.size()) return;
    const std::string engine = lower_case(unquoted(tokens[value].text));
    for (const std::string_view remote : {"federated", "federatedx", "connect", "spider", "s3", "oqgraph"}) {
      if (engine == remote) {
        refuse(statement, fmt::format("a table of engine {} keeps its rows elsewhere", unquoted(tokens[value].text)));
      }
    }
  }
}

/// One `name = value` of SET; `words` stands at its first word.
void judge_variable(const DumpStatement& statement, DumpWords& words) {
  Token name = words.next();
  if (is_one_of(name, {"GLOBAL", "PERSIST", "PERSIST_ONLY"}) || lower_case(name.text).starts_with("@@global") ||
      lower_case(name.text).starts_with("@@persist")) {
    refuse(statement, "it sets a variable of the whole server",
           "mysqldump leaves GTIDs out with --set-gtid-purged=OFF");
  }
  if (is_one_of(name, {"SESSION", "LOCAL"})) name = words.next();
  std::string variable = lower_case(unquoted(name.text));
  if (name.kind == TokenKind::variable && !variable.starts_with("@@")) return;  // a user's variable
  for (const std::string_view prefix : {"@@session.", "@@local.", "@@"}) {
    if (variable.starts_with(prefix)) variable.erase(0, prefix.size());
  }
  const bool charset = variable == "character" || variable == "charset";
  if (!charset && std::find(dump_variables.begin(), dump_variables.end(), variable) == dump_variables.end()) {
    refuse(statement, fmt::format("SET {} has no place in a dump", variable));
  }
}

void judge_setting(const DumpStatement& statement, DumpWords& words) {
  refuse_qualified(statement);
  refuse_files(statement);
  if (words.take("TRANSACTION")) return;
  int brackets = 0;
  judge_variable(statement, words);
  while (!words.done()) {
    const Token& token = words.next();
    if (is_sign(token, "(")) ++brackets;
    if (is_sign(token, ")")) --brackets;
    if (is_sign(token, ",") && brackets == 0) judge_variable(statement, words);
  }
}

void judge_content(const DumpStatement& statement) {
  refuse_qualified(statement);
  refuse_files(statement);
}

void judge_create(const DumpStatement& statement, DumpWords& words, const std::string& schema,
                  DumpStatementKind& kind) {
  for (;;) {
    if (words.take_definer(kind)) continue;
    if (words.take("ALGORITHM")) {
      words.take_sign("=");
      words.next();
    } else if (words.take("SQL")) {
      words.take("SECURITY");
      words.next();
    } else if (!words.take("OR") && !words.take("REPLACE") && !words.take("TEMPORARY") && !words.take("AGGREGATE") &&
               !words.take("UNIQUE") && !words.take("FULLTEXT") && !words.take("SPATIAL")) {
      break;
    }
  }
  kind.object = upper(words.next().text);
  if (kind.object == "TABLE" || kind.object == "SEQUENCE" || kind.object == "INDEX") {
    judge_content(statement);
    refuse_other_servers(statement);
    words.take_if_exists();
    kind.name = unquoted(words.peek().text);
    return;
  }
  if (kind.object == "PACKAGE" && words.take("BODY")) kind.object = "PACKAGE BODY";
  if (!is_definition(kind.object))
    refuse(statement, fmt::format("CREATE {} has no place in a dump of a schema", kind.object));
  kind.part = DumpPart::definition;
  words.take_if_exists();
  // Its body is kept and not run by a load; what it is called must be of the schema.
  kind.name = words.take_name(schema, kind);
  if (kind.object == "FUNCTION" && words.take("RETURNS")) {
    words.next();
    if (words.peek().is("SONAME")) refuse(statement, "a function of a library is the whole server's");
  }
  if (kind.object == "TRIGGER") {
    while (!words.done() && !words.take("ON")) words.next();
    words.take_name(schema, kind);
  }
}

void judge_alter(const DumpStatement& statement, DumpWords& words, const std::string& schema, DumpStatementKind& kind) {
  while (words.take_definer(kind) || words.take("ONLINE") || words.take("OFFLINE") || words.take("IGNORE")) continue;
  kind.object = upper(words.next().text);
  if (kind.object == "TABLE" || kind.object == "SEQUENCE") {
    judge_content(statement);
    refuse_other_servers(statement);
    words.take_if_exists();
    kind.name = unquoted(words.peek().text);
  } else if (kind.object == "EVENT") {
    refuse_qualified(statement);
    kind.name = words.take_name(schema, kind);
    if (words.take("ENABLE")) {
      kind.part = DumpPart::enabling;
    } else if (words.take("DISABLE")) {
      kind.part = DumpPart::definition;
    } else {
      refuse(statement, "ALTER EVENT has a place in a dump only with ENABLE or DISABLE");
    }
    if (!words.done()) refuse(statement, "ALTER EVENT has a place in a dump only with ENABLE or DISABLE");
  } else if (kind.object == "DATABASE" || kind.object == "SCHEMA") {
    refuse_qualified(statement);
    kind.part = DumpPart::definition;
  } else {
    refuse(statement, fmt::format("ALTER {} has no place in a dump of a schema", kind.object));
  }
}

void judge_drop(const DumpStatement& statement, DumpWords& words, DumpStatementKind& kind) {
  words.take("TEMPORARY");
  kind.object = upper(words.next().text);
  if (kind.object == "PACKAGE" && words.take("BODY")) kind.object = "PACKAGE BODY";
  judge_content(statement);
  const bool definition = is_definition(kind.object);
  if (!definition && kind.object != "TABLE" && kind.object != "TABLES" && kind.object != "SEQUENCE") {
    refuse(statement, fmt::format("DROP {} has no place in a dump of a schema", kind.object));
  }
  if (definition) kind.part = DumpPart::definition;
  words.take_if_exists();
  kind.name = unquoted(words.peek().text);
}

bool sets_sequence(const DumpStatement& statement) {
  const std::vector<Token>& tokens = statement.tokens;
  return tokens.size() > 2 && tokens[1].is("SETVAL") && is_sign(tokens[2], "(") &&
         behind_bracket(tokens, 2, tokens.size()) == tokens.size();
}

const char* end_of(const Token& token) { return token.text.data() + token.text.size(); }

std::size_t offset_of(const DumpStatement& statement, const char* place) {
  return static_cast<std::size_t>(place - statement.text.data());
}

/// Whether CREATE EVENT enables it, and which bytes say so: none where it is enabled because nothing is said.
struct EventState {
  bool enabled = true;
  const char* begin = nullptr;
  std::size_t length = 0;
};

EventState state_of_event(const DumpStatement& statement) {
  const std::vector<Token>& tokens = statement.tokens;
  std::size_t at = 0;
  while (at < tokens.size() && !tokens[at].is("SCHEDULE")) ++at;
  int brackets = 0;
  for (; at < tokens.size(); ++at) {
    const Token& token = tokens[at];
    if (is_sign(token, "(")) ++brackets;
    if (is_sign(token, ")")) --brackets;
    if (brackets > 0) continue;
    if (token.is("ENABLE")) return {true, token.text.data(), token.text.size()};
    if (token.is("DISABLE")) return {false, nullptr, 0};
    if (token.is("DO") || token.is("COMMENT")) return {true, token.text.data(), 0};
  }
  refuse(statement, "it is no whole CREATE EVENT");
}

}  // namespace

DumpStatementKind judge(const DumpStatement& statement, const std::string& schema) {
  DumpWords words(statement);
  DumpStatementKind kind;
  if (words.done()) {  // `/*!50001 */`
    kind.part = DumpPart::ignored;
    return kind;
  }
  const Token& first = words.next();
  kind.verb = upper(first.text);
  if (is_one_of(first, {"INSERT", "REPLACE", "UPDATE", "DELETE", "TRUNCATE"})) {
    kind.part = first.is("TRUNCATE") ? DumpPart::content : DumpPart::rows;
    judge_content(statement);
  } else if (first.is("SET")) {
    kind.part = DumpPart::setting;
    judge_setting(statement, words);
  } else if (first.is("CREATE")) {
    judge_create(statement, words, schema, kind);
  } else if (first.is("ALTER")) {
    judge_alter(statement, words, schema, kind);
  } else if (first.is("DROP")) {
    judge_drop(statement, words, kind);
  } else if ((first.is("LOCK") || first.is("UNLOCK")) && is_one_of(words.peek(), {"TABLES", "TABLE"})) {
    kind.part = DumpPart::ignored;
  } else if (is_one_of(first, {"BEGIN", "COMMIT"}) || (first.is("START") && words.peek().is("TRANSACTION"))) {
    kind.part = DumpPart::ignored;  // a load has transactions of its own
  } else if (is_one_of(first, {"SELECT", "DO"}) && sets_sequence(statement)) {
    judge_content(statement);
  } else if (first.is("USE")) {
    refuse(statement, fmt::format("USE {} leaves the schema that is loaded", words.peek().text),
           "dump one schema alone, without --databases");
  } else {
    refuse(statement, fmt::format("{} has no place in a dump of a schema", kind.verb));
  }
  return kind;
}

std::string made_text(const DumpStatement& statement, const DumpStatementKind& kind, bool by_current_user) {
  std::string text(statement.text);
  // From the back, so that what stands before keeps its place.
  if (kind.object == "EVENT") {
    const EventState state = state_of_event(statement);
    if (state.enabled) text.replace(offset_of(statement, state.begin), state.length, "DISABLE ");
  }
  for (auto qualifier = kind.qualifiers.rbegin(); qualifier != kind.qualifiers.rend(); ++qualifier) {
    text.erase(offset_of(statement, qualifier->data()), qualifier->size());
  }
  if (by_current_user && kind.definer_begin != nullptr) {
    const std::size_t begin = offset_of(statement, kind.definer_begin->text.data());
    text.replace(begin, offset_of(statement, end_of(*kind.definer_end)) - begin, "DEFINER=CURRENT_USER");
  }
  return text;
}

bool enables_event(const DumpStatement& statement) { return state_of_event(statement).enabled; }

std::string without_schema_name(const DumpStatement& statement) {
  // `ALTER DATABASE name CHARACTER SET …`: the third word, unless it begins the options.
  const std::vector<Token>& tokens = statement.tokens;
  if (tokens.size() < 4 || is_one_of(tokens[2], {"CHARACTER", "CHARSET", "COLLATE", "DEFAULT"})) {
    return std::string(statement.text);
  }
  std::string text(statement.text);
  return text.erase(offset_of(statement, tokens[2].text.data()), tokens[2].text.size());
}

std::vector<std::string> other_schemas(const std::vector<Token>& tokens, std::string_view own) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i + 3 < tokens.size(); ++i) {
    if (!is_one_of(tokens[i], {"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "CALL"})) continue;
    std::size_t name = i + 1;
    while (name < tokens.size() && is_sign(tokens[name], "(")) ++name;
    if (name + 2 >= tokens.size() || !is_sign(tokens[name + 1], ".")) continue;
    const std::string schema = unquoted(tokens[name].text);
    if (schema != own && std::find(found.begin(), found.end(), schema) == found.end()) found.push_back(schema);
  }
  return found;
}

}  // namespace deployer::database
