#include "database/sqlite/session.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "database/dialect.h"

namespace deployer::database {

namespace {

/// A prepared statement, finalized at the end.
class SqliteStatement {
 public:
  /// Nothing is prepared of a text that holds only comments and blanks.
  SqliteStatement(sqlite3* handle, std::string_view sql, const Deadline& deadline) : handle_(handle) {
    if (sql.find('\0') != std::string_view::npos) {
      throw SqlError(ErrorKind::database, "the statement holds a NUL byte", SQLITE_ERROR);
    }
    const std::string_view rest = prepare(sql, deadline);
    if (statement_ != nullptr) refuse_second(rest);
  }
  ~SqliteStatement() { sqlite3_finalize(statement_); }
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  bool empty() const { return statement_ == nullptr; }

  void bind(const Row& parameters) {
    const auto wanted = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement_));
    if (wanted != parameters.size()) {
      throw SqlError(ErrorKind::database,
                     fmt::format("the statement has {} parameters, {} are given", wanted, parameters.size()),
                     SQLITE_RANGE);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const int code = bind_one(static_cast<int>(i) + 1, parameters[i]);
      if (code != SQLITE_OK) throw_sqlite_error(handle_, code, Deadline::never());
    }
  }

  /// Whether there is a row; a lock that is met before the first row outside a transaction is waited for.
  bool step(const Deadline& deadline) {
    for (;;) {
      const int code = sqlite3_step(statement_);
      if (code == SQLITE_ROW) return any_row_ = true;
      if (code == SQLITE_DONE) return false;
      const bool repeatable = !any_row_ && (code & 0xff) == SQLITE_BUSY && sqlite3_get_autocommit(handle_) != 0;
      if (!repeatable) throw_sqlite_error(handle_, code, deadline);
      wait_for_sqlite_lock(handle_, code, deadline);
      sqlite3_reset(statement_);
    }
  }

  std::vector<std::string> columns() const {
    std::vector<std::string> names;
    for (int i = 0; i < sqlite3_column_count(statement_); ++i) names.emplace_back(sqlite3_column_name(statement_, i));
    return names;
  }

  void read(Row& row) const {
    row.resize(static_cast<std::size_t>(sqlite3_column_count(statement_)));
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = value(static_cast<int>(i));
  }

 private:
  std::string_view prepare(std::string_view sql, const Deadline& deadline) {
    for (;;) {
      const char* tail = nullptr;
      const int code = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement_, &tail);
      if (code == SQLITE_OK) return sql.substr(static_cast<std::size_t>(tail - sql.data()));
      if ((code & 0xff) != SQLITE_BUSY) throw_sqlite_error(handle_, code, deadline);
      wait_for_sqlite_lock(handle_, code, deadline);
    }
  }

  /// What stands behind the first statement may only be comments, blanks and semicolons.
  void refuse_second(std::string_view rest) const {
    while (!rest.empty()) {
      sqlite3_stmt* second = nullptr;
      const char* tail = nullptr;
      const int code = sqlite3_prepare_v2(handle_, rest.data(), static_cast<int>(rest.size()), &second, &tail);
      const bool only_blank = code == SQLITE_OK && second == nullptr;
      sqlite3_finalize(second);
      if (!only_blank) {
        sqlite3_finalize(statement_);
        throw SqlError(ErrorKind::database, "the text holds more than one statement", SQLITE_ERROR);
      }
      if (tail == rest.data()) return;
      rest.remove_prefix(static_cast<std::size_t>(tail - rest.data()));
    }
  }

  int bind_one(int index, const Value& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement_, index, *integer);
    if (const auto* number = std::get_if<double>(&value)) return sqlite3_bind_double(statement_, index, *number);
    if (const auto* text = std::get_if<std::string>(&value)) {
      return sqlite3_bind_text64(statement_, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    if (const auto* blob = std::get_if<Blob>(&value)) {
      return sqlite3_bind_blob64(statement_, index, blob->bytes.data(), blob->bytes.size(), SQLITE_STATIC);
    }
    return sqlite3_bind_null(statement_, index);
  }

  Value value(int index) const {
    switch (sqlite3_column_type(statement_, index)) {
      case SQLITE_INTEGER:
        return std::int64_t{sqlite3_column_int64(statement_, index)};
      case SQLITE_FLOAT:
        return sqlite3_column_double(statement_, index);
      case SQLITE_TEXT: {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, index));
        return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, index)));
      }
      case SQLITE_BLOB: {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, index));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, index));
        return Blob{bytes == nullptr ? std::string() : std::string(bytes, size)};
      }
      default:
        return std::monostate{};
    }
  }

  sqlite3* handle_;
  sqlite3_stmt* statement_ = nullptr;
  bool any_row_ = false;
};

int sqlite_open_flags(Access access) {
  switch (access) {
    case Access::read_only:
      return SQLITE_OPEN_READONLY;
    case Access::existing:
      return SQLITE_OPEN_READWRITE;
    case Access::create:
      break;
  }
  return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
}

/// The file must be there, or its folder where it may be made.
const std::filesystem::path& check_sqlite_file(const std::filesystem::path& file, Access access) {
  std::error_code failed;
  const std::filesystem::file_status status = std::filesystem::status(file, failed);
  if (std::filesystem::is_directory(status)) {
    throw Error(ErrorKind::io, fmt::format("cannot open {}: it is a folder", file.string()));
  }
  if (std::filesystem::exists(status)) return file;
  if (failed && status.type() == std::filesystem::file_type::none) {
    throw Error(ErrorKind::io, fmt::format("cannot open {}: {}", file.string(), failed.message()));
  }
  if (access != Access::create) {
    throw Error(ErrorKind::not_found, fmt::format("there is no database file {}", file.string()));
  }
  if (!std::filesystem::is_directory(file.parent_path(), failed)) {
    throw Error(ErrorKind::not_found,
                fmt::format("cannot make the database file {}: its folder is not there", file.string()));
  }
  return file;
}

}  // namespace

SqliteSession::SqliteSession(Url url, std::filesystem::path file, Access access, const Deadline& deadline)
    : url_(std::move(url)),
      file_(std::move(file)),
      access_(access),
      server_{"SQLite", sqlite3_libversion(), 0},
      connection_(check_sqlite_file(file_, access), sqlite_open_flags(access), deadline) {
  prepare_connection(deadline);
}

void SqliteSession::prepare_connection(const Deadline& deadline) {
  try {
    query("PRAGMA schema_version", {}, deadline);  // the first look into the file: is it a database at all
  } catch (const SqlError& error) {
    throw SqlError(error.kind, fmt::format("cannot open {}: {}", file_.string(), error.message), error.code, {},
                   error.hint);
  }
  // SQLite opens a write-protected file for reading only, without a word.
  if (access_ != Access::read_only && sqlite3_db_readonly(handle(), "main") == 1) {
    throw SqlError(ErrorKind::io, fmt::format("cannot open {}: the file is write-protected", file_.string()),
                   SQLITE_READONLY);
  }
  connection_.run("PRAGMA synchronous=FULL", deadline);
  connection_.run("PRAGMA foreign_keys=OFF", deadline);
}

std::vector<std::string> SqliteSession::stream(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                               const std::function<void(const Row&)>& on_row) {
  const SqliteCall call(connection_, deadline);
  SqliteStatement statement(handle(), sql, deadline);
  if (statement.empty()) return {};
  statement.bind(parameters);
  Row row;
  bool more = statement.step(deadline);
  std::vector<std::string> names = statement.columns();
  for (; more; more = statement.step(deadline)) {
    statement.read(row);
    on_row(row);
  }
  return names;
}

Rows SqliteSession::query(std::string_view sql, const Row& parameters, const Deadline& deadline) {
  Rows result;
  result.columns = stream(sql, parameters, deadline, [&](const Row& row) { result.rows.push_back(row); });
  return result;
}

std::int64_t SqliteSession::execute(std::string_view sql, const Row& parameters, const Deadline& deadline) {
  const std::int64_t before = sqlite3_total_changes64(handle());
  stream(sql, parameters, deadline, [](const Row&) {});
  // sqlite3_changes keeps the count of the last INSERT, UPDATE or DELETE over statements that change no row.
  return sqlite3_total_changes64(handle()) == before ? 0 : sqlite3_changes64(handle());
}

void SqliteSession::begin(const Deadline& deadline) {
  connection_.run(access_ == Access::read_only ? "BEGIN" : "BEGIN IMMEDIATE", deadline);
}

void SqliteSession::commit(const Deadline& deadline) { connection_.run("COMMIT", deadline); }

void SqliteSession::rollback() {
  if (in_transaction()) connection_.run("ROLLBACK", Deadline::never());
}

bool SqliteSession::in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

void SqliteSession::interrupt() { sqlite3_interrupt(handle()); }

const Dialect& SqliteSession::dialect() const { return sqlite_dialect(); }

std::unique_ptr<Session> open_sqlite(const Url& url, const std::filesystem::path& project, Access access,
                                     const Deadline& deadline) {
  const std::filesystem::path file = std::filesystem::absolute(project / url.file);
  return std::make_unique<SqliteSession>(url, file.lexically_normal(), access, deadline);
}

}  // namespace deployer::database
