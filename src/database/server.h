#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"
#include "database/session.h"

namespace deployer {
struct Machine;
}

namespace deployer::database {

struct DumpOptions;
struct Dumped;
struct ServerHealth;

/// Who answers. A change of any of these while a run is under way is another server, or one that has forgotten what was
/// set.
struct ServerIdentity {
  std::string host;
  std::int64_t started = 0;  ///< when the server process began, in seconds since the epoch, give or take one
  bool read_only = false;

  bool is_same_start(const ServerIdentity& other) const;
  Json json() const;
  static ServerIdentity from(const Json& json);
};

/// What the binary log says of writes by others.
struct OthersWrites {
  bool known = false;                             ///< false: the log cannot tell, and `why` says so
  std::string why;                                ///< with the GRANT or the setting to give, where that is it
  std::map<std::string, std::uint64_t> by_table;  ///< row events of the session's schema that are not the run's own
};

/// What can be done with a database that is a server with sessions, and not with one that is a file. Stateless, one
/// object a product; `Dialect::server` gives it, null for files. Errors are SqlError, as of Session.
class Server {
 public:
  virtual ~Server() = default;

  // ---- The lock of a schema: a user-level lock on the very session that runs the statements, so that it is free only
  // when the last of them has ended (GET_LOCK: MariaDB Knowledge Base, "GET_LOCK").

  /// `deployer:` and a digest of the schema's name; at most 64 characters.
  virtual std::string lock_name(const Session& session) const = 0;
  /// Takes it on this session, waiting at most `wait`; false while another session has it. Taken twice it is still one.
  virtual bool take_lock(Session& session, Duration wait, const Deadline& deadline) const = 0;
  virtual void release_lock(Session& session, const Deadline& deadline) const = 0;
  /// The connection that holds it, if any.
  virtual std::optional<std::uint64_t> lock_holder(Session& session, const Deadline& deadline) const = 0;
  /// KILL CONNECTION; one that is gone already is no error. It has ended when it holds the lock no longer.
  virtual void end_connection(Session& session, std::uint64_t connection, const Deadline& deadline) const = 0;
  /// What a connection is doing, for people: `ALTER TABLE books … (copy to tmp table, 12 s)`; empty if it is gone.
  virtual std::string activity(Session& session, std::uint64_t connection, const Deadline& deadline) const = 0;

  virtual ServerIdentity identity(Session& session, const Deadline& deadline) const = 0;
  /// Makes this session one that runs migrations: `wait_timeout` 120 s (ping it), the strictness and character set that
  /// the server has by default, no lock wait longer than `lock_wait` (0: the server's own).
  virtual void prepare_for_statements(Session& session, Duration lock_wait, const Deadline& deadline) const = 0;

  // ---- Evidence: what tells after a crash whether a statement happened (facts of MariaDB and MySQL: DDL is one or
  // none, and changes the definition, InnoDB's table ids or the time of creation of what it names).

  /// For each name (`table`, `schema.table`, a view, a routine, trigger or event as `KIND NAME`): its definition with
  /// AUTO_INCREMENT, InnoDB table ids (partitions too) and creation time; null where there is none.
  virtual Json evidence(Session& session, const std::vector<std::string>& names, const Deadline& deadline) const = 0;
  /// False where table ids cannot be read (PROCESS is missing): then TRUNCATE, EXCHANGE PARTITION and renames that swap
  /// leave no evidence.
  virtual bool sees_table_ids(Session& session, const Deadline& deadline) const = 0;

  // ---- The binary log, where there is one.

  /// Where it ends now, as in `mysqld-bin.000003:4711`; empty where it is off or may not be read.
  virtual std::string log_position(Session& session, const Deadline& deadline) const = 0;
  /// Row events since `from` in the tables of the session's schema. The run's own are those of transactions that also
  /// write one of deployer's tables (`deployer_…`), and not counted. Statement events that change rows make it unknown.
  virtual OthersWrites others_writes(Session& session, const std::string& from, const Deadline& deadline) const = 0;

  /// `SET GLOBAL read_only`. Needs READ_ONLY ADMIN (the error names the GRANT). Whoever has that privilege, or SUPER,
  /// goes on writing.
  virtual void set_read_only(Session& session, bool on, const Deadline& deadline) const = 0;
  /// Error `database`, with the GRANT as its hint, where this account may not set read_only, or would be stopped by it
  /// itself. Changes nothing.
  virtual void need_read_only(Session& session, const Deadline& deadline) const = 0;
  /// Events of the schema that are enabled while the scheduler runs: they write, too.
  virtual std::vector<std::string> active_events(Session& session, const Deadline& deadline) const = 0;

  /// What the checks before an upgrade look at (server_health.h).
  virtual ServerHealth health(Session& session, const std::vector<std::string>& tables,
                              const Deadline& deadline) const = 0;

  /// A quick look at whether these tables of the schema are whole (CHECK TABLE … QUICK): a problem a line; empty is
  /// good. Waits for their metadata locks. What is no table, or is not there, is passed over.
  virtual std::vector<std::string> damaged_tables(Session& session, const std::vector<std::string>& tables,
                                                  const Deadline& deadline) const = 0;

  /// Drops, of these tables of the session's schema, those that a crash of the server has left so that it cannot open
  /// them (an ALTER of partitions is not atomic), and what its storage holds of ones that are gone. Before a restore
  /// that brings them back. Those that it dropped; idempotent.
  virtual std::vector<std::string> drop_unreadable(Session& session, const std::vector<std::string>& tables,
                                                   const Deadline& deadline) const = 0;

  // ---- Dump and load (dump.h).

  virtual Dumped dump(Session& session, const DumpOptions& options, const Machine& machine, const Deadline& deadline,
                      const std::function<void(std::string_view)>& write) const = 0;
};

}  // namespace deployer::database
