#pragma once

#include "database/server.h"

namespace deployer::database {

/// MariaDB as a server, and MySQL as far as it is the same. The bodies stand by subject: locks.cpp, evidence.cpp,
/// binary_log.cpp, health.cpp, unreadable.cpp, dump.cpp.
class MariaDbServer : public Server {
 public:
  std::string lock_name(const Session& session) const override;
  bool take_lock(Session& session, Duration wait, const Deadline& deadline) const override;
  void release_lock(Session& session, const Deadline& deadline) const override;
  std::optional<std::uint64_t> lock_holder(Session& session, const Deadline& deadline) const override;
  void end_connection(Session& session, std::uint64_t connection, const Deadline& deadline) const override;
  std::string activity(Session& session, std::uint64_t connection, const Deadline& deadline) const override;

  ServerIdentity identity(Session& session, const Deadline& deadline) const override;
  void prepare_for_statements(Session& session, Duration lock_wait, const Deadline& deadline) const override;

  Json evidence(Session& session, const std::vector<std::string>& names, const Deadline& deadline) const override;
  bool sees_table_ids(Session& session, const Deadline& deadline) const override;

  std::string log_position(Session& session, const Deadline& deadline) const override;
  OthersWrites others_writes(Session& session, const std::string& from, const Deadline& deadline) const override;

  void set_read_only(Session& session, bool on, const Deadline& deadline) const override;
  void need_read_only(Session& session, const Deadline& deadline) const override;
  std::vector<std::string> active_events(Session& session, const Deadline& deadline) const override;
  ServerHealth health(Session& session, const std::vector<std::string>& tables,
                      const Deadline& deadline) const override;
  std::vector<std::string> damaged_tables(Session& session, const std::vector<std::string>& tables,
                                          const Deadline& deadline) const override;

  std::vector<std::string> drop_unreadable(Session& session, const std::vector<std::string>& tables,
                                           const Deadline& deadline) const override;
  Dumped dump(Session& session, const DumpOptions& options, const Machine& machine, const Deadline& deadline,
              const std::function<void(std::string_view)>& write) const override;
};

}  // namespace deployer::database
