#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"

namespace deployer::database {

/// A session that stands in the way, or may.
struct BlockingSession {
  std::uint64_t connection = 0;
  std::string user;
  std::string host;
  Duration since{0};
  std::string statement;  ///< what it runs or ran last, in one line, at most 200 bytes; empty where it is not shown
  std::string waits_for;  ///< the table or session, where it waits

  /// `connection 17 (app@10.0.0.5, 84 s): UPDATE …`
  std::string text() const;
};

/// How a server is at one moment, for the checks before an upgrade. What the user may not see is named in `unseen`,
/// with the GRANT to give.
struct ServerHealth {
  std::uint64_t connections = 0;
  std::uint64_t max_connections = 0;
  std::vector<BlockingSession> long_transactions;  ///< open transactions, oldest first
  std::vector<BlockingSession> lock_waits;         ///< sessions that wait for a row or metadata lock
  std::optional<Duration> replication_lag;         ///< of this server as a replica; nothing: it is none
  bool replication_broken = false;
  bool applies_replication = false;  ///< as a replica it writes what its primary wrote; read_only does not stop that
  bool read_only = false;
  std::map<std::string, std::uint64_t> table_bytes;  ///< of the asked tables: data and indexes
  std::optional<std::uint64_t> free_bytes;           ///< of the server's disk; nothing where it cannot be known
  std::vector<std::string> unseen;
};

}  // namespace deployer::database
