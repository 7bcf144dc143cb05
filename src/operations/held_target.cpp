#include "operations/held_target.h"

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/workspace.h"
#include "state/journal.h"
#include "state/journal_copy.h"
#include "state/server_lock.h"
#include "system/clock.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr Duration between_tries = std::chrono::seconds(1);

LockOwner owner_of(const App& app, const std::string& run, const Target& target) {
  return {run, host_name(), record_of_self().json(), rfc3339(app.clock.now()), target.folder.string()};
}

Error locked_error(const Target& target) {
  const std::optional<LockOwner> holder = TargetLock::holder(target);
  std::string who = "another run";
  if (holder && !holder->run.empty()) {
    who = "run " + holder->run + " on " + holder->host + " (pid " + std::to_string(holder->record.value("pid", 0)) +
          ", since " + holder->since + ")";
  }
  return Error(ErrorKind::locked, who + " holds the lock of " + target.name,
               "wait for it with --lock-timeout 5m; deployer lock list shows all locks");
}

OpenSession opener(const Pipeline& pipeline) {
  return [url = url_of(pipeline), project = pipeline.project](const Deadline& deadline) {
    return database::open(url, project, database::Access::create, deadline);
  };
}

/// A step that turns the server's `read_only` on and off.
bool changes_read_only(const Pipeline& pipeline) {
  for (const Step& step : pipeline.steps) {
    if (step.uses == "maintenance" && step.inputs.contains("database")) return true;
  }
  return false;
}

}  // namespace

struct HeldTarget::State {
  Target target;
  // Given back in the other order: the journal closes before the locks.
  std::optional<TargetLock> local;
  std::unique_ptr<ServerLock> server;
  std::optional<Journal> journal;
  std::string identity;  ///< of the server's database
  bool others_came_first = false;
};

HeldTarget::HeldTarget(App& app, const Pipeline& pipeline, const Target& target, const Request& request)
    : state_(new State{target, {}, {}, {}, {}}) {
  State& state = *state_;
  const Deadline patience = Deadline::after(request.lock_timeout, app.stop.stop());
  const auto say = [&](const std::string& line) {
    state.others_came_first = true;
    std::fprintf(stderr, "%s\n", app.redactor.clean(line).c_str());
  };
  const LockOwner owner = owner_of(app, request.run, target);
  state.local = TargetLock::take(target, owner, app.files, patience,
                                 [&](const LockOwner& holder) { say("waiting for run " + holder.run + " to end"); });
  if (!state.local) throw locked_error(target);
  const Deadline statements = Deadline::never(app.stop.stop());
  std::shared_ptr<JournalCopy> copy;
  if (has_database_server(pipeline)) {
    await_database_server(app, pipeline, request.server_patience);
    const auto user = app.environment.find("USER");
    ServerLock::Request wanted{opener(pipeline),
                               owner,
                               user == app.environment.end() ? "" : user->second,
                               target.name,
                               changes_read_only(pipeline),
                               say};
    state.server = ServerLock::take(std::move(wanted), patience);
    state.identity = target.identity;
    if (!state.server->died().empty()) state.others_came_first = true;
    copy = std::make_shared<JournalCopy>(opener(pipeline), state.server->epoch(), statements);
  }
  state.journal.emplace(Journal::open(target.folder, app.files, app.redactor, app.faults));
  if (!copy) return;
  agree(*state.journal, *copy, statements);
  state.journal->copy_into(std::move(copy));
}

HeldTarget::~HeldTarget() = default;

const Target& HeldTarget::target() const { return state_->target; }
Journal& HeldTarget::journal() { return *state_->journal; }
bool HeldTarget::others_came_first() const { return state_->others_came_first; }
bool HeldTarget::on_server() const { return state_->server != nullptr; }

std::shared_ptr<database::Session> HeldTarget::open_database(const Pipeline& pipeline, const Deadline& deadline) {
  if (!state_->server) return opener(pipeline)(deadline);
  // A server that was restarted has forgotten what the way forward relies on; the way back looks for itself.
  return state_->server->session(deadline, !state_->journal->is_rolling_back());
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

bool has_database_server(const Pipeline& pipeline) {
  return pipeline.database.contains("url") && database::dialect_of(url_of(pipeline).engine).server() != nullptr;
}

void await_database_server(App& app, const Pipeline& pipeline, Duration patience) {
  if (!has_database_server(pipeline)) return;
  const OpenSession open = opener(pipeline);
  const Deadline waiting = Deadline::after(patience, app.stop.stop());
  bool told = app.quiet;
  while (true) {
    try {
      open(Deadline::never(app.stop.stop()));
      return;
    } catch (const Error& failure) {
      if (failure.kind != ErrorKind::unavailable || waiting.expired()) throw;
      if (!std::exchange(told, true)) {
        std::fprintf(stderr, "waiting for the database, at most %s: %s\n", duration_text(patience).c_str(),
                     app.redactor.clean(failure.summary()).c_str());
      }
      if (!waiting.sleep(between_tries)) throw;
    }
  }
}

}  // namespace deployer
