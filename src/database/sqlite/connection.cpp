#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "database/sqlite/session.h"

namespace deployer::database {

namespace {

constexpr int progress_every = 1000;  // instructions of SQLite's machine between two looks at the deadline
constexpr Duration longest_nap = std::chrono::milliseconds(20);

ErrorKind sqlite_error_kind(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorKind::no_space;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return ErrorKind::io;
    default:
      return ErrorKind::database;
  }
}

std::string with_what(const std::string& what, std::string_view text) {
  return what.empty() ? std::string(text) : fmt::format("{}: {}", what, text);
}

[[noreturn]] void throw_over(const Deadline& deadline, int code, const std::string& what) {
  if (deadline.cancelled() || !deadline.expired()) {
    throw SqlError(ErrorKind::cancelled, with_what(what, "the statement was cancelled"), code);
  }
  throw SqlError(ErrorKind::timed_out, with_what(what, "the statement took too long and was interrupted"), code);
}

}  // namespace

void throw_sqlite_error(sqlite3* handle, int code, const Deadline& deadline, const std::string& what) {
  const int primary = code & 0xff;
  if (primary == SQLITE_INTERRUPT) throw_over(deadline, code, what);
  if (primary == SQLITE_BUSY && deadline.cancelled()) throw_over(deadline, code, what);
  if (primary == SQLITE_BUSY && deadline.expired()) {
    throw SqlError(
        ErrorKind::timed_out, with_what(what, "the database is locked by somebody else"), code, {},
        "find the process that keeps a transaction open (fuser shows who has the file open), or wait longer");
  }
  const bool told = handle != nullptr && (sqlite3_extended_errcode(handle) & 0xff) == primary;
  throw SqlError(sqlite_error_kind(code), with_what(what, told ? sqlite3_errmsg(handle) : sqlite3_errstr(code)), code);
}

void wait_for_sqlite_lock(sqlite3* handle, int code, const Deadline& deadline, const std::string& what) {
  if (deadline.expired() || deadline.cancelled()) throw_sqlite_error(handle, code, deadline, what);
  deadline.sleep(longest_nap);
}

SqliteConnection::SqliteConnection(const std::filesystem::path& file, int flags, const Deadline& deadline) {
  const int code = sqlite3_open_v2(file.c_str(), &handle_, flags | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) {
    const std::unique_ptr<sqlite3, int (*)(sqlite3*)> closing(handle_, sqlite3_close_v2);
    throw_sqlite_error(closing.get(), code, deadline, fmt::format("cannot open {}", file.string()));
  }
  sqlite3_busy_handler(handle_, on_busy, this);
  sqlite3_progress_handler(handle_, progress_every, on_progress, this);
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(handle_); }

void SqliteConnection::close() {
  const int code = sqlite3_close(handle_);
  if (code != SQLITE_OK) throw_sqlite_error(handle_, code, Deadline::never(), "cannot close the database");
  handle_ = nullptr;
}

void SqliteConnection::run(const char* sql, const Deadline& deadline) {
  const SqliteCall call(*this, deadline);
  for (;;) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    if ((code & 0xff) != SQLITE_BUSY) throw_sqlite_error(handle_, code, deadline);
    wait_for_sqlite_lock(handle_, code, deadline);
  }
}

int SqliteConnection::on_busy(void* connection, int count) {
  const SqliteCall* call = static_cast<SqliteConnection*>(connection)->call_;
  if (call == nullptr) return 0;
  return call->deadline().sleep(std::min(Duration(1 + count), longest_nap)) ? 1 : 0;
}

int SqliteConnection::on_progress(void* connection) {
  const SqliteCall* call = static_cast<SqliteConnection*>(connection)->call_;
  return call != nullptr && (call->deadline().cancelled() || call->deadline().expired()) ? 1 : 0;
}

SqliteCall::SqliteCall(SqliteConnection& connection, const Deadline& deadline)
    : connection_(connection),
      deadline_(deadline),
      outer_(connection.call_),
      on_stop_(deadline.stop(), Interrupt{connection.get()}) {
  if (deadline.cancelled() || deadline.expired()) throw_over(deadline, SQLITE_INTERRUPT, {});
  connection_.call_ = this;
}

SqliteCall::~SqliteCall() { connection_.call_ = outer_; }

}  // namespace deployer::database
