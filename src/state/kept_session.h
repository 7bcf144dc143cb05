#pragma once

#include <functional>
#include <memory>

#include "base/deadline.h"

namespace deployer {

namespace database {
class Session;
}

/// Opens a session on the target's database server. Throws Error.
using OpenSession = std::function<std::unique_ptr<database::Session>(const Deadline&)>;

/// A session of one thread that another thread keeps from being closed by the server for idleness.
class KeptSession {
 public:
  explicit KeptSession(std::unique_ptr<database::Session> session);
  ~KeptSession();
  KeptSession(const KeptSession&) = delete;
  KeptSession& operator=(const KeptSession&) = delete;

  /// The session, for its one thread. It lives as long as somebody has it.
  const std::shared_ptr<database::Session>& session() const { return session_; }
  /// Asks the server for nothing, if nobody has used the session for `idle`. Any thread; never waits for a statement
  /// that is running. What goes wrong is found by whoever uses the session next.
  void keep_alive(Duration idle);

 private:
  class Shared;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<database::Session> session_;
};

}  // namespace deployer
