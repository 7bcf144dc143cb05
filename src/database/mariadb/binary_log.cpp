#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "base/text.h"
#include "database/dialect.h"
#include "database/mariadb/server.h"

namespace deployer::database {

namespace {

constexpr std::string_view own_prefix = "deployer_";

struct LogPosition {
  std::string file;
  std::string offset;
};

std::optional<LogPosition> log_position_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  return LogPosition{text.substr(0, colon), text.substr(colon + 1)};
}

/// Goes through the events of a log and counts what others wrote. A transaction's row events are its writer's when all
/// of it has been seen: deployer's own ones also write one of deployer's tables.
class LogReader {
 public:
  explicit LogReader(std::string schema) : schema_(std::move(schema)) {}

  void take(const std::string& kind, const std::string& info) {
    if (kind == "Gtid" || kind == "Anonymous_Gtid") begin();
    if (kind == "Table_map") take_table(info);
    if (kind.find("_rows") != std::string::npos && kind.rfind("Annotate", 0) != 0) take_rows(info);
    if (kind == "Query") take_statement(info);
  }

  OthersWrites finish() {
    begin();
    writes_.known = writes_.why.empty();
    return std::move(writes_);
  }

 private:
  /// The transaction before it has ended.
  void begin() {
    if (!is_own_) {
      for (const auto& [table, count] : rows_) writes_.by_table[table] += count;
    }
    rows_.clear();
    tables_.clear();
    is_own_ = false;
  }

  /// `table_id: 18 (books.authors)`
  void take_table(const std::string& info) {
    const std::size_t open = info.find('(');
    const std::size_t dot = info.find('.', open);
    if (open == std::string::npos || dot == std::string::npos) return;
    const std::string schema = info.substr(open + 1, dot - open - 1);
    const std::string table = info.substr(dot + 1, info.rfind(')') - dot - 1);
    if (schema != schema_) return;
    tables_[id_of(info)] = table;
    if (table.rfind(own_prefix, 0) == 0) is_own_ = true;
  }

  /// `table_id: 18 flags: STMT_END_F`
  void take_rows(const std::string& info) {
    const auto table = tables_.find(id_of(info));
    if (table != tables_.end() && table->second.rfind(own_prefix, 0) != 0) ++rows_[table->second];
  }

  /// ``use `books`; DELETE FROM …``: a statement that the log holds as text. Schema changes always are; rows that are
  /// changed so are nowhere counted.
  void take_statement(const std::string& info) {
    const std::size_t behind_use = info.rfind("use `", 0) == 0 ? info.find("`; ") : std::string::npos;
    const std::string sql = behind_use == std::string::npos ? info : info.substr(behind_use + 3);
    const Script script = split_script(sql, SqlDialect::mysql);
    if (script.statements.empty()) return;
    const StatementKind kind = classify(script.statements.front());
    if (kind.changes_rows && !kind.changes_schema && !kind.transaction_control) {
      writes_.why = "the binary log holds statements instead of rows (binlog_format is not ROW)";
    }
  }

  static std::string id_of(const std::string& info) {
    const std::size_t colon = info.find(": ");
    return info.substr(colon + 2, info.find(' ', colon + 2) - colon - 2);
  }

  std::string schema_;
  OthersWrites writes_;
  std::map<std::string, std::string> tables_;
  std::map<std::string, std::uint64_t> rows_;
  bool is_own_ = false;
};

std::vector<std::string> log_files_from(Session& session, const std::string& first, const Deadline& deadline) {
  std::vector<std::string> files;
  for (const Row& row : session.query("SHOW BINARY LOGS", deadline).rows) {
    const std::string file = as_text(row.at(0));
    if (!files.empty() || file == first) files.push_back(file);
  }
  return files;
}

OthersWrites unknown_writes(std::string why) {
  OthersWrites writes;
  writes.why = std::move(why);
  return writes;
}

}  // namespace

std::string MariaDbServer::log_position(Session& session, const Deadline& deadline) const {
  try {
    const Rows rows = session.query("SHOW MASTER STATUS", deadline);
    if (rows.empty()) return {};
    return as_text(rows.rows[0].at(0)) + ":" + as_text(rows.rows[0].at(1));
  } catch (const SqlError& error) {
    if (error.kind != ErrorKind::database) throw;
    return {};
  }
}

OthersWrites MariaDbServer::others_writes(Session& session, const std::string& from, const Deadline& deadline) const {
  const std::optional<LogPosition> position = log_position_of(from);
  if (!position) {
    return unknown_writes("the server writes no binary log, or the user may not read it (GRANT BINLOG MONITOR ON *.*)");
  }
  LogReader reader(session.url().name);
  try {
    const std::vector<std::string> files = log_files_from(session, position->file, deadline);
    if (files.empty()) return unknown_writes("the binary log " + position->file + " is not there any more");
    for (const std::string& file : files) {
      const std::string offset = file == position->file ? position->offset : "4";
      session.stream(fmt::format("SHOW BINLOG EVENTS IN '{}' FROM {}", file, offset), {}, deadline,
                     [&](const Row& row) { reader.take(as_text(row.at(2)), as_text(row.at(5))); });
    }
  } catch (const SqlError& error) {
    if (error.kind != ErrorKind::database) throw;
    return unknown_writes("the binary log cannot be read: " + error.message);
  }
  return reader.finish();
}

}  // namespace deployer::database
