#pragma once

#include <memory>
#include <string>

#include "base/deadline.h"
#include "operations/app.h"
#include "pipeline/pipeline.h"
#include "state/target.h"

namespace deployer {

class Journal;
namespace database {
class Session;
struct Url;
}  // namespace database

/// A target that is ours alone for as long as this lives: its lock on this machine, then its lock on its database
/// server, where it has one, then its journal, which by then agrees with the copy in the database and goes into it.
class HeldTarget {
 public:
  struct Request {
    std::string run;              ///< id; empty for a recovery
    Duration lock_timeout{0};     ///< how long a run that lives is waited for
    Duration server_patience{0};  ///< how long a server that cannot be reached is waited for
  };

  /// `pipeline` says how its database is reached. Says on standard error who is waited for. Error `locked` with the
  /// name of a run that lives, `unsettled` where a run died whose journal is in another state folder and in no
  /// database.
  HeldTarget(App& app, const Pipeline& pipeline, const Target& target, const Request& request);
  ~HeldTarget();
  HeldTarget(const HeldTarget&) = delete;
  HeldTarget& operator=(const HeldTarget&) = delete;

  const Target& target() const;
  Journal& journal();
  /// Another run was waited for, or its place was taken over.
  bool others_came_first() const;
  /// True where the lock is a database server's: there may be runs of other machines in the journal.
  bool on_server() const;
  /// The run's session: the one that holds the lock, where the database is a server.
  std::shared_ptr<database::Session> open_database(const Pipeline& pipeline, const Deadline& deadline);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// This machine's name.
std::string host_name();

/// Whether a pipeline's database is a server, which has the lock and a copy of the journal.
bool has_database_server(const Pipeline& pipeline);

/// Waits until the database server of a pipeline can be reached, at most `patience`; tries at least once. Does nothing
/// where it has none.
void await_database_server(App& app, const Pipeline& pipeline, Duration patience);

}  // namespace deployer
