#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <map>
#include <set>

#include "base/text.h"
#include "database/dialect.h"
#include "database/mariadb/server.h"
#include "database/server_health.h"

namespace deployer::database {

namespace {

constexpr int error_no_access_to_schema = 1044;  // ER_DBACCESS_DENIED_ERROR
constexpr int error_no_access_to_table = 1142;   // ER_TABLEACCESS_DENIED_ERROR
constexpr int error_needs_privilege = 1227;      // ER_SPECIFIC_ACCESS_DENIED_ERROR
constexpr std::size_t longest_statement = 200;

bool is_mysql(const Session& session) { return session.server().product == "MySQL"; }

/// The account that the server took this session for, as GRANT takes it: `app`@`localhost`.
std::string account_of(Session& session, const Deadline& deadline) {
  const std::string account = as_text(session.query("SELECT CURRENT_USER()", deadline).rows.at(0).at(0));
  const std::size_t at = account.rfind('@');
  const Dialect& dialect = session.dialect();
  if (at == std::string::npos) return dialect.quote(account);
  return dialect.quote(account.substr(0, at)) + "@" + dialect.quote(account.substr(at + 1));
}

std::string grant_of(const std::string& privileges, const std::string& on, const std::string& account) {
  return "GRANT " + privileges + " ON " + on + " TO " + account;
}

SqlError may_not_set_read_only(Session& session, const Deadline& deadline) {
  const std::string privilege = is_mysql(session) ? "SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN" : "READ_ONLY ADMIN";
  const std::string account = account_of(session, deadline);
  return SqlError(ErrorKind::database, "the account " + account + " may not set read_only, nor write in spite of it",
                  error_needs_privilege, "42000", grant_of(privilege, "*.*", account));
}

/// The words between GRANT and ON of a line of SHOW GRANTS that is about the whole server.
void add_global_privileges(const std::string& line, std::set<std::string>& held) {
  const std::string_view begin = "GRANT ";
  const std::size_t end = line.find(" ON *.* TO ");
  if (!line.starts_with(begin) || end == std::string::npos) return;
  for (const std::string& word : split(std::string_view(line).substr(begin.size(), end - begin.size()), ',')) {
    held.insert(std::string(trim(word)));
  }
}

/// MariaDB took the privilege READ_ONLY ADMIN out of SUPER in 10.11 (MDEV-29596).
bool super_writes_through_read_only(const Session& session) {
  if (is_mysql(session)) return true;
  const std::vector<std::string> parts = split(session.server().version, '.');
  const int major = std::atoi(parts.at(0).c_str());
  const int minor = parts.size() > 1 ? std::atoi(parts[1].c_str()) : 0;
  return major < 10 || (major == 10 && minor < 11);
}

/// In one line, cut at a whole character.
std::string shortened(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  text = std::string(trim(text));
  if (text.size() <= longest_statement) return text;
  const std::string_view mark = " …";
  std::size_t end = longest_statement - mark.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + std::string(mark);
}

std::string without_port(const std::string& host) { return host.substr(0, host.rfind(':')); }

Duration seconds_of(const Value& value) { return std::chrono::seconds(std::max<std::int64_t>(0, as_integer(value))); }

/// Reads the health of a server. What the server refuses to show becomes a line of `unseen`.
class MariaDbHealth {
 public:
  MariaDbHealth(Session& session, const Deadline& deadline) : session_(session), deadline_(deadline) {}

  ServerHealth read(const std::vector<std::string>& tables) {
    read_connections();
    read_transactions();
    read_lock_waits();
    read_replication();
    for (const std::string& table : tables) read_table(table);
    read_disk();
    return std::move(health_);
  }

 private:
  /// What `sql` gives; nothing, and a line of `unseen`, where the privilege for it is missing.
  std::optional<Rows> ask(const std::string& sql, const std::string& what, const std::string& privilege) {
    try {
      return session_.query(sql, deadline_);
    } catch (const SqlError& error) {
      if (error.code != error_needs_privilege && error.code != error_no_access_to_table) throw;
      const std::string line = what + ": " + grant_of(privilege, "*.*", account());
      if (std::find(health_.unseen.begin(), health_.unseen.end(), line) == health_.unseen.end()) {
        health_.unseen.push_back(line);
      }
      return std::nullopt;
    }
  }

  const std::string& account() {
    if (account_.empty()) account_ = account_of(session_, deadline_);
    return account_;
  }

  void read_connections() {
    const Row row = session_
                        .query(
                            "SELECT @@max_connections, @@read_only, (SELECT COUNT(*) FROM "
                            "information_schema.processlist)",
                            deadline_)
                        .rows.at(0);
    health_.max_connections = static_cast<std::uint64_t>(as_integer(row.at(0)));
    health_.read_only = as_integer(row.at(1)) != 0;
    // The process list shows a plain user its own sessions only.
    const Rows all = session_.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'", deadline_);
    health_.connections = static_cast<std::uint64_t>(as_integer(all.empty() ? row.at(2) : all.rows.front().at(1)));
  }

  /// `sql` gives connection, user, host, seconds, statement.
  static BlockingSession session_from(const Row& row) {
    BlockingSession blocking;
    blocking.connection = static_cast<std::uint64_t>(as_integer(row.at(0)));
    blocking.user = as_text(row.at(1));
    blocking.host = without_port(as_text(row.at(2)));
    blocking.since = seconds_of(row.at(3));
    blocking.statement = shortened(as_text(row.at(4)));
    return blocking;
  }

  void read_transactions() {
    // trx_started is in the server's own zone, NOW() in that of the session.
    const std::optional<Rows> rows =
        ask("SELECT t.trx_mysql_thread_id, p.user, p.host, "
            "TIMESTAMPDIFF(SECOND, t.trx_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM')) AS age, "
            "COALESCE(t.trx_query, p.info) "
            "FROM information_schema.innodb_trx t "
            "LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
            "WHERE t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY age DESC, t.trx_id",
            "open transactions and lock waits of other users", "PROCESS");
    if (!rows) return;
    for (const Row& row : rows->rows) health_.long_transactions.push_back(session_from(row));
  }

  void read_lock_waits() {
    read_row_lock_waits();
    const std::map<std::uint64_t, std::string> holders = read_table_lock_holders();
    const Rows rows = session_.query(
        "SELECT id, user, host, time, info, state FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND "
        "(state LIKE 'Waiting for % lock' OR state LIKE 'Waiting for table %') ORDER BY time DESC, id",
        deadline_);
    for (const Row& row : rows.rows) {
      BlockingSession waiting = session_from(row);
      const auto holder = holders.find(waiting.connection);
      const std::string what = as_text(row.at(5)).substr(std::string_view("Waiting for ").size());
      waiting.waits_for = holder == holders.end() ? "a " + what : "a " + what + " of " + holder->second;
      health_.lock_waits.push_back(std::move(waiting));
    }
  }

  void read_row_lock_waits() {
    if (is_mysql(session_)) return read_mysql_row_lock_waits();
    const std::optional<Rows> rows =
        ask("SELECT DISTINCT r.trx_mysql_thread_id, p.user, p.host, "
            "TIMESTAMPDIFF(SECOND, r.trx_wait_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM')), r.trx_query, "
            "b.trx_mysql_thread_id, l.lock_table "
            "FROM information_schema.innodb_lock_waits w "
            "JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id "
            "JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id "
            "LEFT JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id "
            "LEFT JOIN information_schema.processlist p ON p.id = r.trx_mysql_thread_id ORDER BY 4 DESC, 1",
            "open transactions and lock waits of other users", "PROCESS");
    if (rows) add_row_lock_waits(*rows);
  }

  void read_mysql_row_lock_waits() {
    const std::optional<Rows> rows =
        ask("SELECT waiting_pid, SUBSTRING_INDEX(p.user, '@', 1), p.host, wait_age_secs, waiting_query, blocking_pid, "
            "locked_table FROM sys.innodb_lock_waits "
            "LEFT JOIN information_schema.processlist p ON p.id = waiting_pid ORDER BY 4 DESC, 1",
            "lock waits", "SELECT, PROCESS");
    if (rows) add_row_lock_waits(*rows);
  }

  void add_row_lock_waits(const Rows& rows) {
    for (const Row& row : rows.rows) {
      BlockingSession waiting = session_from(row);
      std::string table = as_text(row.at(6));
      std::erase(table, '`');
      waiting.waits_for = table.empty()
                              ? fmt::format("a row of connection {}", as_integer(row.at(5)))
                              : fmt::format("a row of {} held by connection {}", table, as_integer(row.at(5)));
      health_.lock_waits.push_back(std::move(waiting));
    }
  }

  /// For a connection that waits: who holds what it waits for, where the plugin METADATA_LOCK_INFO tells. It lists
  /// locks that are held: an ALTER that waits holds one on its table, too, a SELECT that waits behind it none.
  std::map<std::uint64_t, std::string> read_table_lock_holders() {
    std::map<std::uint64_t, std::string> holders;
    const Rows there = session_.query(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = 'information_schema' AND "
        "table_name = 'METADATA_LOCK_INFO'",
        deadline_);
    if (there.empty()) return holders;
    const Rows rows = session_.query(
        "SELECT DISTINCT w.thread_id, h.table_schema, h.table_name, h.thread_id "
        "FROM information_schema.metadata_lock_info w JOIN information_schema.metadata_lock_info h "
        "ON h.table_schema = w.table_schema AND h.table_name = w.table_name AND h.thread_id <> w.thread_id "
        "WHERE h.lock_type = 'Table metadata lock' AND w.lock_type = 'Table metadata lock' ORDER BY 1, 4",
        deadline_);
    for (const Row& row : rows.rows) {
      holders.try_emplace(
          static_cast<std::uint64_t>(as_integer(row.at(0))),
          fmt::format("{}.{} held by connection {}", as_text(row.at(1)), as_text(row.at(2)), as_integer(row.at(3))));
    }
    return holders;
  }

  void read_replication() {
    const bool mysql = is_mysql(session_);
    // Told to everybody.
    const Rows running = session_.query("SHOW GLOBAL STATUS LIKE 'Slaves_running'", deadline_);
    health_.applies_replication = !running.empty() && as_integer(running.rows.front().at(1)) > 0;
    const std::optional<Rows> rows = ask(mysql ? "SHOW REPLICA STATUS" : "SHOW ALL SLAVES STATUS", "replication",
                                         mysql ? "REPLICATION CLIENT" : "SLAVE MONITOR");
    if (!rows) return;
    for (const Row& row : rows->rows) {
      const auto column = [&](std::string_view of_mariadb, std::string_view of_mysql) -> const Value& {
        const auto name = mysql ? of_mysql : of_mariadb;
        const auto found = std::find(rows->columns.begin(), rows->columns.end(), name);
        return row.at(static_cast<std::size_t>(found - rows->columns.begin()));
      };
      const Value& lag = column("Seconds_Behind_Master", "Seconds_Behind_Source");
      const bool applies = as_text(column("Slave_SQL_Running", "Replica_SQL_Running")) == "Yes";
      const bool receives = as_text(column("Slave_IO_Running", "Replica_IO_Running")) == "Yes";
      if (!applies || !receives) health_.replication_broken = true;
      if (applies) health_.applies_replication = true;
      health_.replication_lag = std::max(health_.replication_lag.value_or(Duration(0)), seconds_of(lag));
    }
  }

  void read_table(const std::string& name) {
    const std::size_t dot = name.find('.');
    const std::string schema = dot == std::string::npos ? session_.url().name : name.substr(0, dot);
    const Rows rows = session_.query(
        "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = ? AND table_name = ? "
        "AND data_length IS NOT NULL",
        {schema, dot == std::string::npos ? name : name.substr(dot + 1)}, deadline_);
    if (!rows.empty()) health_.table_bytes[name] = static_cast<std::uint64_t>(as_integer(rows.rows.front().at(0)));
  }

  /// Only of a server of this very machine: a container's port may be one of 127.0.0.1, and its folder one that is
  /// here, too, but its name is another.
  void read_disk() {
    const Url& url = session_.url();
    const bool near = !url.socket.empty() || url.host.empty() || url.host == "localhost" || url.host == "127.0.0.1" ||
                      url.host == "::1";
    if (!near) return;
    const Row row = session_.query("SELECT @@hostname, @@datadir", deadline_).rows.at(0);
    std::array<char, HOST_NAME_MAX + 1> own{};
    if (gethostname(own.data(), own.size() - 1) != 0 || as_text(row.at(0)) != own.data()) return;
    struct statvfs disk {};
    if (statvfs(as_text(row.at(1)).c_str(), &disk) != 0) return;
    health_.free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  }

  Session& session_;
  const Deadline& deadline_;
  ServerHealth health_;
  std::string account_;
};

}  // namespace

void MariaDbServer::set_read_only(Session& session, bool on, const Deadline& deadline) const {
  try {
    session.execute(on ? "SET GLOBAL read_only = 1" : "SET GLOBAL read_only = 0", deadline);
  } catch (const SqlError& error) {
    if (error.code != error_needs_privilege) throw;
    throw may_not_set_read_only(session, deadline);
  }
}

void MariaDbServer::need_read_only(Session& session, const Deadline& deadline) const {
  std::set<std::string> held;
  for (const Row& row : session.query("SHOW GRANTS", deadline).rows) add_global_privileges(as_text(row.at(0)), held);
  const bool all = held.contains("ALL PRIVILEGES");
  const bool enough = is_mysql(session) ? held.contains("SYSTEM_VARIABLES_ADMIN") && held.contains("CONNECTION_ADMIN")
                                        : held.contains("READ_ONLY ADMIN");
  const bool by_super = held.contains("SUPER") && super_writes_through_read_only(session);
  if (!all && !enough && !by_super) throw may_not_set_read_only(session, deadline);
}

std::vector<std::string> MariaDbServer::active_events(Session& session, const Deadline& deadline) const {
  if (as_text(session.query("SELECT @@event_scheduler", deadline).rows.at(0).at(0)) != "ON") return {};
  const std::string schema = session.dialect().quote(session.url().name);
  Rows rows;
  try {
    // information_schema.events is silent about what one may not see; this statement is not.
    rows = session.query("SHOW EVENTS FROM " + schema, deadline);
  } catch (const SqlError& error) {
    if (error.code != error_no_access_to_schema) throw;
    const std::string account = account_of(session, deadline);
    throw SqlError(ErrorKind::database, "the account " + account + " may not see the events of the schema", error.code,
                   error.state, grant_of("EVENT", schema + ".*", account));
  }
  const auto column = [&](std::string_view name) {
    return static_cast<std::size_t>(std::find(rows.columns.begin(), rows.columns.end(), name) - rows.columns.begin());
  };
  std::vector<std::string> events;
  for (const Row& row : rows.rows) {
    if (as_text(row.at(column("Status"))) == "ENABLED") events.push_back(as_text(row.at(column("Name"))));
  }
  return events;
}

ServerHealth MariaDbServer::health(Session& session, const std::vector<std::string>& tables,
                                   const Deadline& deadline) const {
  return MariaDbHealth(session, deadline).read(tables);
}

std::vector<std::string> MariaDbServer::damaged_tables(Session& session, const std::vector<std::string>& tables,
                                                       const Deadline& deadline) const {
  std::vector<std::string> problems;
  for (const std::string& table : tables) {
    const std::size_t dot = table.find('.');
    const std::string schema = dot == std::string::npos ? session.url().name : table.substr(0, dot);
    const std::string name = dot == std::string::npos ? table : table.substr(dot + 1);
    const Rows there = session.query(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ? AND engine IS NOT NULL",
        {schema, name}, deadline);
    if (there.empty()) continue;
    const Dialect& dialect = session.dialect();
    const Rows rows =
        session.query("CHECK TABLE " + dialect.quote(schema) + "." + dialect.quote(name) + " QUICK", deadline);
    for (const Row& row : rows.rows) {
      const std::string kind = as_text(row.at(2));
      const std::string text = as_text(row.at(3));
      const bool good = kind == "note" || (kind == "status" && (text == "OK" || text == "Table is already up to date"));
      if (!good) problems.push_back(fmt::format("table {}: {}", table, text));
    }
  }
  return problems;
}

}  // namespace deployer::database
