#include "actions/migrate/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/server.h"
#include "database/server_health.h"
#include "system/files.h"

namespace deployer {

namespace {

using Status = CheckResult::Status;

constexpr std::size_t most_sessions_named = 3;

std::string count_of(std::size_t count, const std::string& one, const std::string& several) {
  return count == 1 ? "1 " + one : fmt::format("{} {}", count, several);
}

/// The first of them; one that stands in the way is enough to begin with.
std::string sessions_text(const std::vector<database::BlockingSession>& sessions) {
  std::vector<std::string> texts;
  for (const database::BlockingSession& session : sessions) {
    if (texts.size() == most_sessions_named) {
      texts.push_back(fmt::format("{} more", sessions.size() - texts.size()));
      break;
    }
    texts.push_back(session.text());
  }
  return join(texts, "; ");
}

std::string kill_hint(const std::vector<database::BlockingSession>& sessions, const std::string& else_hint) {
  for (const database::BlockingSession& session : sessions) {
    if (session.connection != 0) return fmt::format("{}, or end it: KILL {}", else_hint, session.connection);
  }
  return else_hint;
}

/// The checks of one database at one moment.
class Preflight {
 public:
  Preflight(database::Session& session, const TouchedTables& tables, const CheckLimits& limits,
            const std::filesystem::path& project, const Files& files, const Deadline& deadline)
      : session_(session),
        tables_(tables),
        limits_(limits),
        project_(project),
        files_(files),
        deadline_(deadline),
        server_(session.dialect().server()) {}

  std::vector<CheckResult> run() {
    if (server_ == nullptr) {
      check_disk_of_file();
    } else {
      const database::ServerHealth health = server_->health(session_, tables_.rebuilt, deadline_);
      check_disk_of_server(health);
      check_connections(health);
      check_transactions(health);
      check_lock_waits(health);
      check_replication(health);
      check_read_only(health);
      for (const std::string& unseen : health.unseen) add("privileges", Status::warning, "not seen: " + unseen);
    }
    check_integrity();
    return std::move(results_);
  }

 private:
  void add(const std::string& name, Status status, const std::string& message, const std::string& hint = {}) {
    results_.push_back({name, status, message, hint});
  }

  void check_room(std::uint64_t rebuilt, std::uint64_t free) {
    const auto needed = static_cast<std::uint64_t>(static_cast<double>(rebuilt) * limits_.disk_free);
    const std::string factor =
        fmt::format("{:g} times the {} that are rebuilt", limits_.disk_free, human_size(rebuilt));
    if (free >= needed) {
      add("disk_free", Status::ok, human_size(free) + " are free, and " + human_size(needed) + " are needed");
    } else {
      add("disk_free", Status::error,
          "the database's disk has " + human_size(free) + " free, and " + human_size(needed) + " are needed (" +
              factor + ")",
          "make room, or lower checks.disk_free");
    }
  }

  /// A file is written anew as a whole by what rewrites a table, and its log may grow as large.
  void check_disk_of_file() {
    const std::filesystem::path file = project_ / session_.url().file;
    const auto info = files_.info(file);
    check_room(tables_.touched.empty() || !info ? 0 : info->bytes, files_.free_space(file));
  }

  void check_disk_of_server(const database::ServerHealth& health) {
    std::uint64_t rebuilt = 0;
    for (const auto& [table, bytes] : health.table_bytes) rebuilt += bytes;
    if (health.free_bytes) return check_room(rebuilt, *health.free_bytes);
    const auto needed = static_cast<std::uint64_t>(static_cast<double>(rebuilt) * limits_.disk_free);
    if (needed == 0) return add("disk_free", Status::ok, "nothing is rebuilt");
    add("disk_free", Status::warning, "the free space of the server's disk is not known from here",
        "look there whether " + human_size(needed) + " are free");
  }

  void check_connections(const database::ServerHealth& health) {
    const std::string used = fmt::format("{} of {} connections are in use", health.connections, health.max_connections);
    const double most = static_cast<double>(health.max_connections) * limits_.max_connections / 100;
    if (static_cast<double>(health.connections) <= most) return add("max_connections", Status::ok, used);
    add("max_connections", Status::error, fmt::format("{}, more than {:g}%", used, limits_.max_connections),
        "find out who has them (SHOW PROCESSLIST), or raise max_connections of the server");
  }

  void check_transactions(const database::ServerHealth& health) {
    std::vector<database::BlockingSession> old;
    for (const database::BlockingSession& session : health.long_transactions) {
      if (session.since > limits_.long_transaction) old.push_back(session);
    }
    const std::string limit = duration_text(limits_.long_transaction);
    if (old.empty()) return add("long_transaction", Status::ok, "no transaction has been open longer than " + limit);
    add("long_transaction", Status::error,
        count_of(old.size(), "transaction has", "transactions have") + " been open longer than " + limit + ": " +
            sessions_text(old),
        kill_hint(old, "wait until it is over"));
  }

  void check_lock_waits(const database::ServerHealth& health) {
    const std::size_t waits = health.lock_waits.size();
    locks_are_waited_for_ = waits > 0;
    if (waits == 0) return add("lock_waits", Status::ok, "no session waits for a lock");
    const std::string text =
        count_of(waits, "session waits", "sessions wait") + " for a lock: " + sessions_text(health.lock_waits);
    if (waits <= limits_.lock_waits) return add("lock_waits", Status::ok, text);
    add("lock_waits", Status::error, text, kill_hint(health.long_transactions, "wait until who holds it is done"));
  }

  void check_replication(const database::ServerHealth& health) {
    if (health.replication_broken) {
      return add("replication_lag", Status::error, "the server is a replica, and its replication does not run",
                 "SHOW SLAVE STATUS says why");
    }
    if (!health.replication_lag) return add("replication_lag", Status::ok, "no replication is seen");
    const std::string lag = "the server is " + human_duration(*health.replication_lag) + " behind its primary";
    if (*health.replication_lag <= limits_.replication_lag) return add("replication_lag", Status::ok, lag);
    add("replication_lag", Status::error, lag + ", more than " + duration_text(limits_.replication_lag),
        "wait until it has caught up");
  }

  /// A server that is read-only stops no holder of the privilege.
  void check_read_only(const database::ServerHealth& health) {
    if (!health.read_only) return;
    try {
      server_->need_read_only(session_, deadline_);
      add("read_only", Status::ok, "the server is read-only, and this account may write all the same");
    } catch (const database::SqlError& error) {
      if (error.kind != ErrorKind::database) throw;
      add("read_only", Status::error, "the server is read-only: " + error.message,
          error.hint + ", or: SET GLOBAL read_only = 0");
    }
  }

  void check_integrity() {
    if (limits_.table_integrity == "off") return;
    if (locks_are_waited_for_) {
      return add("table_integrity", Status::warning, "not looked at, because it would wait for a lock, too");
    }
    const bool quick = limits_.table_integrity == "quick" && tables_.whole && server_ != nullptr;
    const std::vector<std::string> problems = quick ? server_->damaged_tables(session_, tables_.touched, deadline_)
                                                    : session_.dialect().integrity(session_, deadline_);
    if (problems.empty()) {
      return add("table_integrity", Status::ok, quick ? "the touched tables are whole" : "the database is whole");
    }
    add("table_integrity", Status::error, "the database is damaged: " + problems.front(), "restore a backup");
  }

  database::Session& session_;
  const TouchedTables& tables_;
  const CheckLimits& limits_;
  const std::filesystem::path& project_;
  const Files& files_;
  const Deadline& deadline_;
  const database::Server* server_;
  bool locks_are_waited_for_ = false;
  std::vector<CheckResult> results_;
};

}  // namespace

std::string_view name_of(CheckResult::Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::warning:
      return "warning";
    case Status::error:
      break;
  }
  return "error";
}

CheckLimits CheckLimits::from(const Json& checks) {
  CheckLimits limits;
  // The settings have looked at them: `2x`, `80%`.
  if (checks.contains("disk_free")) limits.disk_free = std::atof(checks["disk_free"].get<std::string>().c_str());
  if (checks.contains("max_connections")) {
    limits.max_connections = std::atof(checks["max_connections"].get<std::string>().c_str());
  }
  limits.long_transaction = Duration(checks.value("long_transaction", limits.long_transaction.count()));
  limits.lock_waits = checks.value("lock_waits", limits.lock_waits);
  limits.replication_lag = Duration(checks.value("replication_lag", limits.replication_lag.count()));
  limits.table_integrity = checks.value("table_integrity", limits.table_integrity);
  return limits;
}

std::vector<CheckResult> preflight(database::Session& session, const TouchedTables& tables, const CheckLimits& limits,
                                   const std::filesystem::path& project, const Files& files, const Deadline& deadline) {
  return Preflight(session, tables, limits, project, files, deadline).run();
}

std::vector<CheckResult> preflight(ActionContext& context, const TouchedTables& tables) {
  const CheckLimits limits = CheckLimits::from(context.pipeline().database.value("checks", Json::object()));
  return preflight(context.database(), tables, limits, context.pipeline().project, context.files(), context.deadline());
}

void pass_preflight(ActionContext& context, const std::vector<CheckResult>& results) {
  std::vector<std::string> problems;
  std::string hint;
  for (const CheckResult& result : results) {
    if (result.status == Status::warning)
      context.warn(result.message + (result.hint.empty() ? "" : " (" + result.hint + ")"));
    if (result.status != Status::error) continue;
    problems.push_back(result.message);
    if (hint.empty()) hint = result.hint;
  }
  if (!problems.empty()) throw Error(ErrorKind::failed, join(problems, "; "), hint);
}

}  // namespace deployer
