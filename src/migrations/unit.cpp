#include "migrations/unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "database/canonical.h"
#include "database/names.h"

namespace deployer::migrations {

namespace {

using database::Statement;
using database::StatementKind;
using database::Token;

constexpr std::array<std::string_view, 10> row_run_verbs = {"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE",
                                                            "WITH",   "DO",     "VALUES", "LOAD",   "TABLE"};
constexpr std::array<std::string_view, 13> repeatable_verbs = {"SET",    "USE",      "ANALYZE",   "OPTIMIZE", "CHECK",
                                                               "REPAIR", "CHECKSUM", "GRANT",     "REVOKE",   "FLUSH",
                                                               "SHOW",   "EXPLAIN",  "DEALLOCATE"};
constexpr std::array<std::string_view, 5> provable_verbs = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"};

template <std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_unit_word(const Statement& statement, std::string_view word) {
  return std::any_of(statement.tokens.begin(), statement.tokens.end(),
                     [&](const Token& token) { return token.is(word); });
}

/// `SET @x = …`, and nothing else.
bool sets_a_variable(const Statement& statement) {
  return statement.tokens.size() > 1 && statement.tokens[0].is("SET") && statement.tokens[1].text.starts_with("@") &&
         !statement.tokens[1].text.starts_with("@@");
}

/// What stands behind `-- deployer:` in a comment of the statement.
std::string remark_of(const Statement& statement, std::string_view word) {
  for (const Token& comment : statement.comments) {
    const std::size_t at = comment.text.find("deployer:");
    if (at == std::string_view::npos) continue;
    const std::string_view remark = trim(comment.text.substr(at + std::string_view("deployer:").size()));
    if (remark.starts_with(word)) return std::string(trim(remark.substr(word.size())));
  }
  return {};
}

bool is_marked_repeatable(const Statement& statement) {
  return std::any_of(statement.comments.begin(), statement.comments.end(), [](const Token& comment) {
    const std::size_t at = comment.text.find("deployer:");
    return at != std::string_view::npos && trim(comment.text.substr(at + 9)).starts_with("repeatable");
  });
}

/// The name at a place of the tokens as it is written, with its schema; and one past it.
std::pair<std::string, std::size_t> written_name(const Statement& statement, std::size_t at) {
  std::string name(statement.tokens.at(at).text);
  if (at + 2 < statement.tokens.size() && statement.tokens[at + 1].text == ".") {
    return {name + "." + std::string(statement.tokens[at + 2].text), at + 3};
  }
  return {name, at + 1};
}

std::size_t offset_in(const Statement& statement, std::size_t token) {
  return static_cast<std::size_t>(statement.tokens.at(token).text.data() - statement.text.data());
}

class UnitCutter {
 public:
  UnitCutter(const database::Script& script, const UnitFacts& facts) : script_(script), facts_(facts) {
    for (const auto& [table, engine] : facts.engines) engines_[table] = engine;
  }

  std::vector<Unit> cut() {
    for (const Statement& statement : script_.statements) take(statement);
    return std::move(units_);
  }

 private:
  void take(const Statement& statement) {
    const StatementKind kind = database::classify(statement);
    if (is_one_of(row_run_verbs, kind.verb) || sets_a_variable(statement)) {
      take_rows(statement, kind);
      return;
    }
    in_run_ = false;
    if (kind.verb == "CREATE" && kind.object == "TABLE" && has_unit_word(statement, "REPLACE") && replaces(statement)) {
      take_replaced_table(statement);
    } else if (kind.verb == "DROP" && kind.object == "TABLE" && !take_several_drops(statement)) {
      add(statement, kind, std::string(statement.text));
    } else if (kind.verb != "DROP" || kind.object != "TABLE") {
      add(statement, kind, std::string(statement.text));
    }
    note_engine(statement, kind);
  }

  // ---- rows

  void take_rows(const Statement& statement, const StatementKind&) {
    const bool begins = !in_run_;
    if (begins) {
      units_.emplace_back();
      units_.back().kind = UnitKind::rows;
      units_.back().at = statement.at;
      in_run_ = true;
    }
    Unit& unit = units_.back();
    unit.statements.emplace_back(statement.text);
    if (sets_a_variable(statement)) unit.session.emplace_back(statement.text);
    for (const std::string& name : database::names_in(statement)) {
      if (std::find(unit.names.begin(), unit.names.end(), name) == unit.names.end()) unit.names.push_back(name);
      const auto engine = engines_.find(name.substr(name.find('.') + 1));
      if (engine != engines_.end() && !is_transactional(engine->second)) {
        make_undecidable(
            unit, "it changes rows of " + engine->first + ", whose engine " + engine->second + " has no transactions");
      }
    }
    take_remarks(statement, unit);
  }

  static bool is_transactional(const std::string& engine) { return database::lower_case(engine) == "innodb"; }

  static void make_undecidable(Unit& unit, std::string why) {
    unit.kind = UnitKind::undecidable;
    unit.not_atomic = true;
    if (unit.why.empty()) unit.why = std::move(why);
  }

  static void take_remarks(const Statement& statement, Unit& unit) {
    const std::string probe = remark_of(statement, "probe");
    if (!probe.empty()) unit.probe = probe;
    if (unit.kind == UnitKind::undecidable && is_marked_repeatable(statement)) unit.kind = UnitKind::repeatable;
  }

  // ---- everything else

  Unit& add(const Statement& statement, const StatementKind& kind, std::string text) {
    units_.emplace_back();
    Unit& unit = units_.back();
    unit.at = statement.at;
    unit.statements.push_back(std::move(text));
    unit.names = database::names_in(statement);
    judge(statement, kind, unit);
    take_remarks(statement, unit);
    return unit;
  }

  void judge(const Statement& statement, const StatementKind& kind, Unit& unit) const {
    if (kind.verb == "SET" || kind.verb == "USE" || kind.verb == "PREPARE") unit.session = unit.statements;
    if (kind.verb == "SET" && statement.tokens.size() > 1 && statement.tokens[1].is("STATEMENT")) {
      unit.session.clear();
      make_undecidable(unit, "SET STATEMENT … FOR hides what it does; write SET SESSION before it");
      return;
    }
    const bool accounts = kind.object == "USER" || kind.object == "ROLE" || kind.object == "SERVER";
    if (accounts && is_one_of(provable_verbs, kind.verb)) {
      unit.kind =
          kind.verb == "ALTER" || has_unit_word(statement, "EXISTS") ? UnitKind::repeatable : UnitKind::undecidable;
      unit.why = "whether an account is there tells nothing; write IF EXISTS or IF NOT EXISTS";
    } else if (kind.verb == "ALTER" && (kind.object == "DATABASE" || kind.object == "SCHEMA")) {
      unit.kind = UnitKind::repeatable;
    } else if (is_one_of(provable_verbs, kind.verb)) {
      unit.kind = UnitKind::provable;
      judge_evidence(statement, kind, unit);
    } else if (is_one_of(repeatable_verbs, kind.verb) || kind.verb == "PREPARE") {
      unit.kind = UnitKind::repeatable;
    } else {
      make_undecidable(unit, kind.verb + " leaves nothing that tells whether it happened");
    }
  }

  void judge_evidence(const Statement& statement, const StatementKind& kind, Unit& unit) const {
    for (const std::string& name : unit.names) {
      const auto engine = engines_.find(name.substr(name.find('.') + 1));
      if (engine != engines_.end() && !is_transactional(engine->second)) unit.not_atomic = true;
    }
    if (kind.verb == "ALTER" && has_unit_word(statement, "PARTITION")) unit.not_atomic = true;
    const bool by_ids = kind.verb == "TRUNCATE" || has_unit_word(statement, "EXCHANGE") ||
                        has_unit_word(statement, "TRUNCATE") || (kind.verb == "RENAME" && renames(statement) > 1);
    if (by_ids && !facts_.sees_table_ids) {
      make_undecidable(unit, "without the PROCESS privilege nobody can tell whether it happened: GRANT PROCESS ON *.*");
    }
  }

  static std::size_t renames(const Statement& statement) {
    return static_cast<std::size_t>(std::count_if(statement.tokens.begin(), statement.tokens.end(),
                                                  [](const Token& token) { return token.is("TO"); }));
  }

  // ---- what the server does not do atomically

  static bool replaces(const Statement& statement) {
    const std::vector<Token>& tokens = statement.tokens;
    return tokens.size() > 4 && tokens[0].is("CREATE") && tokens[1].is("OR") && tokens[2].is("REPLACE") &&
           tokens[3].is("TABLE");
  }

  void take_replaced_table(const Statement& statement) {
    const auto [name, behind] = written_name(statement, 4);
    const std::string number = std::to_string(units_.size() + 1);
    const std::string fresh = std::string(beside_prefixes[0]) + number;
    const std::string old = std::string(beside_prefixes[1]) + number;
    const StatementKind kind = database::classify(statement);
    const std::string rest = behind < statement.tokens.size()
                                 ? std::string(statement.text.substr(offset_in(statement, behind)))
                                 : std::string();
    add(statement, kind, fmt::format("CREATE TABLE {} {}", fresh, rest)).names.push_back(fresh);
    Unit& swap = add(statement, kind, fmt::format("RENAME TABLE IF EXISTS {} TO {}, {} TO {}", name, old, fresh, name));
    swap.names = {database::unquoted(name), fresh, old};
    Unit& drop = add(statement, kind, fmt::format("DROP TABLE IF EXISTS {}", old));
    drop.names = {old};
  }

  /// False where it drops one.
  bool take_several_drops(const Statement& statement) {
    const std::vector<Token>& tokens = statement.tokens;
    const bool several =
        std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.text == ","; });
    if (!several || has_unit_word(statement, "TEMPORARY")) return false;
    std::size_t at = 2;
    const bool if_exists = tokens.size() > 3 && tokens[2].is("IF");
    if (if_exists) at = 4;
    const StatementKind kind = database::classify(statement);
    const std::size_t first = units_.size();
    while (at < tokens.size() &&
           (tokens[at].kind == database::TokenKind::word || tokens[at].kind == database::TokenKind::quoted_name)) {
      const auto [name, behind] = written_name(statement, at);
      if (tokens[at].is("RESTRICT") || tokens[at].is("CASCADE")) break;
      add(statement, kind, fmt::format("DROP TABLE {}{}", if_exists ? "IF EXISTS " : "", name)).names = {
          database::unquoted(name)};
      if (!if_exists) units_[first].needs.push_back(database::unquoted(name));
      at = behind;
      if (at < tokens.size() && tokens[at].text == ",") ++at;
    }
    return true;
  }

  /// A later statement may meet a table that this script makes.
  void note_engine(const Statement& statement, const StatementKind& kind) {
    if (kind.object != "TABLE" || (kind.verb != "CREATE" && kind.verb != "ALTER")) return;
    const std::string table = kind.name.substr(kind.name.find('.') + 1);
    for (std::size_t i = 0; i + 1 < statement.tokens.size(); ++i) {
      if (!statement.tokens[i].is("ENGINE")) continue;
      const std::size_t value = statement.tokens[i + 1].text == "=" ? i + 2 : i + 1;
      if (value < statement.tokens.size()) engines_[table] = database::unquoted(statement.tokens[value].text);
    }
  }

  const database::Script& script_;
  const UnitFacts& facts_;
  std::map<std::string, std::string> engines_;
  std::vector<Unit> units_;
  bool in_run_ = false;
};

}  // namespace

std::vector<Unit> units_of(const database::Script& script, const UnitFacts& facts) {
  return UnitCutter(script, facts).cut();
}

}  // namespace deployer::migrations
