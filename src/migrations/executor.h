#pragma once

#include <functional>
#include <string>

#include "base/deadline.h"
#include "database/session.h"
#include "migrations/graph.h"
#include "migrations/history.h"

namespace deployer::migrations {

struct ExecutorOptions {
  std::string run_id;
  std::string applied_by;  ///< `user@host`
  std::string version;     ///< of deployer
  std::string now;         ///< RFC 3339
  /// Told before each statement: its number from 1, how many there are, the first line of its text.
  std::function<void(std::size_t, std::size_t, std::string_view)> on_statement = nullptr;
  /// Told of what a person should know and nobody need act on.
  std::function<void(const std::string&)> on_note = nullptr;

  // For servers without transactional DDL.
  Duration lock_wait = std::chrono::seconds(1);           ///< one wait of a statement for a lock of others
  Duration lock_wait_timeout = std::chrono::seconds(60);  ///< their sum; then the blocking session is named
  Duration statement_timeout{0};                          ///< of one statement; 0: none
  /// A revision may hold a statement of which nobody can tell whether it happened: it has a copy or a backup as its way
  /// back. Then only where it stands alone.
  bool may_be_undecidable = false;
  /// Around each statement that is sent (for tests that kill the process there).
  std::function<void(const std::string& point)> fault = nullptr;
};

/// Where a revision stands, as history, progress and evidence tell.
struct Standing {
  enum class State { absent, applied, partly };
  State state = State::absent;
  std::size_t done = 0;  ///< of `partly`: units that are known to have happened
  std::size_t units = 0;
  std::string text;  ///< for people: where it stopped, and what is not known
};

/// Applies and reverts single revisions.
///
/// With transactional DDL a revision and its history row are one transaction, so a failure or a death leaves nothing of
/// it. The session must not check foreign keys by itself (a table rebuild would cascade); they are checked before and
/// after.
///
/// On a server without it, statements go one by one (rows in transactions) over the session that holds the lock of the
/// schema (Server::take_lock; else Error `failed`). Before each one the table `deployer_progress` gets, in one commit,
/// what has been done and the evidence of what comes. A statement that fails has done nothing (the server's promise for
/// DDL; a transaction for rows); those before it stay done and the revision's row says `failed`: the caller takes it
/// back by a copy or a backup. One that failed at its first statement leaves nothing. What waits for locks of others
/// waits shortly and often.
///
/// Blocks as long as the statements do, until the deadline; what it interrupts is rolled back, or judged by its
/// evidence.
class Executor {
 public:
  Executor(database::Session& session, const History& history, ExecutorOptions options);

  /// Applies a revision. `expected` is the set of applied ids that the plan saw: inside the transaction it must still
  /// be so, else Error `failed` and nothing happens. A statement that fails is an Error of the kind that the session
  /// gives it (`database`, `no_space`, `timed_out`, …) with `file:line: …`; a foreign key that points nowhere
  /// afterwards, and did not before, is Error `database`. The one statement of `transaction: none` that cannot be in a
  /// transaction (VACUUM, PRAGMA) runs before its row is written: after a death between the two it is run again, which
  /// does no harm.
  void apply(const Revision& revision, const std::set<std::string>& expected, const Deadline& deadline);

  /// Reverts an applied revision by the down section that its history row has; never by the file. Error `failed` where
  /// it is irreversible.
  void revert(const Applied& row, const std::set<std::string>& expected, const Deadline& deadline);

  /// After a failure or a death: finds out where a revision stands and writes that down, so that asking again gives the
  /// same. A revision whose revert stopped half-way is `partly`, and `revert` goes on with it. `expected` of `revert`
  /// holds it then.
  Standing settle(const std::string& revision, const Deadline& deadline);

  /// After a revision that stopped half-way was taken back by a copy or a backup: drops the tables that stood beside
  /// the schema's own while one replaced another. Idempotent.
  void remove_leftovers(const Deadline& deadline);

 private:
  bool is_transactional() const;
  void in_transaction(const std::set<std::string>& expected, const Deadline& deadline,
                      const std::function<void()>& work);
  void check_history(const std::set<std::string>& expected, const Deadline& deadline) const;
  void run(const database::Script& script, const Deadline& deadline);
  void roll_back() noexcept;
  Applied row_of(const Revision& revision) const;

  database::Session& session_;
  const History& history_;
  ExecutorOptions options_;
};

}  // namespace deployer::migrations
