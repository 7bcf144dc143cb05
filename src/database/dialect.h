#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "database/lexer.h"
#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// What code outside this room may know of a database: it chooses by these, never by name.
struct Capabilities {
  bool transactional_ddl = false;  ///< a failed revision leaves nothing (SQLite)
  bool session_locks = false;      ///< GET_LOCK on the session that runs the statements
  bool online_backup = false;      ///< a consistent copy into a file while writers go on, and back into the live file
};

class Server;

/// All that differs between databases. Stateless, one object a database, lives as long as the program.
class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual std::string_view name() const = 0;  ///< for people and manifests: "sqlite", "mariadb"
  virtual const Capabilities& capabilities() const = 0;
  virtual SqlDialect lexer() const = 0;
  /// What a server can that a file cannot; null where the database is a file.
  virtual const Server* server() const { return nullptr; }

  /// A name as a quoted identifier.
  virtual std::string quote(std::string_view identifier) const = 0;

  /// The schema as it is, without tables whose name is in `ignore` or begins with `deployer_` or `_deployer_`.
  virtual Schema introspect(Session& session, const Deadline& deadline,
                            const std::vector<std::string>& ignore = {}) const = 0;

  /// The DDL of one of deployer's own tables from its portable columns (InnoDB by name where there are engines).
  /// Types: "integer", "text" (any length), "key" (text of at most 191 characters, can be in a key).
  struct Column {
    std::string name;
    std::string type;
    bool nullable = true;
  };
  virtual std::string create_table(std::string_view table, const std::vector<Column>& columns,
                                   const std::vector<std::string>& primary_key) const = 0;
  /// Whether a table of this name exists.
  virtual bool has_table(Session& session, std::string_view table, const Deadline& deadline) const = 0;

  /// The SELECT that reads every column of a table such that row digests agree between databases.
  virtual std::string select_for_digest(const Table& table) const = 0;

  /// A consistent copy of the whole database as one file at `target` (which must not exist), while writers go on
  /// (SQLite: the online backup API, restarted when a writer comes between, paced by `progress(done, total)` in
  /// pages). Synced, in rollback-journal mode whatever the live one is in, so that nothing stands beside it. On any
  /// error nothing is left. Only where `online_backup`, outside a transaction; else Error `internal`.
  virtual void copy_to_file(Session& session, const std::filesystem::path& target, const Deadline& deadline,
                            const std::function<void(std::uint64_t, std::uint64_t)>& progress = {}) const = 0;
  /// The content of such a file into the live database, as one transaction: another process that has it open sees the
  /// old content or the new one. Waits for writers until the deadline. A live database in WAL mode stays in it; one
  /// that is not takes over the mode of a foreign `source` in WAL mode. Pages of another size are refused in WAL mode.
  virtual void copy_from_file(Session& session, const std::filesystem::path& source,
                              const Deadline& deadline) const = 0;

  /// Problems that the database itself finds (`PRAGMA integrity_check`, `CHECK TABLE`), and foreign keys that point
  /// nowhere, a line each; empty is good.
  virtual std::vector<std::string> integrity(Session& session, const Deadline& deadline) const = 0;
  virtual std::vector<std::string> broken_foreign_keys(Session& session, const Deadline& deadline) const = 0;
};

/// The dialect of an engine.
const Dialect& dialect_of(Engine engine);
/// The one that calls itself so (`Dialect::name`); null if there is none.
const Dialect* dialect_named(std::string_view name);

}  // namespace deployer::database
