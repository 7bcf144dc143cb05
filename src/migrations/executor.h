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
  /// Told before each statement: its number from 1, how many there are, its text.
  std::function<void(std::size_t, std::size_t, std::string_view)> on_statement = nullptr;
};

/// Applies and reverts single revisions on databases with transactional DDL: a revision and its history row are one
/// transaction, so a failure or a death leaves nothing of it. Refuses others by capability (Error `invalid`).
class Executor {
 public:
  Executor(database::Session& session, const History& history, ExecutorOptions options);

  /// Applies a revision. `expected` is the set of applied ids that the plan saw: inside the transaction it must still
  /// be so, else Error `failed` and nothing happens. A statement that fails is Error `database` with `file:line: …`; a
  /// foreign key that points nowhere afterwards, and did not before, is one too.
  void apply(const Revision& revision, const std::set<std::string>& expected, const Deadline& deadline);

  /// Reverts an applied revision by the down section that its history row has; never by the file. Error `failed` where
  /// it is irreversible.
  void revert(const Applied& row, const std::set<std::string>& expected, const Deadline& deadline);

 private:
  void in_transaction(const std::set<std::string>& expected, const Deadline& deadline,
                      const std::function<void()>& work);
  void run(const Section& section, const std::string& file, const Deadline& deadline);
  void run_alone(const Revision& revision, const std::set<std::string>& expected, const Deadline& deadline);
  Applied row_of(const Revision& revision) const;

  database::Session& session_;
  const History& history_;
  ExecutorOptions options_;
};

}  // namespace deployer::migrations
