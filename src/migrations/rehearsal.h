#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "database/session.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "system/machine.h"

namespace deployer::migrations {

/// What the rehearsal of one revision showed.
struct Rehearsed {
  std::string revision;
  bool reversible = false;        ///< it has a down section, which ran
  std::vector<std::string> lost;  ///< what its down did not bring back, a sentence each; lossy where any
  std::string down_error;         ///< the down section failed
  /// Why the rows were not there as they are in the database; then nothing is known of what becomes of them.
  std::string without_rows;
  Duration up{0};
  Duration down{0};

  bool with_rows() const { return without_rows.empty(); }
  /// The down section was run on the database's own rows, and brought everything back.
  bool proved() const { return reversible && lost.empty() && down_error.empty() && with_rows(); }
  /// Why it is not proved, in words for people; empty where it is.
  std::string why_unproved() const;
};

/// Where a rehearsal takes place.
struct RehearsalPlace {
  std::filesystem::path scratch;  ///< a folder that is made, and gone at the end, whatever happens
  Machine machine;
  /// Bytes of rows and indexes above which the definitions alone are copied (`migrations.rehearse_limit`).
  std::uint64_t row_limit = std::uint64_t{2} << 30U;
  /// Told of each revision as soon as it is done.
  std::function<void(const Rehearsed&)> on_rehearsed = nullptr;
};

/// An up section that fails in its rehearsal: Error `failed`.
struct RehearsalFailed : Error {
  RehearsalFailed(std::string id, const Error& error);
  std::string revision;
};

/// Runs revisions up, down and up again on a copy of the database, and compares the schema's fingerprint and the row
/// digests of all that was there before. Each begins with what the one before it really leads to, also where that one's
/// down is lossy or fails. A file is copied into `scratch`; a server's schema is dumped and loaded into a sandbox,
/// where a revision can reach nothing else. Takes up to twice the database's size. Errors: RehearsalFailed;
/// `timed_out`, `cancelled`; `invalid` for a statement that a revision may not hold; `failed`, `no_space` where the
/// database cannot be copied; `missing_tool` as of Sandbox::start; SqlError of the live session.
std::vector<Rehearsed> rehearse(database::Session& session, const Graph& graph, const Ids& revisions,
                                const History& history, const ExecutorOptions& options, const RehearsalPlace& place,
                                const Deadline& deadline);

}  // namespace deployer::migrations
