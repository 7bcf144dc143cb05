#include "state/server_lock_row.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/error.h"
#include "database/dialect.h"
#include "database/server.h"
#include "system/process.h"

namespace deployer {

namespace {

using database::as_integer;
using database::as_text;
using Columns = std::vector<database::Dialect::Column>;

constexpr int error_table_exists = 1050;     // ER_TABLE_EXISTS_ERROR
constexpr int error_database_denied = 1044;  // ER_DBACCESS_DENIED_ERROR
constexpr int error_table_denied = 1142;     // ER_TABLEACCESS_DENIED_ERROR

// By the server's clock: those of two runners need not agree.
constexpr const char* lock_now = "DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')";
constexpr const char* lock_lease = "DATE_FORMAT(UTC_TIMESTAMP() + INTERVAL 60 SECOND, '%Y-%m-%dT%H:%i:%sZ')";

Columns columns_of(const std::string& table) {
  if (table == "deployer_journal") {
    return {{"run", "key", false}, {"seq", "integer", false}, {"event", "text", false}};
  }
  return {{"target", "key", false}, {"run", "text", false},      {"host", "text", false},  {"process", "text", false},
          {"login", "text", false}, {"epoch", "integer", false}, {"lease", "text", false}, {"journal", "text", false},
          {"since", "text", false}, {"server", "text", false}};
}

std::vector<std::string> key_of(const std::string& table) {
  if (table == "deployer_journal") return {"run", "seq"};
  return {"target"};
}

std::string lock_key(const database::Session& session) { return session.dialect().server()->lock_name(session); }

/// `'app'@'%'` of `app@%`, whose name may hold an `@` itself.
std::string account_of(const std::string& user) {
  const std::size_t at = user.rfind('@');
  if (at == std::string::npos) return user;
  return "'" + user.substr(0, at) + "'@'" + user.substr(at + 1) + "'";
}

Error missing_privilege(database::Session& session, const char* table, const database::SqlError& refused,
                        const Deadline& deadline) {
  const std::string user = as_text(session.query("SELECT CURRENT_USER()", deadline).rows.at(0).at(0));
  return Error(
      ErrorKind::database, fmt::format("cannot make the table {}: {}", table, refused.message),
      fmt::format("deployer keeps its lock and its journal in the schema: GRANT CREATE, SELECT, INSERT, UPDATE, "
                  "DELETE ON {}.* TO {}",
                  session.dialect().quote(session.url().name), account_of(user)));
}

Json json_or_null(const database::Value& text) {
  const Result<Json> json = parse_json(as_text(text), "deployer_lock");
  return json ? *json : Json();
}

}  // namespace

std::optional<bool> ServerLockRow::is_alive() const {
  try {
    const ProcessRecord record = ProcessRecord::from(owner.record);
    const ProcessRecord self = record_of_self();
    if (record.boot_id != self.boot_id || record.pid_namespace != self.pid_namespace) return std::nullopt;
    return deployer::is_alive(record);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool ServerLockRow::is_held() const { return !is_free() && is_alive().value_or(!lease_over); }

void make_server_table(database::Session& session, const char* table, const Deadline& deadline) {
  const database::Dialect& dialect = session.dialect();
  if (dialect.has_table(session, table, deadline)) return;
  try {
    session.execute(dialect.create_table(table, columns_of(table), key_of(table)), deadline);
  } catch (const database::SqlError& refused) {
    if (refused.code == error_table_exists) return;
    if (refused.code != error_database_denied && refused.code != error_table_denied) throw;
    throw missing_privilege(session, table, refused, deadline);
  }
}

std::optional<ServerLockRow> read_lock_row(database::Session& session, const Deadline& deadline) {
  const std::string key = lock_key(session);
  const database::Rows rows =
      session.query(fmt::format("SELECT run, host, process, login, epoch, lease, journal, since, server, lease < {}, "
                                "IS_USED_LOCK(?) = CONNECTION_ID() FROM deployer_lock WHERE target = ?",
                                lock_now),
                    {key, key}, deadline);
  if (rows.empty()) return std::nullopt;
  const database::Row& row = rows.rows.front();
  ServerLockRow read;
  read.owner = {as_text(row[0]), as_text(row[1]), json_or_null(row[2]), as_text(row[7]), as_text(row[6])};
  read.user = as_text(row[3]);
  read.epoch = as_integer(row[4]);
  read.lease = as_text(row[5]);
  read.server = json_or_null(row[8]);
  read.lease_over = as_integer(row[9]) != 0;
  read.mine = as_integer(row[10]) == 1;
  return read;
}

bool claim_lock_row(database::Session& session, const ServerLockRow& row, const Deadline& deadline) {
  const std::string key = lock_key(session);
  session.execute(
      "INSERT IGNORE INTO deployer_lock (target, run, host, process, login, epoch, lease, journal, since, server) "
      "VALUES (?, '', '', 'null', '', 0, '', '', '', 'null')",
      {key}, deadline);
  return session.execute(fmt::format("UPDATE deployer_lock SET run = ?, host = ?, process = ?, login = ?, journal = ?, "
                                     "since = ?, server = ?, epoch = ?, lease = {} WHERE target = ? AND epoch = ?",
                                     lock_lease),
                         {row.owner.run, row.owner.host, dump(row.owner.record), row.user, row.owner.journal,
                          row.owner.since, dump(row.server), row.epoch, key, row.epoch - 1},
                         deadline) == 1;
}

bool renew_lock_row(database::Session& session, std::int64_t epoch, const Deadline& deadline) {
  session.execute(fmt::format("UPDATE deployer_lock SET lease = {} WHERE target = ? AND epoch = ?", lock_lease),
                  {lock_key(session), epoch}, deadline);
  const std::optional<ServerLockRow> row = read_lock_row(session, deadline);
  return row && row->epoch == epoch;
}

void record_lock_server(database::Session& session, std::int64_t epoch, const Json& server, const Deadline& deadline) {
  session.execute("UPDATE deployer_lock SET server = ? WHERE target = ? AND epoch = ?",
                  {dump(server), lock_key(session), epoch}, deadline);
}

void free_lock_row(database::Session& session, std::int64_t epoch, const Deadline& deadline) {
  session.execute(
      "UPDATE deployer_lock SET run = '', host = '', process = 'null', login = '', lease = '', journal = '', since = "
      "'' "
      "WHERE target = ? AND epoch = ?",
      {lock_key(session), epoch}, deadline);
}

Error lost_lock(const std::optional<ServerLockRow>& now) {
  std::string who = "nobody is written there now";
  if (now && !now->is_free()) {
    who = now->owner.run.empty() ? "a recovery" : "run " + now->owner.run;
    who += " on " + now->owner.host + " has it since " + now->owner.since;
  }
  return Error(ErrorKind::left_behind, "the lock in the database has been taken over: " + who,
               "whoever took it over brings this run to its end: deployer runs show there");
}

void hold_epoch(database::Session& session, std::int64_t epoch, const Deadline& deadline) {
  const database::Rows rows = session.query("SELECT epoch FROM deployer_lock WHERE target = ? LOCK IN SHARE MODE",
                                            {lock_key(session)}, deadline);
  if (!rows.empty() && as_integer(rows.rows.front().front()) == epoch) return;
  throw lost_lock(read_lock_row(session, deadline));
}

}  // namespace deployer
