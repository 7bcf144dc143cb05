#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "database/server.h"
#include "migrations/executor.h"
#include "migrations/progress.h"
#include "migrations/unit.h"

namespace deployer::migrations {

/// The executor's inside for servers without transactional DDL (Executor says what it does): a script goes unit by
/// unit, and before each one stands in one commit what has been done and what the things it names look like, so that a
/// crash can be judged. The session holds the lock of the schema.
class Stepwise {
 public:
  Stepwise(database::Session& session, const History& history, const ExecutorOptions& options);

  void apply(const Revision& revision, Applied row, const Deadline& deadline);
  void revert(const Applied& row, const Deadline& deadline);
  Standing settle(const std::string& revision, const Deadline& deadline);
  void remove_leftovers(const Deadline& deadline);

 private:
  struct Work;
  enum class Direction { up, down };

  void need_lock(const Deadline& deadline);
  Work work_of(const Applied& row, Location from, Direction direction, const Deadline& deadline);
  void refuse_undecidable(const Work& work) const;
  void go(const Work& work, Progress& progress, const Deadline& deadline);
  void send(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline);
  void send_rows(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline);
  void send_statement(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline);
  void begin_unit(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline);
  void patiently(const Deadline& deadline, const std::function<void(const Deadline&)>& act);
  std::string blocker(const Deadline& deadline);
  Json look_at(const Unit& unit, const Deadline& deadline);
  std::string judge(const Unit& unit, const ProgressEntry& entry, bool& happened, const Deadline& deadline);
  Standing conclude(const Work& work, Progress& progress, std::size_t done, std::string text, const Deadline& deadline);
  void in_one_commit(const Deadline& deadline, const std::function<void()>& work);

  database::Session& session_;
  const database::Server& server_;
  const History& history_;
  const ExecutorOptions& options_;
};

}  // namespace deployer::migrations
