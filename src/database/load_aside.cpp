#include "database/load_aside.h"

#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"
#include "database/load_aside_state.h"

namespace deployer::database {

namespace {

constexpr std::size_t longest_schema_name = 64;
constexpr int patient_lock_wait = 50;

std::string grants_for(const std::string& schema) {
  std::string pattern;
  for (const char letter : schema)
    pattern += letter == '_' || letter == '%' ? fmt::format("\\{}", letter) : std::string(1, letter);
  return fmt::format(
      "GRANT ALL PRIVILEGES ON `{0}\\_deployer`.* TO …; GRANT ALL PRIVILEGES ON `{0}\\_deployer\\_old`.* TO …",
      pattern);
}

bool is_held(const std::string& table) { return table.starts_with(aside_held); }

}  // namespace

AsideSchema::AsideSchema(Session& live)
    : live_(live), schema_(live.url().name), aside_(schema_ + "_deployer"), old_(aside_ + "_old") {
  if (old_.size() <= longest_schema_name) return;
  throw Error(ErrorKind::invalid,
              fmt::format("the name of the schema {} is too long for a restore: it is loaded into {}, and the old "
                          "tables go to {}",
                          schema_, aside_, old_));
}

std::string AsideSchema::at(const std::string& schema, const std::string& name) const {
  return live_.dialect().quote(schema) + "." + live_.dialect().quote(name);
}

bool AsideSchema::has_schema(const std::string& schema, const Deadline& deadline) {
  return !live_.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = ?", {schema}, deadline).empty();
}

bool AsideSchema::has_table(const std::string& schema, const std::string& table, const Deadline& deadline) {
  return !live_
              .query("SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
                     {schema, table}, deadline)
              .empty();
}

/// All but views.
std::vector<std::string> AsideSchema::tables_in(const std::string& schema, const Deadline& deadline) {
  std::vector<std::string> names;
  for (const Row& row : live_
                            .query("SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND "
                                   "table_type <> 'VIEW' ORDER BY table_name",
                                   {schema}, deadline)
                            .rows) {
    names.push_back(as_text(row.at(0)));
  }
  return names;
}

/// A schema of this name with tables but without the mark was made by somebody else.
void AsideSchema::expect_own(const Deadline& deadline) {
  const bool marked = has_table(aside_, aside_mark, deadline);
  const bool swapped = has_table(aside_, aside_done, deadline);
  for (const std::string& schema : {aside_, old_}) {
    const bool own = schema == aside_ ? marked : marked && swapped;
    if (own || tables_in(schema, deadline).empty()) continue;
    throw Error(ErrorKind::invalid,
                fmt::format("the schema {} is needed for the restore, and there are tables in it that are not "
                            "deployer's",
                            schema),
                "rename it, or move its tables");
  }
}

void AsideSchema::settle(bool replaced, const Deadline& deadline) {
  if (!has_schema(aside_, deadline) && !has_schema(old_, deadline)) return;
  expect_own(deadline);
  if (has_table(aside_, aside_done, deadline)) {
    finish(load(aside_done, deadline), replaced, deadline);
    return;
  }
  if (has_table(aside_, aside_plan, deadline)) put_triggers_back(load(aside_plan, deadline), deadline);
  clean(deadline);
}

std::unique_ptr<Session> AsideSchema::prepare(const Deadline& deadline) {
  settle(true, deadline);
  const Row defaults = live_
                           .query(
                               "SELECT default_character_set_name, default_collation_name FROM "
                               "information_schema.schemata WHERE schema_name = ?",
                               {schema_}, deadline)
                           .rows.at(0);
  try {
    for (const std::string& schema : {aside_, old_}) {
      live_.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET {} COLLATE {}",
                                live_.dialect().quote(schema), as_text(defaults.at(0)), as_text(defaults.at(1))),
                    deadline);
    }
    live_.execute(fmt::format("CREATE TABLE IF NOT EXISTS {} (n INT PRIMARY KEY)", at(aside_, aside_mark)), deadline);
  } catch (const SqlError& error) {
    if (error.code != ER_DBACCESS_DENIED_ERROR && error.code != ER_TABLEACCESS_DENIED_ERROR) throw;
    throw SqlError(error.kind, fmt::format("cannot load a backup beside {}: {}", schema_, error.message), error.code,
                   error.state, grants_for(schema_));
  }
  Url url = live_.url();
  url.name = aside_;
  return open(url, "/", Access::existing, deadline);
}

void AsideSchema::discard() noexcept {
  try {
    const Deadline deadline = Deadline::after(std::chrono::seconds(60));
    if (!has_table(aside_, aside_done, deadline)) clean(deadline);
  } catch (const Error&) {
    // It disturbs nobody, and the next restore removes it; the error that led here is the one to tell.
  }
}

void AsideSchema::clean(const Deadline& deadline) {
  const AsideSettings settings(live_, patient_lock_wait, deadline);
  live_.execute("DROP DATABASE IF EXISTS " + live_.dialect().quote(old_), deadline);
  const std::vector<std::string> tables = tables_in(aside_, deadline);
  if (std::none_of(tables.begin(), tables.end(), is_held)) {
    live_.execute("DROP DATABASE IF EXISTS " + live_.dialect().quote(aside_), deadline);
    return;
  }
  const auto drop_all = [&](const std::string& kind, const std::string& sql) {
    for (const Row& row : live_.query(sql, {aside_}, deadline).rows) {
      live_.execute(fmt::format("DROP {} IF EXISTS {}", kind, at(aside_, as_text(row.at(0)))), deadline);
    }
  };
  drop_all("EVENT", "SELECT event_name FROM information_schema.events WHERE event_schema = ?");
  drop_all("VIEW", "SELECT table_name FROM information_schema.views WHERE table_schema = ?");
  for (const char* kind : {"PROCEDURE", "FUNCTION", "PACKAGE BODY", "PACKAGE"}) {
    drop_all(kind, fmt::format("SELECT routine_name FROM information_schema.routines WHERE routine_schema = ? AND "
                               "routine_type = '{}'",
                               kind));
  }
  // The plan of a swap that is done goes last: without it, nobody would end what was left here.
  for (const std::string& table : tables) {
    if (is_held(table) || table == aside_mark || table == aside_done || table == aside_plan) continue;
    live_.execute(fmt::format("DROP TABLE {}", at(aside_, table)), deadline);
  }
  for (const char* table : {aside_plan, aside_done}) {
    live_.execute(fmt::format("DROP TABLE IF EXISTS {}", at(aside_, table)), deadline);
  }
}

AsideSettings::AsideSettings(Session& session, int lock_wait, const Deadline& deadline) : session_(session) {
  const Row now = session.query("SELECT @@foreign_key_checks, @@lock_wait_timeout", deadline).rows.at(0);
  back_ = fmt::format("SET SESSION foreign_key_checks = {}, lock_wait_timeout = {}", as_text(now.at(0)),
                      as_text(now.at(1)));
  session.execute(fmt::format("SET SESSION foreign_key_checks = 0, lock_wait_timeout = {}", lock_wait), deadline);
}

AsideSettings::~AsideSettings() {
  try {
    session_.execute(back_, Deadline::after(std::chrono::seconds(10)));
  } catch (const Error&) {
    // A session that is gone has no settings.
  }
}

std::vector<DumpDefinition> definitions_of(const std::vector<DumpDefinition>& definitions,
                                           const std::vector<std::pair<std::string, std::string>>& names) {
  const std::set<std::pair<std::string, std::string>> wanted(names.begin(), names.end());
  std::vector<DumpDefinition> chosen;
  for (const DumpDefinition& definition : definitions) {
    const bool is_setting = definition.part == DumpDefinition::Part::setting || definition.object == "DATABASE";
    if (is_setting || wanted.count({lower_case(definition.object), definition.name}) > 0) chosen.push_back(definition);
  }
  return wanted.empty() ? std::vector<DumpDefinition>() : chosen;
}

}  // namespace deployer::database
