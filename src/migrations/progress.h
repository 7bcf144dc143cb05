#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/json.h"
#include "database/session.h"

namespace deployer::migrations {

/// How far a revision has come that is being applied or reverted on a server without transactional DDL.
struct ProgressEntry {
  std::string run_id;
  std::string revision;   ///< empty: none is in hand
  std::string direction;  ///< up or down
  std::int64_t statements_done = 0;
  std::int64_t in_hand = 0;     ///< the unit that was begun, from 1; 0: none
  std::string sql_digest = {};  ///< of its text
  Json evidence = nullptr;      ///< Server::evidence from before it
  std::int64_t epoch = 0;
};

/// The table `deployer_progress` in the migrated database: one row. Who writes it has raised its epoch before, under
/// the lock of the schema; a write of an older epoch changes nothing and is Error `failed`.
class Progress {
 public:
  static constexpr const char* table = "deployer_progress";

  /// The row; nothing where there is no table or row. Reads only.
  static std::optional<ProgressEntry> read(database::Session& session, const Deadline& deadline);

  /// Makes table and row where they are missing and raises the epoch by compare-and-set. The caller holds the lock of
  /// the schema on this session. Error `failed` where somebody else has raised it in between.
  Progress(database::Session& session, const Deadline& deadline);

  std::int64_t epoch() const { return epoch_; }
  const ProgressEntry& entry() const { return entry_; }

  /// Writes the row; within the caller's transaction, where one is open.
  void write(ProgressEntry entry, const Deadline& deadline);
  /// No revision is in hand any more.
  void clear(const Deadline& deadline) { write({}, deadline); }

 private:
  database::Session& session_;
  ProgressEntry entry_;
  std::int64_t epoch_ = 0;
};

}  // namespace deployer::migrations
