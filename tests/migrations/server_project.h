#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "database/row_digest.h"
#include "database/session.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "project.h"

namespace deployer::migrations {

/// What a schema holds: structure and rows.
struct ServerPicture {
  std::string fingerprint;
  std::map<std::string, database::RowDigest> rows;
  bool operator==(const ServerPicture&) const = default;
};

/// Revision files, and schemas of the tests' MariaDB server to apply them to.
class ServerProject : public Project {
 public:
  /// The URL of a new, empty schema.
  static std::string new_schema();
  /// A session to it; the lock of the schema is taken where `locked`, waiting for it as long as it takes.
  static std::unique_ptr<database::Session> connect(const std::string& url, bool locked = true);
  Graph server_graph() const;
  std::map<std::string, Applied> rows(database::Session& session) const;
  std::set<std::string> ids(database::Session& session) const;
  void apply(database::Session& session, const std::string& id, const Deadline& deadline = Deadline::never()) const;
  void revert(database::Session& session, const std::string& id, const Deadline& deadline = Deadline::never()) const;
  Standing settle(database::Session& session, const std::string& id) const;
  static ServerPicture picture(database::Session& session);
};

/// Runs each statement of a script that the mariadb client would take, over its own session.
void run_script(database::Session& session, const std::string& sql);

}  // namespace deployer::migrations
