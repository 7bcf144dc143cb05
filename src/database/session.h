#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "database/url.h"
#include "database/value.h"

namespace deployer::database {

class Dialect;

/// A statement that the server refused: Error `database`, or `unavailable` where the server could not be reached or
/// went away (2002, 2003, 2005, 2006, 2013, 2026, 1927, also 1040, 1053, 2055), `no_space` for a full disk, `io` where
/// SQLite could not read, write or open a file, `cancelled`/`timed_out` for an interrupted statement.
struct SqlError : Error {
  SqlError(ErrorKind kind, std::string message, int code, std::string state = {}, std::string hint = {});
  int code;           ///< the server's errno, or SQLite's extended result code
  std::string state;  ///< SQLSTATE, where there is one
};

struct ServerInfo {
  std::string product;  ///< as in "MariaDB" or "SQLite"
  std::string version;  ///< as in "10.11.19" or "3.40.1"
  std::uint64_t connection_id = 0;
};

/// One connection to a user's database: dynamic rows, the server's error number kept, no silent reconnect.
/// One thread at a time, except `interrupt`. Every call that blocks takes a Deadline: when it comes, or a stop is
/// requested, the statement is interrupted (`sqlite3_interrupt`; `KILL QUERY` by a second connection) and the call
/// throws SqlError `timed_out` or `cancelled`; whether the statement happened must then be read from the database.
/// `?` in a statement stands for the parameters in order.
class Session {
 public:
  virtual ~Session() = default;

  /// The whole result in memory.
  virtual Rows query(std::string_view sql, const Row& parameters, const Deadline& deadline) = 0;
  /// The result row by row, as it comes; `on_row` may throw, which ends the statement. Returns the columns' names.
  virtual std::vector<std::string> stream(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                          const std::function<void(const Row&)>& on_row) = 0;
  /// One statement without a result (a result is read over). Rows changed, as the server counts them.
  virtual std::int64_t execute(std::string_view sql, const Row& parameters, const Deadline& deadline) = 0;

  /// BEGIN IMMEDIATE / START TRANSACTION, COMMIT, ROLLBACK. `commit` repeats only itself while the database is busy
  /// (SQLITE_BUSY), until the deadline. `rollback` without a transaction does nothing.
  virtual void begin(const Deadline& deadline) = 0;
  virtual void commit(const Deadline& deadline) = 0;
  virtual void rollback() = 0;
  virtual bool in_transaction() const = 0;

  /// Ends the statement that is running in another thread, if any. Any thread.
  virtual void interrupt() = 0;

  virtual const ServerInfo& server() const = 0;
  virtual const Dialect& dialect() const = 0;
  virtual const Url& url() const = 0;

  // Short forms for statements without parameters.
  Rows query(std::string_view sql, const Deadline& deadline) { return query(sql, {}, deadline); }
  std::int64_t execute(std::string_view sql, const Deadline& deadline) { return execute(sql, {}, deadline); }
};

/// What a session may do to the database.
enum class Access {
  /// Nothing is written; a missing SQLite file is Error `not_found`. Of an idle SQLite database in WAL mode, SQLite
  /// itself leaves an empty `-wal` and a `-shm` file beside it.
  read_only,
  existing,  ///< reads and writes; a missing SQLite file is Error `not_found`
  create,    ///< as `existing`, but a missing SQLite file (not its folder) is made
};

/// Opens a session. SQLite: relative files are of `project`; `synchronous=FULL`, `foreign_keys=OFF`, busy time-out by
/// the deadline of each call. MariaDB: utf8mb4, TLS as the URL says, LOCAL INFILE off, TCP unless a socket is named.
std::unique_ptr<Session> open(const Url& url, const std::filesystem::path& project, Access access,
                              const Deadline& deadline);

}  // namespace deployer::database
