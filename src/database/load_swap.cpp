#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"
#include "database/load_aside.h"
#include "database/load_aside_state.h"

namespace deployer::database {

namespace {

// While a RENAME or a CREATE TRIGGER waits for an open transaction, every later statement on the table waits behind it.
constexpr int swap_lock_wait = 1;
constexpr int finish_lock_wait = 5;
constexpr auto swap_pause = std::chrono::milliseconds(500);

using SwapNames = std::set<std::string>;

bool is_lock_wait(const SqlError& error) {
  return error.code == ER_LOCK_WAIT_TIMEOUT || error.code == ER_LOCK_DEADLOCK;
}

/// True where names of deployer's own tables begin so; they stay where they are.
bool is_own_name(const std::string& name) { return name.starts_with("deployer_") || name.starts_with("_deployer_"); }

bool is_swapped_object(const std::string& kind) {
  return kind == "view" || kind == "trigger" || kind == "procedure" || kind == "function" || kind == "event";
}

void pause_before_retry(const Deadline& deadline, const std::string& what) {
  deadline.check(what);
  std::this_thread::sleep_for(swap_pause);
}

Json json_of_object(const SchemaObject& object) {
  return Json::array({object.kind, object.name, object.table, object.definition});
}

const Row& first_row(const Rows& rows) { return rows.rows.at(0); }

}  // namespace

Json AsideSchema::State::json() const {
  Json objects = Json::array();
  for (const SchemaObject& object : wanted) objects.push_back(json_of_object(object));
  return {{"whole", whole}, {"incoming", incoming}, {"outgoing", outgoing}, {"held", held}, {"wanted", objects}};
}

AsideSchema::State AsideSchema::State::from(const Json& json) {
  State state;
  state.whole = json.at("whole");
  state.incoming = json.at("incoming").get<std::vector<std::string>>();
  state.outgoing = json.at("outgoing").get<std::vector<std::string>>();
  state.held = json.at("held").get<std::vector<std::pair<std::string, std::string>>>();
  for (const Json& object : json.at("wanted")) state.wanted.push_back({object[0], object[1], object[2], object[3]});
  return state;
}

void AsideSchema::save(const State& state, const Deadline& deadline) {
  const std::string table = at(aside_, aside_plan);
  live_.execute("DROP TABLE IF EXISTS " + table, deadline);
  live_.execute(
      fmt::format("CREATE TABLE {} (n INT PRIMARY KEY, old_trigger INT, part INT, line INT, object VARCHAR(64), "
                  "name VARCHAR(64), body LONGBLOB, as_current_user LONGBLOB) "
                  "ENGINE=InnoDB CHARACTER SET utf8mb4",
                  table),
      deadline);
  std::int64_t number = 0;
  const std::string insert = fmt::format("INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", table);
  live_.begin(deadline);
  const auto put = [&](const std::vector<DumpDefinition>& definitions, std::int64_t old_trigger) {
    for (const DumpDefinition& definition : definitions) {
      live_.execute(insert,
                    {++number, old_trigger, static_cast<std::int64_t>(definition.part),
                     static_cast<std::int64_t>(definition.line), definition.object, definition.name,
                     Blob{definition.sql}, Blob{definition.as_current_user}},
                    deadline);
    }
  };
  put(state.made, 0);
  put(state.triggers, 1);
  // Its first row comes last: a plan without it is none.
  live_.execute(insert,
                {std::int64_t{0}, std::int64_t{0}, std::int64_t{0}, std::int64_t{0}, std::string(), std::string(),
                 Blob{dump(state.json())}, Blob{}},
                deadline);
  live_.commit(deadline);
}

AsideSchema::State AsideSchema::load(const std::string& table, const Deadline& deadline) {
  const Rows rows =
      live_.query(fmt::format("SELECT body, as_current_user, old_trigger, part, line, object, name FROM {} ORDER BY n",
                              at(aside_, table)),
                  deadline);
  State state;
  if (rows.empty()) return state;
  state = State::from(value_or_throw(parse_json(as_text(first_row(rows).at(0)), table)));
  for (std::size_t i = 1; i < rows.rows.size(); ++i) {
    const Row& row = rows.rows[i];
    DumpDefinition definition;
    definition.part = static_cast<DumpDefinition::Part>(as_integer(row.at(3)));
    definition.object = as_text(row.at(5));
    definition.name = as_text(row.at(6));
    definition.sql = as_text(row.at(0));
    definition.as_current_user = as_text(row.at(1));
    definition.line = static_cast<int>(as_integer(row.at(4)));
    (as_integer(row.at(2)) == 1 ? state.triggers : state.made).push_back(std::move(definition));
  }
  return state;
}

/// All tables that foreign keys tie to these, here and aside.
std::vector<std::string> AsideSchema::closure(std::vector<std::string> tables, const Deadline& deadline) {
  std::multimap<std::string, std::string> ties;
  const Rows rows = live_.query(
      "SELECT DISTINCT table_name, referenced_table_name FROM information_schema.key_column_usage "
      "WHERE table_schema IN (?, ?) AND referenced_table_schema = table_schema",
      {schema_, aside_}, deadline);
  for (const Row& row : rows.rows) {
    ties.emplace(as_text(row.at(0)), as_text(row.at(1)));
    ties.emplace(as_text(row.at(1)), as_text(row.at(0)));
  }
  SwapNames found(tables.begin(), tables.end());
  while (!tables.empty()) {
    const std::string table = tables.back();
    tables.pop_back();
    for (auto [tie, end] = ties.equal_range(table); tie != end; ++tie) {
      if (found.insert(tie->second).second) tables.push_back(tie->second);
    }
  }
  return {found.begin(), found.end()};
}

void AsideSchema::refuse_references_of_others(const std::vector<std::string>& tables, const Deadline& deadline) {
  const SwapNames moved(tables.begin(), tables.end());
  const Rows rows = live_.query(
      "SELECT DISTINCT table_schema, table_name, referenced_table_name FROM information_schema.key_column_usage "
      "WHERE referenced_table_schema = ? AND table_schema <> ?",
      {schema_, schema_}, deadline);
  for (const Row& row : rows.rows) {
    if (moved.count(as_text(row.at(2))) == 0) continue;
    throw Error(ErrorKind::failed,
                fmt::format("table {} cannot be restored: a foreign key of {}.{} points at it, and would point at the "
                            "old one",
                            as_text(row.at(2)), as_text(row.at(0)), as_text(row.at(1))),
                "drop that foreign key, restore, and make it again");
  }
}

/// Their triggers as statements, in the order in which they fire.
std::vector<DumpDefinition> AsideSchema::triggers_of(const std::vector<std::string>& tables, const Deadline& deadline) {
  const SwapNames moved(tables.begin(), tables.end());
  std::string script = "SET NAMES utf8mb4;\n";
  const Rows rows = live_.query(
      "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE trigger_schema = ? "
      "ORDER BY event_object_table, action_timing, event_manipulation, action_order",
      {schema_}, deadline);
  for (const Row& row : rows.rows) {
    if (moved.count(as_text(row.at(1))) == 0) continue;
    const Row made = first_row(live_.query("SHOW CREATE TRIGGER " + at(schema_, as_text(row.at(0))), deadline));
    std::string delimiter = "$$";
    while (as_text(made.at(2)).find(delimiter) != std::string::npos) delimiter += '$';
    script += fmt::format("SET sql_mode = '{}';\nDELIMITER {}\n{}\n{}\nDELIMITER ;\n", as_text(made.at(1)), delimiter,
                          as_text(made.at(2)), delimiter);
  }
  return read_definitions(script, live_.dialect().lexer(), schema_);
}

AsideSchema::State AsideSchema::plan(const AsideContent& content, const Deadline& deadline) {
  State state;
  state.whole = content.only.empty();
  SwapNames there;
  for (const Table& table : content.wanted.tables) there.insert(table.name);
  for (const SchemaObject& object : content.wanted.objects) {
    if (object.kind == "sequence") there.insert(object.name);
  }
  if (!content.own_table.empty() && has_table(aside_, content.own_table, deadline)) there.insert(content.own_table);
  SwapNames live;
  for (const std::string& table : tables_in(schema_, deadline)) {
    if (!is_own_name(table) || table == content.own_table) live.insert(table);
  }
  SwapNames moved = there;
  if (state.whole) {
    moved.insert(live.begin(), live.end());
    // A table of deployer's own for which nothing comes stays.
    if (there.count(content.own_table) == 0) moved.erase(content.own_table);
  } else {
    for (const std::string& table : content.only) {
      if (there.count(table) > 0 || live.count(table) > 0) continue;
      throw Error(ErrorKind::not_found, "there is no table " + table + ", neither here nor in the backup");
    }
    const std::vector<std::string> tied = closure(content.only, deadline);
    moved = SwapNames(tied.begin(), tied.end());
    if (there.count(content.own_table) > 0) moved.insert(content.own_table);
  }
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  int number = 0;
  for (const std::string& table : moved) {
    if (there.count(table) > 0) state.incoming.push_back(table);
    if (live.count(table) == 0) continue;
    state.outgoing.push_back(table);
    if (there.count(table) > 0) continue;
    std::string as;
    do {
      as = fmt::format("{}{}_{}", aside_held, now.count(), ++number);
    } while (has_table(aside_, as, deadline));  // of another restore in the same second
    state.held.emplace_back(table, as);
  }
  const SwapNames incoming(state.incoming.begin(), state.incoming.end());
  for (const SchemaObject& object : content.wanted.objects) {
    const bool comes = object.kind == "trigger" ? incoming.count(object.table) > 0 : state.whole;
    if (is_swapped_object(object.kind) && comes) state.wanted.push_back(object);
  }
  state.made = content.definitions;
  state.triggers = triggers_of(state.outgoing, deadline);
  return state;
}

/// What has been given out once is not given out again.
void AsideSchema::keep_counters(const State& state, const Deadline& deadline) {
  const SwapNames incoming(state.incoming.begin(), state.incoming.end());
  const Rows rows = live_.query(
      "SELECT l.table_name, l.auto_increment FROM information_schema.tables l JOIN information_schema.tables a "
      "ON a.table_name = l.table_name AND a.table_schema = ? WHERE l.table_schema = ? "
      "AND l.auto_increment > a.auto_increment",
      {aside_, schema_}, deadline);
  for (const Row& row : rows.rows) {
    if (incoming.count(as_text(row.at(0))) == 0) continue;
    live_.execute(fmt::format("ALTER TABLE {} AUTO_INCREMENT = {}", at(aside_, as_text(row.at(0))), as_text(row.at(1))),
                  deadline);
  }
  const Rows sequences = live_.query(
      "SELECT l.table_name FROM information_schema.tables l JOIN information_schema.tables a ON a.table_name = "
      "l.table_name AND a.table_schema = ? AND a.table_type = 'SEQUENCE' "
      "WHERE l.table_schema = ? AND l.table_type = 'SEQUENCE'",
      {aside_, schema_}, deadline);
  for (const Row& row : sequences.rows) {
    if (incoming.count(as_text(row.at(0))) > 0) keep_sequence(as_text(row.at(0)), deadline);
  }
}

void AsideSchema::keep_sequence(const std::string& name, const Deadline& deadline) {
  const auto stands = [&](const std::string& schema) {
    return live_.query("SELECT next_not_cached_value, increment FROM " + at(schema, name), deadline).rows.at(0);
  };
  const Row live = stands(schema_);
  const Row aside = stands(aside_);
  const bool further = as_integer(aside.at(1)) >= 0 ? as_integer(live.at(0)) > as_integer(aside.at(0))
                                                    : as_integer(live.at(0)) < as_integer(aside.at(0));
  if (further) live_.query(fmt::format("SELECT SETVAL({}, {}, 0)", at(aside_, name), as_text(live.at(0))), deadline);
}

/// Drops the triggers and renames; false, and the triggers are there again, if a transaction of others was in the way.
bool AsideSchema::try_rename(const State& state, const std::string& rename, const Deadline& deadline) {
  const AsideSettings settings(live_, swap_lock_wait, deadline);
  keep_counters(state, deadline);
  try {
    for (const DumpDefinition& trigger : state.triggers) {
      if (trigger.part != DumpDefinition::Part::creation) continue;
      live_.execute("DROP TRIGGER IF EXISTS " + at(schema_, trigger.name), deadline);
    }
    live_.execute(rename, deadline);
    return true;
  } catch (const SqlError& error) {
    if (error.kind == ErrorKind::unavailable) throw;  // whether it happened only the server knows: `settle`
    if (has_table(aside_, aside_done, Deadline::after(std::chrono::minutes(1)))) return true;
    put_triggers_back(state, Deadline::after(std::chrono::minutes(1)));
    if (!is_lock_wait(error)) throw;
    return false;
  }
}

Swapped AsideSchema::swap(const AsideContent& content, const Deadline& deadline) {
  const State state = plan(content, deadline);
  refuse_references_of_others(state.outgoing, deadline);
  save(state, deadline);
  // A table leaves a schema without its triggers only.
  for (const SchemaObject& object : content.wanted.objects) {
    if (object.kind == "trigger") live_.execute("DROP TRIGGER IF EXISTS " + at(aside_, object.name), deadline);
  }
  std::vector<std::string> moves;
  const auto move = [&](const std::string& from, const std::string& to, const std::string& table) {
    moves.push_back(fmt::format("{} TO {}", at(from, table), at(to, table)));
  };
  for (const std::string& table : state.outgoing) move(schema_, old_, table);
  for (const std::string& table : state.incoming) move(aside_, schema_, table);
  moves.push_back(fmt::format("{} TO {}", at(aside_, aside_plan), at(aside_, aside_done)));
  const std::string rename = "RENAME TABLE " + join(moves, ", ");
  while (!try_rename(state, rename, deadline)) pause_before_retry(deadline, "waiting for open transactions");
  finish(state, false, deadline);
  Swapped swapped;
  swapped.tables = state.incoming;
  for (const auto& [table, as] : state.held) swapped.held.push_back(fmt::format("{} as {}.{}", table, aside_, as));
  return swapped;
}

void AsideSchema::put_triggers_back(const State& state, const Deadline& deadline) {
  const auto missing = [&] {
    SwapNames there;
    for (const Row& row : live_
                              .query("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = ?",
                                     {schema_}, deadline)
                              .rows) {
      there.insert(as_text(row.at(0)));
    }
    std::vector<std::pair<std::string, std::string>> names;
    for (const DumpDefinition& trigger : state.triggers) {
      const bool made = trigger.part == DumpDefinition::Part::creation && there.count(trigger.name) == 0;
      if (made) names.emplace_back("trigger", trigger.name);
    }
    return names;
  };
  for (;;) {
    try {
      const AsideSettings settings(live_, finish_lock_wait, deadline);
      make_definitions(live_, definitions_of(state.triggers, missing()), {}, deadline);
      return;
    } catch (const SqlError& error) {
      if (!is_lock_wait(error)) throw;
      pause_before_retry(deadline, "making triggers again");
    }
  }
}

void AsideSchema::finish(const State& state, bool replaced, const Deadline& deadline) {
  for (;;) {
    try {
      const AsideSettings settings(live_, finish_lock_wait, deadline);
      make_objects(state, deadline);
      break;
    } catch (const SqlError& error) {
      if (is_lock_wait(error)) {
        pause_before_retry(deadline, "waiting for open transactions");
      } else if (replaced && error.kind == ErrorKind::database) {
        break;
      } else {
        throw;
      }
    }
  }
  hold_tables(state, deadline);
  clean(deadline);
}

/// Views, triggers, routines and events as they are wanted; what is so already is not touched.
void AsideSchema::make_objects(const State& state, const Deadline& deadline) {
  std::map<std::pair<std::string, std::string>, std::string> wanted;
  for (const SchemaObject& object : state.wanted) wanted[{object.kind, object.name}] = object.definition;
  const SwapNames incoming(state.incoming.begin(), state.incoming.end());
  for (const SchemaObject& object : live_.dialect().introspect(live_, deadline).objects) {
    const bool judged = object.kind == "trigger" ? incoming.count(object.table) > 0 : state.whole;
    if (!is_swapped_object(object.kind) || !judged) continue;
    const auto found = wanted.find({object.kind, object.name});
    if (found != wanted.end() && found->second == object.definition) {
      wanted.erase(found);
      continue;
    }
    live_.execute(fmt::format("DROP {} IF EXISTS {}", object.kind, at(schema_, object.name)), deadline);
  }
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& entry : wanted) names.push_back(entry.first);
  if (state.whole) {
    for (const DumpDefinition& definition : state.made) {
      if (definition.object.starts_with("PACKAGE")) names.emplace_back(lower_case(definition.object), definition.name);
    }
  }
  make_definitions(live_, definitions_of(state.made, names), {}, deadline);
}

/// Foreign keys of what is held would point at tables that are gone.
void AsideSchema::hold_tables(const State& state, const Deadline& deadline) {
  const AsideSettings settings(live_, finish_lock_wait, deadline);
  for (const auto& [table, as] : state.held) {
    if (!has_table(old_, table, deadline)) continue;
    std::vector<std::string> drops;
    for (const Row& row : live_
                              .query("SELECT constraint_name FROM information_schema.table_constraints WHERE "
                                     "table_schema = ? AND table_name = ? AND constraint_type = 'FOREIGN KEY'",
                                     {old_, table}, deadline)
                              .rows) {
      drops.push_back("DROP FOREIGN KEY " + live_.dialect().quote(as_text(row.at(0))));
    }
    if (!drops.empty()) live_.execute(fmt::format("ALTER TABLE {} {}", at(old_, table), join(drops, ", ")), deadline);
    live_.execute(fmt::format("RENAME TABLE {} TO {}", at(old_, table), at(aside_, as)), deadline);
  }
}

}  // namespace deployer::database
