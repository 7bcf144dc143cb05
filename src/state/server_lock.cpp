#include "state/server_lock.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "database/dialect.h"
#include "database/server.h"
#include "state/server_lock_row.h"

namespace deployer {

namespace {

using database::Server;
using database::ServerIdentity;
using database::Session;

constexpr Duration lock_look = std::chrono::milliseconds(200);   ///< between two looks at a row that is held
constexpr Duration takeover_look = std::chrono::seconds(2);      ///< between two lines on what it is doing
constexpr Duration ping_after = std::chrono::seconds(30);        ///< of a wait_timeout of 120 s
constexpr Duration farewell_patience = std::chrono::seconds(3);  ///< for giving the lock back
constexpr Duration nameless_patience = std::chrono::seconds(1);  ///< for a name of who holds it
constexpr Duration renewal_patience = std::chrono::seconds(8);

const Server& server_of(const Session& session) { return *session.dialect().server(); }

void prepare_lock_session(Session& session, const Deadline& deadline) {
  session.execute("SET SESSION autocommit = 1", deadline);
  server_of(session).prepare_for_statements(session, Duration(0), deadline);
}

std::string owner_words(const ServerLockHolder& holder) {
  if (holder.owner.host.empty()) return "somebody who is not named";
  std::string words = holder.owner.run.empty() ? "a recovery" : "run " + holder.owner.run;
  words += " on " + holder.owner.host;
  if (holder.owner.record.is_object()) words += fmt::format(" (pid {}", holder.owner.record.value("pid", 0));
  if (!holder.user.empty()) words += ", user " + holder.user;
  return words + ", since " + holder.owner.since + ")";
}

ServerLockHolder holder_of(Session& session, const ServerLockRow& row, const Deadline& deadline) {
  ServerLockHolder holder;
  if (row.is_held()) {
    holder.owner = row.owner;
    holder.user = row.user;
    holder.lease = row.lease;
    holder.alive = row.is_alive();
  }
  if (const auto connection = server_of(session).lock_holder(session, deadline)) {
    holder.activity = server_of(session).activity(session, *connection, deadline);
  }
  return holder;
}

Error held_error(const ServerLockHolder& holder, const std::string& target) {
  const std::string doing = holder.activity.empty() ? "" : "; the server is doing: " + holder.activity;
  return Error(ErrorKind::locked, owner_words(holder) + " holds the lock of " + target + doing,
               "wait for it with --lock-timeout 5m; deployer lock list shows all locks");
}

Error split_reads() {
  return Error(ErrorKind::left_behind, "a question was answered by another server than the one that holds the lock",
               "a proxy that splits reads stands between; give the URL of the server itself");
}

/// The way to a lock that may be held by one that lives, or by one that does not.
class Taking {
 public:
  Taking(const ServerLock::Request& request, Session& session, const Deadline& patience)
      : request_(request),
        session_(session),
        patience_(patience),
        statements_(Deadline::never(patience.stop())),
        server_(server_of(session)) {}

  /// The row as it is ours now; `died` is the run that it named before.
  ServerLockRow take(std::string& died) {
    make_server_table(session_, "deployer_lock", statements_);
    while (true) {
      if (!server_.take_lock(session_, Duration(0), statements_)) {
        const auto held = read_lock_row(session_, statements_);
        const bool is_of_dead = held && !held->is_free() && !held->is_held();
        // Where nobody is written there, somebody is just taking it or giving it back.
        if (!is_of_dead) wait(held.value_or(ServerLockRow()));
        if (!is_of_dead || !take_over()) continue;
      }
      const ServerLockRow row = proved_row();
      if (row.is_held()) {
        // It is between two sessions of one that lives.
        server_.release_lock(session_, statements_);
        wait(row);
        continue;
      }
      if (const std::optional<ServerLockRow> claimed = claim(row)) {
        if (!row.is_free()) died = row.owner.run;
        return *claimed;
      }
      server_.release_lock(session_, statements_);
    }
  }

 private:
  /// Until it is worth another look; Error `locked` where the patience is over.
  void wait(const ServerLockRow& row) {
    const bool named = row.is_held();
    if (!named && !nameless_) nameless_ = Deadline::after(nameless_patience);
    if (patience_.cancelled()) patience_.check("waiting for the lock of " + request_.target);
    if (patience_.expired() && (named || nameless_->expired())) {
      throw held_error(holder_of(session_, row, statements_), request_.target);
    }
    if (named && !told_) {
      say("waiting for " + (row.owner.run.empty() ? "a recovery" : "run " + row.owner.run) + " to end");
      told_ = true;
    }
    (void)statements_.sleep(lock_look);
  }

  /// Waits for the end of what the server still does for a dead owner; true when the lock is ours.
  bool take_over() {
    const std::optional<std::uint64_t> connection = server_.lock_holder(session_, statements_);
    if (server_.take_lock(session_, request_.takeover_grace, statements_)) return true;
    while (true) {
      const std::optional<ServerLockRow> row = read_lock_row(session_, statements_);
      if (!row || row->is_free() || row->is_held()) return false;
      // Another one who takes over may have come first, and not have written so yet: only the one that was there.
      if (!connection || server_.lock_holder(session_, statements_) != connection) return false;
      end(*connection, row->owner);
      if (server_.take_lock(session_, takeover_look, statements_)) return true;
    }
  }

  void end(std::uint64_t connection, const LockOwner& owner) {
    const std::string doing = server_.activity(session_, connection, statements_);
    say("run " + owner.run + " on " + owner.host + " died, and the server goes on for it: " + doing);
    try {
      server_.end_connection(session_, connection, statements_);
    } catch (const database::SqlError& refused) {
      if (refused.kind != ErrorKind::database) throw;
      say("its connection may not be ended, so that is waited for: " + refused.summary());
    }
  }

  ServerLockRow proved_row() {
    const std::optional<ServerLockRow> row = read_lock_row(session_, statements_);
    if (!row) return {};
    if (!row->mine) throw split_reads();
    return *row;
  }

  std::optional<ServerLockRow> claim(const ServerLockRow& before) {
    ServerLockRow row = before;
    row.owner = request_.owner;
    row.user = request_.user;
    row.epoch = before.epoch + 1;
    row.server = server_.identity(session_, statements_).json();
    if (!claim_lock_row(session_, row, statements_)) return std::nullopt;
    const ServerLockRow written = proved_row();
    if (written.epoch != row.epoch) return std::nullopt;
    return row;
  }

  void say(const std::string& line) const {
    if (request_.say) request_.say(line);
  }

  const ServerLock::Request& request_;
  Session& session_;
  const Deadline& patience_;
  Deadline statements_;
  const Server& server_;
  std::optional<Deadline> nameless_;
  bool told_ = false;
};

}  // namespace

struct ServerLock::State {
  Request request;
  std::shared_ptr<KeptSession> kept;
  bool handed_out = false;
  ServerIdentity server;
  std::int64_t epoch = 0;
  std::string died;

  std::mutex mutex;  ///< of `kept` between the run's thread and ours
  std::condition_variable_any stopping;
  std::jthread keeper;

  void keep(const std::stop_token& quit) {
    std::unique_ptr<Session> own;
    bool told = false;
    std::unique_lock lock(mutex);
    while (!stopping.wait_for(lock, quit, request.renew_every, [&] { return quit.stop_requested(); })) {
      if (quit.stop_requested()) return;
      const std::shared_ptr<KeptSession> run_session = kept;
      lock.unlock();
      if (run_session) run_session->keep_alive(ping_after);
      try {
        const Deadline deadline = Deadline::after(renewal_patience, quit);
        if (!own) own = request.open(deadline);
        const bool still_ours = renew_lock_row(*own, epoch, deadline);
        if (!still_ours && !std::exchange(told, true)) {
          log(LogLevel::warning, "the lock of " + request.target + " in the database has been taken over");
        }
      } catch (const Error& failure) {
        own.reset();
        log(LogLevel::debug, "the lease of " + request.target + " could not be renewed: " + failure.summary());
      }
      lock.lock();
    }
  }

  void check_server(Session& session, bool restart_ends, const Deadline& deadline) {
    const ServerIdentity now = server_of(session).identity(session, deadline);
    if (now.host != server.host) {
      throw Error(ErrorKind::left_behind,
                  "another database server answers: " + now.host + ", and the run began on " + server.host,
                  "look which of them holds the truth; then, with its URL: deployer recover");
    }
    if (now.read_only != server.read_only && !request.changes_read_only) {
      throw Error(ErrorKind::left_behind,
                  fmt::format("the database server is {} now, and was {} when the run began",
                              now.read_only ? "read-only" : "not read-only", server.read_only ? "it" : "not"),
                  "find out who changed read_only, and why; then: deployer recover");
    }
    if (restart_ends && !now.is_same_start(server)) {
      throw Error(ErrorKind::failed, "the database server was restarted while the run was under way");
    }
  }

  void take_again(Session& session, std::uint64_t old, bool same_start, const Deadline& deadline) {
    const Server& product = server_of(session);
    if (product.take_lock(session, grace_within(deadline), deadline)) return;
    // A number of before a restart is somebody else's by now.
    if (same_start && product.lock_holder(session, deadline) == old) product.end_connection(session, old, deadline);
    while (!product.take_lock(session, takeover_look, deadline)) {
      const std::optional<ServerLockRow> row = read_lock_row(session, deadline);
      if (!row || row->epoch != epoch) throw lost_lock(row);
      const auto holder = product.lock_holder(session, deadline);
      if (holder && request.say) {
        request.say("the server still works on what was interrupted: " + product.activity(session, *holder, deadline));
      }
      deadline.check("taking the lock of " + request.target + " again");
    }
  }

  Duration grace_within(const Deadline& deadline) const {
    return std::min(request.takeover_grace, deadline.left().value_or(request.takeover_grace));
  }
};

ServerLock::ServerLock(std::unique_ptr<State> state) : state_(std::move(state)) {}

std::unique_ptr<ServerLock> ServerLock::take(Request request, const Deadline& patience) {
  const Deadline statements = Deadline::never(patience.stop());
  std::unique_ptr<Session> session = request.open(statements);
  prepare_lock_session(*session, statements);
  auto state = std::make_unique<State>();
  state->request = std::move(request);
  const ServerLockRow row = Taking(state->request, *session, patience).take(state->died);
  state->epoch = row.epoch;
  state->server = ServerIdentity::from(row.server);
  state->kept = std::make_shared<KeptSession>(std::move(session));
  State& shared = *state;
  state->keeper = std::jthread([&shared](const std::stop_token& quit) { shared.keep(quit); });
  return std::unique_ptr<ServerLock>(new ServerLock(std::move(state)));
}

ServerLock::~ServerLock() {
  state_->keeper.request_stop();
  state_->keeper.join();
  const Deadline deadline = Deadline::after(farewell_patience);
  const auto farewell = [&](Session& session) { free_lock_row(session, state_->epoch, deadline); };
  try {
    if (state_->kept) {
      Session& session = *state_->kept->session();
      farewell(session);
      // Not left to the end of the connection: the server notices that a moment later than whoever comes next.
      server_of(session).release_lock(session, deadline);
    }
  } catch (const Error&) {
    try {
      farewell(*state_->request.open(deadline));
    } catch (const Error& failure) {
      log(LogLevel::warning,
          "the lock of " + state_->request.target +
              " could not be given back in the database, and ends with its lease: " + failure.summary());
    }
  }
}

std::shared_ptr<Session> ServerLock::session(const Deadline& deadline, bool restart_ends) {
  State& state = *state_;
  if (!std::exchange(state.handed_out, true)) return state.kept->session();
  std::unique_ptr<Session> fresh = state.request.open(deadline);
  prepare_lock_session(*fresh, deadline);
  state.check_server(*fresh, restart_ends, deadline);
  const ServerIdentity now = server_of(*fresh).identity(*fresh, deadline);
  const std::uint64_t old = state.kept ? state.kept->session()->server().connection_id : 0;
  {
    const std::lock_guard lock(state.mutex);
    state.kept.reset();
  }
  state.take_again(*fresh, old, now.is_same_start(state.server), deadline);
  const std::optional<ServerLockRow> row = read_lock_row(*fresh, deadline);
  if (!row || row->epoch != state.epoch) throw lost_lock(row);
  if (!row->mine) throw split_reads();
  if (!now.is_same_start(state.server)) record_lock_server(*fresh, state.epoch, now.json(), deadline);
  const std::lock_guard lock(state.mutex);
  state.server = now;
  state.kept = std::make_shared<KeptSession>(std::move(fresh));
  return state.kept->session();
}

std::int64_t ServerLock::epoch() const { return state_->epoch; }
const std::string& ServerLock::died() const { return state_->died; }

std::optional<ServerLockHolder> ServerLock::holder(Session& session, const Deadline& deadline) {
  if (!session.dialect().has_table(session, "deployer_lock", deadline)) return std::nullopt;
  const std::optional<ServerLockRow> row = read_lock_row(session, deadline);
  ServerLockHolder holder = holder_of(session, row.value_or(ServerLockRow()), deadline);
  if (holder.owner.host.empty() && holder.activity.empty()) return std::nullopt;
  return holder;
}

}  // namespace deployer
