#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/json.h"
#include "state/server_lock.h"

namespace deployer {

/// A row of `deployer_lock`: one a schema.
struct ServerLockRow {
  LockOwner owner;  ///< `owner.run` and `owner.record` are empty where it was given back
  std::string user;
  std::int64_t epoch = 0;
  std::string lease;
  bool lease_over = true;  ///< by the server's clock, when it was read
  Json server;             ///< ServerIdentity of the server that its owner took it on
  bool mine = false;       ///< the session that read it holds the user-level lock: it was answered where that is

  bool is_free() const { return owner.record.is_null(); }
  /// Whether its owner lives: nothing where that cannot be seen from here.
  std::optional<bool> is_alive() const;
  /// Whether it must be waited for.
  bool is_held() const;
};

/// Makes one of deployer's tables where it is missing. A missing privilege is Error `database` with the GRANT to give.
void make_server_table(database::Session& session, const char* table, const Deadline& deadline);

/// Nothing where there is no row yet.
std::optional<ServerLockRow> read_lock_row(database::Session& session, const Deadline& deadline);
/// Makes `row` the owner if the epoch is still `row.epoch - 1`. False if somebody else came first.
bool claim_lock_row(database::Session& session, const ServerLockRow& row, const Deadline& deadline);
/// Moves the lease on while the epoch is `epoch`. False if it is another one.
bool renew_lock_row(database::Session& session, std::int64_t epoch, const Deadline& deadline);
void record_lock_server(database::Session& session, std::int64_t epoch, const Json& server, const Deadline& deadline);
/// Gives it back, unless it has another epoch.
void free_lock_row(database::Session& session, std::int64_t epoch, const Deadline& deadline);

/// In a transaction of the session: keeps the epoch from being raised until that ends. Error `left_behind` where it is
/// another one than `epoch`: somebody else has taken the target over.
void hold_epoch(database::Session& session, std::int64_t epoch, const Deadline& deadline);
/// That Error.
Error lost_lock(const std::optional<ServerLockRow>& now);

}  // namespace deployer
