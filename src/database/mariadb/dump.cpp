#include "database/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/text.h"
#include "database/canonical.h"
#include "database/dialect.h"
#include "database/mariadb/dump_definitions.h"
#include "database/mariadb/dump_rows.h"
#include "database/mariadb/dump_tool.h"
#include "database/mariadb/dump_warnings.h"
#include "database/mariadb/server.h"

namespace deployer::database {

namespace {

constexpr std::string_view dump_head =
    "-- Rows and definitions of a schema, made by deployer. Into an empty schema: mariadb --comments NAME < FILE\n"
    "SET NAMES utf8mb4;\n"
    "SET foreign_key_checks = 0, unique_checks = 0, sql_notes = 0;\n"
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00';\n"
    "/*M!100201 SET check_constraint_checks = 0 */;\n";
constexpr std::string_view dump_settings_again =
    "SET NAMES utf8mb4;\nSET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', timestamp = DEFAULT;\n";
constexpr std::string_view dump_end = "-- Dump completed\n";

/// What a server says when a table has changed since the snapshot began, or is gone.
bool says_changed(const SqlError& error) {
  constexpr std::array<int, 6> codes = {1412, 1146, 1054, 1051, 1356, 1347};
  return std::find(codes.begin(), codes.end(), error.code) != codes.end();
}

/// One try to dump a schema. Whole statements alone are written, so that another try can follow in the same text.
class MariaDbDump {
 public:
  MariaDbDump(const Url& url, const DumpOptions& options, const Machine& machine, const Deadline& deadline,
              const std::function<void(std::string_view)>& write)
      : options_(options),
        machine_(machine),
        deadline_(deadline),
        write_(write),
        reader_(open(url, "/", Access::read_only, deadline)),
        observer_(open(url, "/", Access::read_only, deadline)) {}

  /// What changed meanwhile, a sentence; nothing if the dump is whole.
  std::optional<std::string> run() {
    // It has nothing to do while rows are read.
    observer_->execute("SET SESSION wait_timeout = 86400", deadline_);
    refuse_blind_dump(*observer_, deadline_);
    dumped_.schema = look();
    for (const std::string& name : options_.tables) {
      if (dumped_.schema.find(name) == nullptr) throw Error(ErrorKind::invalid, "there is no table " + name);
    }
    broken_ = take_out_broken_views(*observer_, dumped_.schema, deadline_, dumped_.unfaithful);
    begin_snapshot();
    if (auto change = read_definitions()) return change;
    if (auto change = write_tables()) return change;
    Schema now = look();
    std::erase_if(now.objects, [&](const SchemaObject& object) {
      return object.kind == "view" && std::find(broken_.begin(), broken_.end(), object.name) != broken_.end();
    });
    if (const std::vector<std::string> changes = dumped_.schema.differences(now); !changes.empty()) {
      return changes.front();
    }
    write_objects();
    write_(dump_end);
    dumped_.load_with = mariadb_load_command(observer_->url());
    warn_of_tables(*observer_, dumped_, deadline_);
    return std::nullopt;
  }

  Dumped take() { return std::move(dumped_); }

  /// Takes back what an earlier try has written.
  void undo_written() {
    write_(dump_settings_again);
    for (const auto& [kind, name] : written_) {
      write_(fmt::format("DROP {} IF EXISTS {};\n", kind, reader_->dialect().quote(name)));
    }
  }

 private:
  /// The schema as far as it is to be dumped.
  Schema look() {
    Schema schema = observer_->dialect().introspect(*observer_, deadline_, options_.ignore);
    if (options_.tables.empty()) return schema;
    const auto wanted = [&](const std::string& table) {
      return std::find(options_.tables.begin(), options_.tables.end(), table) != options_.tables.end();
    };
    std::erase_if(schema.tables, [&](const Table& table) { return !wanted(table.name); });
    std::erase_if(schema.objects,
                  [&](const SchemaObject& object) { return object.kind != "trigger" || !wanted(object.table); });
    return schema;
  }

  void begin_snapshot() {
    const bool maria = reader_->server().product == "MariaDB";
    reader_->execute("SET SESSION time_zone = '+00:00', net_write_timeout = 3600, wait_timeout = 86400", deadline_);
    if (maria) reader_->execute("SET SESSION max_statement_time = 0", deadline_);
    reader_->execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", deadline_);
    reader_->execute("START TRANSACTION WITH CONSISTENT SNAPSHOT", deadline_);
    // Going back to it gives up the locks that keep others from changing a table that was read.
    reader_->execute("SAVEPOINT before_table", deadline_);
    dumped_.log_position = snapshot_position();
  }

  std::string snapshot_position() {
    std::string file;
    std::string position;
    const Rows rows = reader_->query("SHOW STATUS LIKE 'Binlog_snapshot_%'", deadline_);
    for (const Row& row : rows.rows) {
      const std::string name = lower_case(as_text(row.at(0)));
      if (name == "binlog_snapshot_file") file = as_text(row.at(1));
      if (name == "binlog_snapshot_position") position = as_text(row.at(1));
    }
    return file.empty() ? std::string() : file + ":" + position;
  }

  std::optional<std::string> read_definitions() {
    try {
      definitions_ = cut_mariadb_dump(run_mariadb_dump(*observer_, options_.tables, broken_, machine_, deadline_),
                                      dumped_.unfaithful);
    } catch (const Error& error) {
      if (error.kind != ErrorKind::database) throw;
      // A table that went while it was being looked at: then the schema is another one.
      const std::vector<std::string> changes = dumped_.schema.differences(look());
      if (changes.empty() || !broken_.empty()) throw;
      return changes.front();
    }
    std::set<std::pair<std::string, std::string>> wanted;
    for (const Table& table : dumped_.schema.tables) wanted.emplace("table", table.name);
    for (const SchemaObject& object : dumped_.schema.objects) wanted.emplace(object.kind, object.name);
    std::erase_if(definitions_, [&](const MariaDbDefinition& definition) {
      const bool package = definition.kind.starts_with("package");
      return !package && wanted.erase({definition.kind, definition.name}) == 0;
    });
    if (wanted.empty()) return std::nullopt;
    return fmt::format("{} {} is gone", wanted.begin()->first, wanted.begin()->second);
  }

  std::optional<std::string> write_tables() {
    write_(dump_head);
    for (const MariaDbDefinition& definition : definitions_) {
      if (definition.kind == "sequence") write_sequence(definition);
    }
    expected_ = expected_rows(*observer_, dumped_.schema, deadline_);
    for (const MariaDbDefinition& definition : definitions_) {
      if (definition.kind != "table") continue;
      drop_and_make("TABLE", definition);
      if (!options_.rows) continue;
      try {
        write_rows(*dumped_.schema.find(definition.name));
      } catch (const SqlError& error) {
        if (!says_changed(error)) throw;
        return fmt::format("table {}: {}", definition.name, error.message);
      }
    }
    return std::nullopt;
  }

  void write_sequence(const MariaDbDefinition& definition) {
    drop_and_make("SEQUENCE", definition);
    if (!definition.after.empty()) write_(definition.after + ";\n");
  }

  void drop_and_make(const std::string& kind, const MariaDbDefinition& definition) {
    written_.emplace_back(kind, definition.name);
    write_(fmt::format("\nDROP {} IF EXISTS {};\n", kind, reader_->dialect().quote(definition.name)));
    write_(as_script(definition));
  }

  void write_rows(const Table& table) {
    const RowsOf rows = rows_of_engine(table.engine);
    if (rows == RowsOf::another_server) return;
    MariaDbRowsDump dump(*reader_, table);
    dumped_.tables[table.name] =
        dump.run(deadline_, rows == RowsOf::itself, write_, [&](std::uint64_t more) { report(more); });
    reader_->execute("ROLLBACK TO SAVEPOINT before_table", deadline_);
    warn_of_long_rows(*observer_, table.name, dump.longest(), deadline_, dumped_.unfaithful);
  }

  void report(std::uint64_t more) {
    done_ += more;
    deadline_.check("dumping the database");
    if (options_.progress) options_.progress(done_, std::max(done_, expected_));
  }

  /// Functions before the views that call them, triggers behind all rows, events at the end.
  void write_objects() {
    for (const char* kind : {"package", "package body", "function", "procedure"}) write_kind(kind);
    std::vector<MariaDbDefinition> views;
    std::copy_if(definitions_.begin(), definitions_.end(), std::back_inserter(views),
                 [](const MariaDbDefinition& definition) { return definition.kind == "view"; });
    for (const MariaDbDefinition& view : views_in_order(std::move(views))) write_object(view);
    for (const char* kind : {"trigger", "event"}) write_kind(kind);
    write_(dump_settings_again);
    for (const MariaDbDefinition& definition : definitions_) {
      if (!definition.enable.empty()) write_(definition.enable + ";\n");
    }
  }

  void write_kind(std::string_view kind) {
    for (const MariaDbDefinition& definition : definitions_) {
      if (definition.kind == kind) write_object(definition);
    }
  }

  void write_object(const MariaDbDefinition& definition) {
    std::string kind = definition.kind;
    std::transform(kind.begin(), kind.end(), kind.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    write_(fmt::format("\n{}DROP {} IF EXISTS {};\n", dump_settings_again, kind,
                       reader_->dialect().quote(definition.name)));
    write_(as_script(definition));
  }

  const DumpOptions& options_;
  const Machine& machine_;
  const Deadline& deadline_;
  const std::function<void(std::string_view)>& write_;
  std::unique_ptr<Session> reader_;    ///< has the snapshot
  std::unique_ptr<Session> observer_;  ///< sees the schema as it is
  std::vector<std::string> broken_;
  std::vector<MariaDbDefinition> definitions_;
  std::vector<std::pair<std::string, std::string>> written_;
  std::uint64_t done_ = 0;
  std::uint64_t expected_ = 0;
  Dumped dumped_;
};

}  // namespace

Dumped MariaDbServer::dump(Session& session, const DumpOptions& options, const Machine& machine,
                           const Deadline& deadline, const std::function<void(std::string_view)>& write) const {
  {
    MariaDbDump first(session.url(), options, machine, deadline, write);
    if (!first.run()) return first.take();
    first.undo_written();
  }
  MariaDbDump second(session.url(), options, machine, deadline, write);
  const std::optional<std::string> change = second.run();
  if (!change) return second.take();
  throw Error(ErrorKind::failed, "the schema changed while it was dumped, twice: " + *change,
              "take the backup when nobody changes the schema");
}

}  // namespace deployer::database
