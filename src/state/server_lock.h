#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "state/kept_session.h"
#include "state/target.h"

namespace deployer {

/// Who has a target on its database server, as far as can be told from here.
struct ServerLockHolder {
  LockOwner owner;  ///< `owner.run` is empty where nobody has written who it is
  std::string user;
  std::string lease;          ///< RFC 3339 by the server's clock: until then it is believed to live
  std::optional<bool> alive;  ///< nothing: its process cannot be seen from here
  std::string activity;       ///< what the server is doing on its connection; empty: nothing is held there
};

/// The lock of a target on its database server: a user-level lock (database/server.h) on the very session that runs the
/// statements, so that it is free only when the last of them has ended, and a row of the table `deployer_lock` of the
/// schema: who has it, an epoch that each new owner raises by one, and a lease of 60 s by the server's clock, which a
/// thread of ours renews every 10 s over a session of its own. So two checkouts, two users and two machines meet.
///
/// An owner lives if its process does, where that can be seen (same boot, same pid namespace), else while its lease is
/// not over: pids decide nothing across namespaces and hosts. An owner that does not live is taken over: what the
/// server still does for it is waited for, 5 s, then its connection is ended, and only when that has gone the epoch is
/// raised. Whoever finds another epoch than his own has been taken over, and does nothing more.
class ServerLock {
 public:
  struct Request {
    OpenSession open;
    LockOwner owner;  ///< with `journal`
    std::string user;
    std::string target;  ///< its name, for people
    /// The pipeline itself turns `read_only` on and off: a change of it is none of the server's.
    bool changes_read_only = false;
    /// Told, a line each, who is waited for and what the server is doing for one that is taken over.
    std::function<void(const std::string&)> say = {};
    Duration renew_every = std::chrono::seconds(10);
    /// How long the server may go on with what it does for an owner that died, before its connection is ended.
    Duration takeover_grace = std::chrono::seconds(5);
  };

  /// Takes it, waiting until `patience` is over for an owner that lives; then Error `locked` with its name. One that
  /// does not live is taken over, however long that takes (until a stop is requested). Makes the table where it is
  /// missing; where that is not allowed, the Error's hint is the GRANT.
  static std::unique_ptr<ServerLock> take(Request request, const Deadline& patience);
  /// Who has it; nothing if it is free. Makes nothing.
  static std::optional<ServerLockHolder> holder(database::Session& session, const Deadline& deadline);

  /// Gives it back. Where the server cannot be told, its row stays and ends with its lease.
  ~ServerLock();
  ServerLock(const ServerLock&) = delete;
  ServerLock& operator=(const ServerLock&) = delete;

  /// The session that holds it, for the run's one thread: the first time the one that took it, and whenever it is asked
  /// for again, because the last one is broken, another one that has taken it over. `restart_ends`: a server that was
  /// restarted since is Error `failed`; else it is taken as it is now. Error `left_behind` where another owner has
  /// taken it over meanwhile, where another server answers, or where the server's `read_only` has changed.
  std::shared_ptr<database::Session> session(const Deadline& deadline, bool restart_ends);

  /// Raised by each owner.
  std::int64_t epoch() const;
  /// The run that died with it; empty where its last owner ended well.
  const std::string& died() const;

 private:
  struct State;
  explicit ServerLock(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deployer
