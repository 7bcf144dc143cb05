#pragma once

#include <mysql.h>

#include <memory>
#include <string>

#include "database/mariadb/watcher.h"
#include "database/session.h"

namespace deployer::database {

class MariaDbStatement;

struct MariaDbClose {
  void operator()(MYSQL* handle) const { mysql_close(handle); }
};
using MariaDbHandle = std::unique_ptr<MYSQL, MariaDbClose>;

/// A connection as the URL says, without any SET, within connect_timeout and the deadline. Throws SqlError with the
/// masked URL and what to do.
MariaDbHandle connect_mariadb(const Url& url, const Deadline& deadline);

/// Session on a MariaDB or MySQL server over the C client: prepared statements with rows that come one by one.
class MariaDbSession : public Session {
 public:
  MariaDbSession(Url url, Access access, const Deadline& deadline);
  ~MariaDbSession() override;

  Rows query(std::string_view sql, const Row& parameters, const Deadline& deadline) override;
  std::vector<std::string> stream(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                  const std::function<void(const Row&)>& on_row) override;
  std::int64_t execute(std::string_view sql, const Row& parameters, const Deadline& deadline) override;
  using Session::execute;
  using Session::query;

  void begin(const Deadline& deadline) override;
  void commit(const Deadline& deadline) override;
  void rollback() override;
  bool in_transaction() const override;
  void interrupt() override { watcher_.interrupt(); }
  const ServerInfo& server() const override { return server_; }
  const Dialect& dialect() const override;
  const Url& url() const override { return url_; }

 private:
  class Call;

  std::int64_t run_text(std::string_view sql, const Deadline& deadline, std::vector<std::string>* columns,
                        const std::function<void(const Row&)>& on_row);
  std::vector<std::string> read_rows(std::string_view sql, const Row& parameters, const Deadline& deadline,
                                     const std::function<void(const Row&)>& on_row);
  void absorb_late_kill();

  /// KILL QUERY for the statement that runs, by a second connection; whether the server was told.
  bool kill_statement() const;
  bool next_row(MariaDbStatement& statement, Row& row, const Deadline& deadline);

  Url url_;
  MariaDbHandle handle_;
  ServerInfo server_;
  std::string instance_;  ///< which server this is, among those that may answer at the same address
  MariaDbWatcher watcher_;
};

std::unique_ptr<Session> open_mariadb(const Url& url, Access access, const Deadline& deadline);
const Dialect& mariadb_dialect();

}  // namespace deployer::database
