#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "database/mariadb/server.h"
#include "system/stream/stream.h"

namespace deployer::database {

namespace {

constexpr int error_no_such_thread = 1094;  // ER_NO_SUCH_THREAD
constexpr std::size_t longest_activity = 120;

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  if (text.size() > longest_activity) text = text.substr(0, longest_activity) + " …";
  return text;
}

}  // namespace

std::string MariaDbServer::lock_name(const Session& session) const {
  return "deployer:" + sha256_hex(session.url().name).substr(0, 32);
}

bool MariaDbServer::take_lock(Session& session, Duration wait, const Deadline& deadline) const {
  if (lock_holder(session, deadline) == session.server().connection_id) return true;
  const double seconds = std::chrono::duration<double>(wait).count();
  const Rows rows = session.query("SELECT GET_LOCK(?, ?)", {lock_name(session), seconds}, deadline);
  return as_integer(rows.rows.at(0).at(0)) == 1;
}

void MariaDbServer::release_lock(Session& session, const Deadline& deadline) const {
  session.query("SELECT RELEASE_LOCK(?)", {lock_name(session)}, deadline);
}

std::optional<std::uint64_t> MariaDbServer::lock_holder(Session& session, const Deadline& deadline) const {
  const Value holder = session.query("SELECT IS_USED_LOCK(?)", {lock_name(session)}, deadline).rows.at(0).at(0);
  if (is_null(holder)) return std::nullopt;
  return static_cast<std::uint64_t>(as_integer(holder));
}

void MariaDbServer::end_connection(Session& session, std::uint64_t connection, const Deadline& deadline) const {
  try {
    session.execute(fmt::format("KILL CONNECTION {}", connection), deadline);
  } catch (const SqlError& error) {
    if (error.code != error_no_such_thread) throw;
  }
}

std::string MariaDbServer::activity(Session& session, std::uint64_t connection, const Deadline& deadline) const {
  const Rows rows = session.query("SELECT command, time, state, info FROM information_schema.processlist WHERE id = ?",
                                  {static_cast<std::int64_t>(connection)}, deadline);
  if (rows.empty()) return {};
  const Row& row = rows.rows.front();
  const std::string statement = is_null(row[3]) ? as_text(row[0]) : one_line(as_text(row[3]));
  const std::string state = as_text(row[2]);
  return fmt::format("{} ({}{}{} s)", statement, state, state.empty() ? "" : ", ", as_integer(row[1]));
}

ServerIdentity MariaDbServer::identity(Session& session, const Deadline& deadline) const {
  const Row row = session
                      .query(
                          "SELECT @@hostname, @@port, @@read_only, UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED) "
                          "FROM information_schema.global_status WHERE variable_name = 'UPTIME'",
                          deadline)
                      .rows.at(0);
  ServerIdentity identity;
  identity.host = as_text(row.at(0)) + ":" + as_text(row.at(1));
  identity.read_only = as_integer(row.at(2)) != 0;
  identity.started = as_integer(row.at(3));
  return identity;
}

void MariaDbServer::prepare_for_statements(Session& session, Duration lock_wait, const Deadline& deadline) const {
  session.execute("SET SESSION wait_timeout = 120", deadline);
  if (lock_wait.count() == 0) return;
  const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(lock_wait).count());
  session.execute(fmt::format("SET SESSION lock_wait_timeout = {}", seconds), deadline);
  session.execute(fmt::format("SET SESSION innodb_lock_wait_timeout = {}", seconds), deadline);
}

}  // namespace deployer::database
