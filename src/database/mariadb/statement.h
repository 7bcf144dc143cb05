#pragma once

#include <mysql.h>

#include <string>
#include <string_view>
#include <vector>

#include "database/session.h"

namespace deployer::database {

/// A column of the server as Value has it: integers where they fit, FLOAT and DOUBLE as double, bytes as Blob, all
/// else as text. `text` is null for NULL.
Value mariadb_value(const MYSQL_FIELD& field, const char* text, std::size_t size);

/// A prepared statement and the row it stands on. Closing it reads over what is left of the result.
class MariaDbStatement {
 public:
  explicit MariaDbStatement(MYSQL* handle);
  ~MariaDbStatement();
  MariaDbStatement(const MariaDbStatement&) = delete;
  MariaDbStatement& operator=(const MariaDbStatement&) = delete;

  /// False where the server does not take this statement prepared (1295).
  bool prepare(std::string_view sql, const Deadline& deadline);
  void execute(const Row& parameters, const Deadline& deadline);
  std::vector<std::string> columns() const;
  /// The next row into `row`; false at the end.
  bool fetch(Row& row, const Deadline& deadline);
  /// Reads over the rest and over further results (of CALL).
  void finish(const Deadline& deadline);
  std::int64_t affected() const;

 private:
  struct Cell;
  void bind_results(const Deadline& deadline);
  Value read(std::size_t index, const Deadline& deadline);
  [[noreturn]] void fail(const Deadline& deadline) const;

  MYSQL* handle_;
  MYSQL_STMT* statement_;
  MYSQL_RES* metadata_ = nullptr;
  std::vector<MYSQL_BIND> binds_;
  std::vector<Cell> cells_;
  std::int64_t affected_ = 0;
};

}  // namespace deployer::database
