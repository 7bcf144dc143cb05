#include "database/mariadb/dump_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"

namespace deployer::database {

namespace {

bool named_in(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view each) { return lower_case(word) == lower_case(each); });
}

std::set<std::string> transactional_engines(Session& session, const Deadline& deadline) {
  std::set<std::string> engines;
  const Rows rows = session.query("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'", deadline);
  for (const Row& row : rows.rows) engines.insert(lower_case(as_text(row.at(0))));
  return engines;
}

/// Whether texts of this column may hold characters that the server, which describes itself in three-byte UTF-8,
/// prints as `?`.
bool can_hold_four_bytes(const Column& column) {
  const std::string charset = column.collation.substr(0, column.collation.find('_'));
  return named_in(charset, {"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"});
}

void warn_of_column(const std::string& table, const Column& column, std::vector<std::string>& unfaithful) {
  const bool members = column.type.starts_with("enum(") || column.type.starts_with("set(");
  if (can_hold_four_bytes(column)) {
    if (members && column.type.find('?') != std::string::npos) {
      unfaithful.push_back(fmt::format(
          "table {}: a member of column {} is ? or has a character of four bytes, which the server prints as ?", table,
          column.name));
    }
    if (column.has_default && column.default_text.find('?') != std::string::npos) {
      unfaithful.push_back(fmt::format(
          "table {}: the default of column {} has a ? or a character of four bytes, which the server prints as ?",
          table, column.name));
    }
  }
  if (column.default_text.find("nextval(") != std::string::npos) {
    unfaithful.push_back(
        fmt::format("table {}: the default of column {} names a sequence by its schema", table, column.name));
  }
}

/// Whether a line of SHOW GRANTS (`GRANT a, b ON `pattern`.* TO …`) gives TRIGGER on the whole schema.
bool shows_triggers(Session& session, const std::string& grant, const Deadline& deadline) {
  const std::size_t on = grant.find(" ON ");
  if (on == std::string::npos) return false;
  const std::string privileges = grant.substr(0, on);
  if (privileges.find("ALL PRIVILEGES") == std::string::npos && privileges.find("TRIGGER") == std::string::npos) {
    return false;
  }
  const std::string object = grant.substr(on + 4);
  if (object.starts_with("*.*")) return true;
  const std::size_t end = object.find(".* TO ");
  if (end == std::string::npos) return false;
  const std::string pattern = unquoted(object.substr(0, end));
  return as_integer(session.query("SELECT DATABASE() LIKE ?", {pattern}, deadline).rows.at(0).at(0)) == 1;
}

}  // namespace

void refuse_blind_dump(Session& session, const Deadline& deadline) {
  for (const Row& row : session.query("SHOW GRANTS", deadline).rows) {
    if (shows_triggers(session, as_text(row.at(0)), deadline)) return;
  }
  throw Error(
      ErrorKind::database, "the triggers of the schema may not be seen, so that a backup would lack them",
      fmt::format("GRANT TRIGGER ON {}.* TO {}", session.dialect().quote(session.url().name), session.url().user));
}

std::vector<std::string> take_out_broken_views(Session& session, Schema& schema, const Deadline& deadline,
                                               std::vector<std::string>& unfaithful) {
  std::vector<std::string> broken;
  for (const SchemaObject& object : schema.objects) {
    if (object.kind != "view") continue;
    try {
      session.query(fmt::format("SELECT * FROM {} LIMIT 0", session.dialect().quote(object.name)), deadline);
    } catch (const SqlError& error) {
      if (error.kind != ErrorKind::database) throw;
      broken.push_back(object.name);
      unfaithful.push_back(fmt::format("view {} is left out, since it cannot be read: {}", object.name, error.message));
    }
  }
  std::erase_if(schema.objects, [&](const SchemaObject& object) {
    return object.kind == "view" && std::find(broken.begin(), broken.end(), object.name) != broken.end();
  });
  return broken;
}

RowsOf rows_of_engine(const std::string& engine) {
  if (named_in(engine, {"MRG_MYISAM", "MERGE"})) return RowsOf::other_tables;
  const bool elsewhere = named_in(engine, {"FEDERATED", "CONNECT", "SPIDER", "S3", "SPHINX", "BLACKHOLE"});
  return elsewhere ? RowsOf::another_server : RowsOf::itself;
}

std::uint64_t expected_rows(Session& session, const Schema& schema, const Deadline& deadline) {
  std::uint64_t expected = 0;
  const Rows rows = session.query(
      "SELECT table_name, table_rows FROM information_schema.tables WHERE table_schema = DATABASE()", deadline);
  for (const Row& row : rows.rows) {
    if (schema.find(as_text(row.at(0))) == nullptr) continue;
    expected += static_cast<std::uint64_t>(std::max<std::int64_t>(0, as_integer(row.at(1))));
  }
  return expected;
}

void warn_of_long_rows(Session& session, const std::string& table, std::size_t longest, const Deadline& deadline,
                       std::vector<std::string>& unfaithful) {
  constexpr std::size_t always_taken = std::size_t{1} << 20;
  if (longest <= always_taken) return;
  const std::int64_t limit = as_integer(session.query("SELECT @@max_allowed_packet", deadline).rows.at(0).at(0));
  if (longest < static_cast<std::size_t>(limit)) return;
  unfaithful.push_back(fmt::format(
      "table {}: a row makes a statement of {} bytes, max_allowed_packet of the server is {}", table, longest, limit));
}

void warn_of_tables(Session& session, Dumped& dumped, const Deadline& deadline) {
  const std::set<std::string> engines = transactional_engines(session, deadline);
  for (const Table& table : dumped.schema.tables) {
    if (!engines.contains(lower_case(table.engine))) dumped.inconsistent.push_back(table.name);
    if (rows_of_engine(table.engine) == RowsOf::another_server) {
      dumped.unfaithful.push_back(
          fmt::format("table {}: its engine {} shows rows of elsewhere, which are left out", table.name, table.engine));
    }
    const std::string options = lower_case(table.definition);
    if (options.find("system versioning") != std::string::npos) {
      dumped.unfaithful.push_back(
          fmt::format("table {}: it is system-versioned, and the history of its rows is left out", table.name));
    }
    for (const Column& column : table.columns) warn_of_column(table.name, column, dumped.unfaithful);
  }
}

}  // namespace deployer::database
