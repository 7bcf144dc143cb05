#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/session.h"
#include "migrations/executor.h"
#include "migrations/graph.h"

namespace deployer {
class Files;
}

namespace deployer::migrations {

/// What the rehearsal of one revision showed.
struct Rehearsed {
  std::string revision;
  bool reversible = false;        ///< it has a down section, which ran
  std::vector<std::string> lost;  ///< what its down did not bring back, a sentence each; lossy where any
  std::string down_error;         ///< the down section failed
  Duration up{0};
  Duration down{0};

  /// The down section was run, and brought everything back.
  bool proved() const { return reversible && lost.empty() && down_error.empty(); }
};

/// Runs revisions up, down and up again on a copy of the database in `scratch` (a folder that is made, and gone at the
/// end, whatever happens), and compares the schema's fingerprint and the row digests of all that was there before. Each
/// begins with what the one before it really leads to, also where that one's down is lossy or fails. Takes up to twice
/// the database's size. Error `failed` where an up section fails, with its message (`timed_out`, `cancelled` where it
/// was stopped); `invalid` for databases without `online_backup`.
std::vector<Rehearsed> rehearse(database::Session& session, const Graph& graph, const Ids& revisions,
                                const History& history, const ExecutorOptions& options,
                                const std::filesystem::path& scratch, Files& files, const Deadline& deadline);

}  // namespace deployer::migrations
