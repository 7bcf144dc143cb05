#include "database/mariadb/session.h"

#include <fmt/format.h>
#include <mysqld_error.h>
#include <sys/socket.h>

#include <limits>
#include <utility>

#include "database/dialect.h"
#include "database/mariadb/errors.h"
#include "database/mariadb/statement.h"

namespace deployer::database {

namespace {

constexpr Duration kill_patience = std::chrono::seconds(2);

std::string product_of(const std::string& version) {
  return version.find("MariaDB") != std::string::npos ? "MariaDB" : "MySQL";
}

/// `10.11.19` of `5.5.5-10.11.19-MariaDB-0+deb12u1`.
std::string plain_version(std::string version) {
  // What MariaDB puts before its version for old clients.
  if (version.rfind("5.5.5-", 0) == 0) version.erase(0, 6);
  return version.substr(0, version.find('-'));
}

/// A result of the text protocol, read over to its end at the latest when it is freed.
struct FreeMariaDbResult {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};
using MariaDbResult = std::unique_ptr<MYSQL_RES, FreeMariaDbResult>;

[[noreturn]] void fail_text(MYSQL* handle, const Deadline& deadline) {
  throw_mariadb_error(handle, mysql_errno(handle), mysql_error(handle), mysql_sqlstate(handle), deadline);
}

void read_text_rows(MYSQL* handle, MYSQL_RES* result, const Deadline& deadline, std::vector<std::string>* columns,
                    const std::function<void(const Row&)>& on_row) {
  const unsigned count = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; columns != nullptr && i < count; ++i)
    columns->emplace_back(fields[i].name, fields[i].name_length);
  Row row(count);
  while (MYSQL_ROW texts = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    for (unsigned i = 0; i < count; ++i) row[i] = mariadb_value(fields[i], texts[i], lengths[i]);
    if (on_row) on_row(row);
  }
  if (mysql_errno(handle) != 0) fail_text(handle, deadline);
}

/// A wait for a user lock has its bound in its own words.
bool bounds_itself(std::string_view sql) { return sql.rfind("SELECT GET_LOCK(", 0) == 0; }

[[noreturn]] void refuse_parameters() {
  throw SqlError(ErrorKind::database, "this statement cannot have parameters", ER_UNSUPPORTED_PS, "HY000");
}

/// What tells a server from others; empty where it cannot be asked.
std::string server_instance(MYSQL* handle) {
  constexpr std::string_view sql = "SELECT CONCAT_WS(' ', @@hostname, @@port, @@server_id, @@pid_file)";
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) return {};
  const MariaDbResult result(mysql_store_result(handle));
  const MYSQL_ROW row = result ? mysql_fetch_row(result.get()) : nullptr;
  return row != nullptr && row[0] != nullptr ? std::string(row[0]) : std::string();
}

/// Reads over further results, so that the connection can be used again.
void drain_results(MYSQL* handle) {
  while (mysql_more_results(handle) && mysql_next_result(handle) == 0) {
    const MariaDbResult rest(mysql_use_result(handle));
  }
}

}  // namespace

/// One statement under the eyes of the watcher.
class MariaDbSession::Call {
 public:
  /// `silence`: how long the server may keep a read waiting; 0: as long as the deadline lets it.
  Call(MariaDbSession& session, const Deadline& deadline, Duration silence = Duration(0)) : session_(session) {
    if (deadline.cancelled()) throw SqlError(ErrorKind::cancelled, "the statement was cancelled", 0);
    if (deadline.expired()) {
      throw SqlError(ErrorKind::timed_out, "the statement took too long and was interrupted", 0);
    }
    session_.watcher_.arm(deadline, silence);
  }
  ~Call() { end(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// The statement ended well. That it did although it was killed proves nothing: SELECT BENCHMARK(…) and others then
  /// give what they have, without an error.
  void succeed(const Deadline& deadline) {
    if (end()) throw_mariadb_error(session_.handle_.get(), ER_QUERY_INTERRUPTED, "", "70100", deadline);
  }

 private:
  /// Whether the statement was killed.
  bool end() {
    if (ended_) return false;
    ended_ = true;
    if (!session_.watcher_.disarm()) return false;
    session_.absorb_late_kill();
    return true;
  }

  MariaDbSession& session_;
  bool ended_ = false;
};

MariaDbSession::MariaDbSession(Url url, Access access, const Deadline& deadline)
    : url_(std::move(url)),
      handle_(connect_mariadb(url_, deadline)),
      watcher_([this] { return kill_statement(); },
               [this] { ::shutdown(mysql_get_socket(handle_.get()), SHUT_RDWR); }) {
  const std::string version = mysql_get_server_info(handle_.get());
  server_ = {product_of(version), plain_version(version), mysql_thread_id(handle_.get())};
  instance_ = server_instance(handle_.get());
  if (instance_.empty()) fail_text(handle_.get(), deadline);
  if (access == Access::read_only) execute("SET SESSION TRANSACTION READ ONLY", {}, deadline);
}

MariaDbSession::~MariaDbSession() = default;

bool MariaDbSession::kill_statement() const {
  try {
    const MariaDbHandle second = connect_mariadb(url_, Deadline::after(kill_patience));
    // Behind one address there may be several servers, on each of which this number is another connection's.
    if (server_instance(second.get()) != instance_) return false;
    const std::string sql = fmt::format("KILL QUERY {}", server_.connection_id);
    return mysql_real_query(second.get(), sql.data(), sql.size()) == 0;
  } catch (const Error&) {
    return false;
  }
}

void MariaDbSession::absorb_late_kill() {
  // A KILL QUERY that came after the statement's end would hit the next one.
  if (mysql_query(handle_.get(), "DO 0") == 0) drain_results(handle_.get());
}

std::int64_t MariaDbSession::run_text(std::string_view sql, const Deadline& deadline, std::vector<std::string>* columns,
                                      const std::function<void(const Row&)>& on_row) {
  MYSQL* handle = handle_.get();
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) fail_text(handle, deadline);
  std::int64_t affected = 0;
  try {
    for (bool first = true;; first = false) {
      if (const MariaDbResult result{mysql_use_result(handle)}) {
        read_text_rows(handle, result.get(), deadline, first ? columns : nullptr,
                       first ? on_row : std::function<void(const Row&)>());
      } else if (mysql_field_count(handle) != 0) {
        fail_text(handle, deadline);
      } else if (const my_ulonglong rows = mysql_affected_rows(handle);
                 rows != std::numeric_limits<my_ulonglong>::max()) {
        affected += static_cast<std::int64_t>(rows);
      }
      const int more = mysql_next_result(handle);
      if (more < 0) return affected;
      if (more > 0) fail_text(handle, deadline);
    }
  } catch (...) {
    drain_results(handle);
    throw;
  }
}

bool MariaDbSession::next_row(MariaDbStatement& statement, Row& row, const Deadline& deadline) {
  watcher_.waits();
  const bool more = statement.fetch(row, deadline);
  watcher_.heard();
  return more;
}

std::vector<std::string> MariaDbSession::read_rows(std::string_view sql, const Row& parameters,
                                                   const Deadline& deadline,
                                                   const std::function<void(const Row&)>& on_row) {
  MariaDbStatement statement(handle_.get());
  if (!statement.prepare(sql, deadline)) {
    if (!parameters.empty()) refuse_parameters();
    std::vector<std::string> names;
    run_text(sql, deadline, &names, [&](const Row& row) {
      watcher_.heard();
      on_row(row);
      watcher_.waits();
    });
    return names;
  }
  statement.execute(parameters, deadline);
  Row row;
  while (next_row(statement, row, deadline)) on_row(row);
  statement.finish(deadline);
  return statement.columns();
}

std::vector<std::string> MariaDbSession::stream(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                                const std::function<void(const Row&)>& on_row) {
  Call call(*this, deadline, bounds_itself(sql) ? Duration(0) : url_.read_timeout);
  try {
    std::vector<std::string> names = read_rows(sql, parameters, deadline, on_row);
    call.succeed(deadline);
    return names;
  } catch (const SqlError& error) {
    if (error.kind != ErrorKind::cancelled || !watcher_.fell_silent()) throw;
    throw SqlError(ErrorKind::timed_out,
                   fmt::format("the server was silent for {} s (read_timeout); the statement was interrupted",
                               std::chrono::ceil<std::chrono::seconds>(url_.read_timeout).count()),
                   error.code, error.state);
  }
}

Rows MariaDbSession::query(std::string_view sql, const Row& parameters, const Deadline& deadline) {
  Rows result;
  result.columns = stream(sql, parameters, deadline, [&](const Row& row) { result.rows.push_back(row); });
  return result;
}

std::int64_t MariaDbSession::execute(std::string_view sql, const Row& parameters, const Deadline& deadline) {
  Call call(*this, deadline);
  std::int64_t changed = 0;
  if (parameters.empty()) {
    changed = run_text(sql, deadline, nullptr, {});
  } else {
    MariaDbStatement statement(handle_.get());
    if (!statement.prepare(sql, deadline)) refuse_parameters();
    statement.execute(parameters, deadline);
    statement.finish(deadline);
    changed = statement.affected();
  }
  call.succeed(deadline);
  return changed;
}

void MariaDbSession::begin(const Deadline& deadline) { execute("START TRANSACTION", {}, deadline); }

void MariaDbSession::commit(const Deadline& deadline) { execute("COMMIT", {}, deadline); }

void MariaDbSession::rollback() { execute("ROLLBACK", {}, Deadline::never()); }

bool MariaDbSession::in_transaction() const {
  unsigned status = 0;
  mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_SERVER_STATUS, &status);
  return (status & SERVER_STATUS_IN_TRANS) != 0;
}

const Dialect& MariaDbSession::dialect() const { return mariadb_dialect(); }

std::unique_ptr<Session> open_mariadb(const Url& url, Access access, const Deadline& deadline) {
  return std::make_unique<MariaDbSession>(url, access, deadline);
}

}  // namespace deployer::database
