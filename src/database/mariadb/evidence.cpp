#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "database/dialect.h"
#include "database/mariadb/server.h"

namespace deployer::database {

namespace {

constexpr int error_access_denied = 1227;  // ER_SPECIFIC_ACCESS_DENIED_ERROR

struct EvidenceName {
  std::string schema;
  std::string name;
};

EvidenceName evidence_name(const std::string& text, const std::string& own_schema) {
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) return {own_schema, text};
  return {text.substr(0, dot), text.substr(dot + 1)};
}

/// `name` in the session's schema, `schema.name` elsewhere.
std::string evidence_key(const std::string& schema, const std::string& name, const std::string& own_schema) {
  return schema == own_schema ? name : schema + "." + name;
}

/// Reads what is there of some names, kind by kind.
class EvidenceReader {
 public:
  EvidenceReader(Session& session, const std::vector<std::string>& names, const Deadline& deadline)
      : session_(session), own_(session.url().name), deadline_(deadline) {
    for (const std::string& text : names) {
      const EvidenceName name = evidence_name(text, own_);
      pairs_ += fmt::format("{}(?, ?)", pairs_.empty() ? "" : ", ");
      parameters_.emplace_back(name.schema);
      parameters_.emplace_back(name.name);
    }
  }

  Json read(bool with_table_ids) {
    Json found = Json::object();
    if (parameters_.empty()) return found;
    read_tables(found);
    if (with_table_ids) read_table_ids(found);
    read_definitions(found, "trigger",
                     "SELECT trigger_schema, trigger_name, CONCAT_WS(' ', action_timing, event_manipulation, "
                     "event_object_table, action_order, action_statement), created FROM information_schema.triggers "
                     "WHERE (trigger_schema, trigger_name)");
    read_definitions(found, "routine",
                     "SELECT routine_schema, routine_name, CONCAT_WS(' ', routine_type, dtd_identifier, "
                     "routine_definition), last_altered FROM information_schema.routines "
                     "WHERE (routine_schema, routine_name)");
    read_definitions(found, "event",
                     "SELECT event_schema, event_name, CONCAT_WS(' ', status, execute_at, interval_value, "
                     "interval_field, starts, ends, event_definition), last_altered FROM information_schema.events "
                     "WHERE (event_schema, event_name)");
    read_schemas(found);
    return found;
  }

 private:
  Rows ask(const std::string& sql) { return session_.query(sql + " IN (" + pairs_ + ")", parameters_, deadline_); }

  void read_tables(Json& found) {
    for (const Row& row : ask("SELECT table_schema, table_name, table_type, create_time FROM "
                              "information_schema.tables WHERE (table_schema, table_name)")
                              .rows) {
      const std::string schema = as_text(row.at(0));
      const std::string name = as_text(row.at(1));
      const Dialect& dialect = session_.dialect();
      const Row shown =
          session_.query("SHOW CREATE TABLE " + dialect.quote(schema) + "." + dialect.quote(name), deadline_)
              .rows.at(0);
      Json& entry = found[evidence_key(schema, name, own_)];
      std::string definition = as_text(shown.at(1));
      entry["auto_increment"] = take_counter(definition);
      entry["definition"] = std::move(definition);
      entry["created"] = as_text(row.at(3));
    }
  }

  /// Cuts the table option AUTO_INCREMENT=N, which stands on the last line, out of a definition; its N, or empty.
  static std::string take_counter(std::string& definition) {
    static constexpr std::string_view option = " AUTO_INCREMENT=";
    const std::size_t last_line = definition.rfind("\n)");
    const std::size_t at = last_line == std::string::npos ? last_line : definition.find(option, last_line);
    if (at == std::string::npos) return {};
    const std::size_t end = std::min(definition.find(' ', at + option.size()), definition.size());
    const std::string counter = definition.substr(at + option.size(), end - at - option.size());
    definition.erase(at, end - at);
    return counter;
  }

  void read_table_ids(Json& found) {
    // A name of InnoDB is SCHEMA/TABLE or SCHEMA/TABLE#P#PARTITION, each part as file names are encoded.
    const std::string part = "CONVERT(CONVERT(CAST({} AS BINARY) USING filename) USING utf8mb4)";
    const std::string schema = fmt::format(fmt::runtime(part), "SUBSTRING_INDEX(name, '/', 1)");
    const std::string table = fmt::format(
        fmt::runtime(part), "SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(name, '/', -1), '#P#', 1), '#p#', 1)");
    const Rows rows =
        session_.query(fmt::format("SELECT s, t, n, i FROM (SELECT {} AS s, {} AS t, name AS n, table_id AS i FROM "
                                   "information_schema.innodb_sys_tables) AS named WHERE (s, t) IN ({}) ORDER BY n",
                                   schema, table, pairs_),
                       parameters_, deadline_);
    for (const Row& row : rows.rows) {
      const std::string key = evidence_key(as_text(row.at(0)), as_text(row.at(1)), own_);
      if (found.contains(key)) found[key]["ids"][as_text(row.at(2))] = as_text(row.at(3));
    }
  }

  void read_definitions(Json& found, const std::string& kind, const std::string& sql) {
    for (const Row& row : ask(sql).rows) {
      Json& entry = found[kind + " " + evidence_key(as_text(row.at(0)), as_text(row.at(1)), own_)];
      entry["definition"] = as_text(row.at(2));
      entry["created"] = as_text(row.at(3));
    }
  }

  void read_schemas(Json& found) {
    std::string places;
    for (std::size_t i = 0; i < parameters_.size() / 2; ++i) places += i == 0 ? "?" : ", ?";
    Row names;
    for (std::size_t i = 1; i < parameters_.size(); i += 2) names.push_back(parameters_[i]);
    const Rows rows = session_.query(
        "SELECT schema_name, CONCAT(default_character_set_name, ' ', default_collation_name) FROM "
        "information_schema.schemata WHERE schema_name IN (" +
            places + ")",
        names, deadline_);
    for (const Row& row : rows.rows) found["schema " + as_text(row.at(0))]["definition"] = as_text(row.at(1));
  }

  Session& session_;
  std::string own_;
  const Deadline& deadline_;
  std::string pairs_;
  Row parameters_;
};

}  // namespace

Json MariaDbServer::evidence(Session& session, const std::vector<std::string>& names, const Deadline& deadline) const {
  return EvidenceReader(session, names, deadline).read(sees_table_ids(session, deadline));
}

bool MariaDbServer::sees_table_ids(Session& session, const Deadline& deadline) const {
  try {
    session.query("SELECT table_id FROM information_schema.innodb_sys_tables LIMIT 1", deadline);
    return true;
  } catch (const SqlError& error) {
    if (error.code != error_access_denied) throw;
    return false;
  }
}

}  // namespace deployer::database
