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
};

/// Applies and reverts single revisions on databases with transactional DDL: a revision and its history row are one
/// transaction, so a failure or a death leaves nothing of it. Refuses others by capability (Error `invalid`).
/// The session must not check foreign keys by itself (a table rebuild would cascade); they are checked before and
/// after. Blocks as long as the statements do, until the deadline; what it interrupts is rolled back.
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

 private:
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
