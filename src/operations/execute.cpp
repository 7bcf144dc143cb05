#include "operations/execute.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "actions/table.h"
#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/version.h"
#include "database/session.h"
#include "engine/engine.h"
#include "reporters/table.h"
#include "state/journal.h"
#include "state/run_log.h"
#include "system/clock.h"
#include "system/files.h"
#include "system/process.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

Engine make_engine(const Workspace& workspace) {
  App& app = workspace.app();
  const auto open_database = [](const Pipeline& pipeline, const Deadline& deadline) {
    return std::shared_ptr<database::Session>(
        database::open(url_of(pipeline), pipeline.project, database::Access::create, deadline));
  };
  EngineParts parts{app.files, app.processes, app.clock, app.redactor, open_database, app.environment};
  return Engine(std::move(parts), find_action, app.faults);
}

/// Whoever is told of a run: the reporter on standard output, and the run's log.
class Listeners {
 public:
  Listeners(const App& app, const Target& target, const std::string& run, bool report)
      : log_(target.folder, run, app.redactor) {
    if (report && !app.json) reporter_ = make_reporter(app.output, {app.quiet}, output_to(STDOUT_FILENO), app.redactor);
  }
  ~Listeners() {
    if (reporter_) reporter_->close();
    log_.close();
  }
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  std::vector<EventListener*> all() {
    std::vector<EventListener*> listeners = {&log_};
    if (reporter_) listeners.push_back(reporter_.get());
    return listeners;
  }

 private:
  RunLog log_;
  std::unique_ptr<EventListener> reporter_;
};

RunRequest request_of(const Workspace& workspace, const Target& target, const std::string& id) {
  RunRequest request;
  request.id = id;
  request.state_folder = target.folder;
  request.undo_grace = workspace.settings().duration("rollback_wait");
  request.confirmed = workspace.app().yes;
  const App& app = workspace.app();
  const auto user = app.environment.find("USER");
  request.started = {{"host", host_name()},
                     {"user", user == app.environment.end() ? "" : user->second},
                     {"version", std::string(version())},
                     {"revision", std::string(revision())}};
  return request;
}

/// Asks for what an action wants confirmed, where there is somebody to ask; else the refusal goes on.
void check_confirmed(Engine& engine, const Pipeline& pipeline, RunRequest& request, const App& app) {
  const Deadline deadline = Deadline::never(app.stop.stop());
  try {
    engine.check(pipeline, request, deadline);
  } catch (const Error& question) {
    if (question.kind != ErrorKind::confirmation || !app.ask || !app.ask(question.message)) throw;
    request.confirmed = true;
    engine.check(pipeline, request, deadline);
  }
}

void refuse_unsettled(const Journal& journal) {
  const std::vector<std::string> unsettled = journal.unsettled();
  if (unsettled.empty()) return;
  throw Error(ErrorKind::unsettled, "run " + unsettled.front() + " ended neither done nor undone",
              "deployer runs show " + unsettled.front() + " says what is left; then: deployer recover");
}

/// The document of a run as it was. One whose text had to be masked is read from the disk, if it is still the same.
std::vector<SourceFile> journalled_sources(const RunState& state, const Files& files) {
  std::vector<SourceFile> sources;
  for (const Json& source : state.started.value("sources", Json::array())) {
    SourceFile file{source.value("file", ""), source.value("text", ""), source.value("digest", "")};
    if (sha256_hex(file.text) != file.digest) {
      const std::string now = files.exists(file.file) ? files.read(file.file) : "";
      if (sha256_hex(now) != file.digest) {
        throw Error(ErrorKind::left_behind,
                    "the document " + file.file + " held a secret, which the journal does not keep, and it has changed",
                    "put it back as it was when the run began, then: deployer recover");
      }
      file.text = now;
    }
    sources.push_back(std::move(file));
  }
  return sources;
}

Pipeline rebuild(const Workspace& workspace, const RunState& state) {
  App& app = workspace.app();
  const Json& started = state.started;
  if (app.database_flag.empty()) app.database_flag = started.value("database_flag", "");
  LoadRequest request = workspace.request(started.value("file", ""));
  request.vars = started.value("vars", std::map<std::string, std::string>{});
  request.run_id = state.id;
  request.started_at = rfc3339(state.started_at);
  request.sources = journalled_sources(state, app.files);
  return workspace.load(request);
}

RunState recover_run(App& app, const Target& target, Journal& journal, const std::string& id) {
  RunState state = fold(journal.events(id));
  const Workspace workspace(app, state.project);
  const Pipeline pipeline = rebuild(workspace, state);
  if (workspace.target(pipeline).identity != target.identity) {
    throw Error(ErrorKind::left_behind,
                "run " + id + " worked on " + target.name + ", and its document now names another",
                "give the database it worked on: DATABASE_URL, or --database");
  }
  RunRequest request = request_of(workspace, target, id);
  request.confirmed = state.started.value("confirmed", false);
  Engine engine = make_engine(workspace);
  Listeners listeners(app, target, id, true);
  return engine.recover(pipeline, request, std::move(state), journal, listeners.all(), app.stop);
}

}  // namespace

LockOwner owner_of(const App& app, const std::string& run) {
  return {run, host_name(), record_of_self().json(), rfc3339(app.clock.now())};
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

std::vector<RunState> recover_target(App& app, const Target& target, Journal& journal) {
  std::vector<std::string> ids = journal.unfinished();
  for (const std::string& id : journal.unsettled()) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  // The newest first: an older one was begun before it and lies beneath it.
  std::sort(ids.rbegin(), ids.rend());
  std::vector<RunState> states;
  for (const std::string& id : ids) states.push_back(recover_run(app, target, journal, id));
  return states;
}

RunState execute(Workspace& workspace, const Execution& execution) {
  App& app = workspace.app();
  const std::string id = new_run_id(app.clock.now());
  const Pipeline pipeline = workspace.load(execution.document, id, rfc3339(app.clock.now()), execution.vars);
  for (const Diagnostic& warning : pipeline.warnings) {
    std::fprintf(stderr, "%s\n", app.redactor.clean(warning.text()).c_str());
  }
  const Target target = workspace.target(pipeline);
  RunRequest request = request_of(workspace, target, id);
  request.started["vars"] = execution.vars;
  request.started["database_flag"] = app.database_flag;
  request.started["target"] = target.identity;
  request.only = execution.only;
  request.skip = execution.skip;
  request.from = execution.from;
  request.rollback = execution.rollback;
  Engine engine = make_engine(workspace);
  check_confirmed(engine, pipeline, request, app);

  const std::optional<TargetLock> lock = TargetLock::take(
      target, owner_of(app, id), app.files, Deadline::after(execution.lock_timeout, app.stop.stop()),
      [&](const LockOwner& holder) { std::fprintf(stderr, "waiting for run %s to end\n", holder.run.c_str()); });
  if (!lock) throw locked_error(target);
  Journal journal = Journal::open(target.folder, app.files, app.redactor, app.faults);
  if (!journal.unfinished().empty()) recover_target(app, target, journal);
  refuse_unsettled(journal);
  if (!journal.take_ballast()) {
    throw Error(ErrorKind::no_space, "there is no room in " + target.folder.string() + " to journal a run",
                "the journal keeps 8 MiB free for a rollback; make room and run it again");
  }
  Listeners listeners(app, target, id, execution.report);
  return engine.run(pipeline, request, journal, listeners.all(), app.stop);
}

}  // namespace deployer
