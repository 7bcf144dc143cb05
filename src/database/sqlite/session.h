#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "database/session.h"

namespace deployer::database {

class SqliteCall;

/// An open handle, closed at the end. Its address must not change: SQLite's callbacks know it.
class SqliteConnection {
 public:
  /// Opens a file (SQLITE_OPEN_* `flags`) without looking into it. Throws what SQLite says, with the path.
  SqliteConnection(const std::filesystem::path& file, int flags, const Deadline& deadline);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  sqlite3* get() const { return handle_; }
  /// Runs a statement of ours whose rows do not matter.
  void run(const char* sql, const Deadline& deadline);
  /// Closes it and throws where that fails, which the destructor does not.
  void close();

 private:
  friend class SqliteCall;
  static int on_busy(void* connection, int count);
  static int on_progress(void* connection);

  sqlite3* handle_ = nullptr;
  SqliteCall* call_ = nullptr;  ///< the innermost call that is running
};

/// Throws the SqlError of `code` (an extended result code) as the handle tells it; `deadline` decides what an
/// interrupted or a locked-out statement means. `what` goes before the text where it is not empty.
[[noreturn]] void throw_sqlite_error(sqlite3* handle, int code, const Deadline& deadline, const std::string& what = {});

/// Waits a little for a lock that somebody else holds; throws as `throw_sqlite_error` once the deadline is over.
void wait_for_sqlite_lock(sqlite3* handle, int code, const Deadline& deadline, const std::string& what = {});

/// One call with a deadline: as long as it lives, a lock held by somebody else is waited for, and the statement is
/// interrupted when the deadline comes or a stop is requested. May be nested on one handle: the inner one counts.
/// Throws SqlError at once where the deadline is over before it begins.
class SqliteCall {
 public:
  SqliteCall(SqliteConnection& connection, const Deadline& deadline);
  ~SqliteCall();
  SqliteCall(const SqliteCall&) = delete;
  SqliteCall& operator=(const SqliteCall&) = delete;

  const Deadline& deadline() const { return deadline_; }

 private:
  struct Interrupt {
    sqlite3* handle;
    void operator()() const { sqlite3_interrupt(handle); }
  };

  SqliteConnection& connection_;
  Deadline deadline_;
  SqliteCall* outer_;
  std::stop_callback<Interrupt> on_stop_;
};

/// Session on a SQLite file over the C client.
class SqliteSession : public Session {
 public:
  SqliteSession(Url url, std::filesystem::path file, Access access, const Deadline& deadline);

  std::vector<std::string> stream(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                  const std::function<void(const Row&)>& on_row) override;
  Rows query(std::string_view sql, const Row& parameters, const Deadline& deadline) override;
  std::int64_t execute(std::string_view sql, const Row& parameters, const Deadline& deadline) override;
  using Session::execute;
  using Session::query;

  void begin(const Deadline& deadline) override;
  void commit(const Deadline& deadline) override;
  void rollback() override;
  bool in_transaction() const override;
  void interrupt() override;
  const ServerInfo& server() const override { return server_; }
  const Dialect& dialect() const override;
  const Url& url() const override { return url_; }

  SqliteConnection& connection() { return connection_; }
  sqlite3* handle() const { return connection_.get(); }
  const std::filesystem::path& file() const { return file_; }

 private:
  void prepare_connection(const Deadline& deadline);

  Url url_;
  std::filesystem::path file_;
  Access access_;
  ServerInfo server_;
  SqliteConnection connection_;
};

std::unique_ptr<Session> open_sqlite(const Url& url, const std::filesystem::path& project, Access access,
                                     const Deadline& deadline);
const Dialect& sqlite_dialect();

}  // namespace deployer::database
