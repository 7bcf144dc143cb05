#include "operations/execute.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "actions/table.h"
#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/text.h"
#include "base/version.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/held_target.h"
#include "reporters/table.h"
#include "state/journal.h"
#include "state/run_log.h"
#include "system/clock.h"
#include "system/files.h"
#include "system/process.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

/// `held` points at the target's lock once it is ours: from then on the session that holds it is the run's.
Engine make_engine(const Workspace& workspace, const std::shared_ptr<HeldTarget*>& held) {
  App& app = workspace.app();
  const auto open_database = [held](const Pipeline& pipeline, const Deadline& deadline) {
    if (*held != nullptr) return (*held)->open_database(pipeline, deadline);
    return std::shared_ptr<database::Session>(
        database::open(url_of(pipeline), pipeline.project, database::Access::create, deadline));
  };
  EngineParts parts{app.files, app.processes, app.clock, app.redactor, open_database, app.environment};
  return Engine(std::move(parts), find_action, app.faults);
}

/// An Error in one line: what its diagnostics say, else its message.
std::string reason_of(const Error& error) {
  std::vector<std::string> parts;
  for (const Diagnostic& diagnostic : error.diagnostics) {
    if (diagnostic.level == Level::error) parts.push_back(diagnostic.at.text() + ": " + diagnostic.message);
  }
  return parts.empty() ? error.summary() : join(parts, "; ");
}

/// Whoever is told of a run: the reporter on standard output, and the run's log.
class Listeners {
 public:
  Listeners(const App& app, const Target& target, const std::string& run, bool report)
      : log_(target.folder, run, app.redactor) {
    if (report && !app.json)
      reporter_ = make_reporter(app.output, {app.quiet, app.color}, output_to(STDOUT_FILENO), app.redactor);
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

constexpr Duration connectivity_patience = std::chrono::seconds(30);  // as that step has it (actions/connectivity.cpp)

/// How long the database server is waited for before the run begins: as long as its first step would that waits for it.
Duration patience_of(const Pipeline& pipeline, const std::vector<std::string>& skip) {
  for (const Step& step : pipeline.steps) {
    const bool waits = step.uses == "connectivity" && step.inputs.value("database", false);
    if (!waits || std::find(skip.begin(), skip.end(), step.id) != skip.end()) continue;
    return step.timeout.value_or(connectivity_patience);
  }
  return Duration(0);
}

constexpr std::string_view masked = "***";

/// Where a recovered run worked. A path that holds a secret is not in the journal: then the project in which `recover`
/// runs stands for it, and the masks tell whether it is that one. Where the run's folder is not here, or not ours to
/// read, `checkout` stands for it, if there is one: on machines of a CI, its path is another one each time.
class RunPlace {
 public:
  RunPlace(const App& app, const RunState& state, const std::filesystem::path& checkout)
      : recorded_(state.project), project_(state.project) {
    if (recorded_.find(masked) != std::string::npos) {
      project_ = find_project(app.cwd, app.project_flag, app.files).string();
    } else if (!checkout.empty() &&
               (state.started.value("host", "") != host_name() || access(recorded_.c_str(), R_OK | X_OK) != 0)) {
      project_ = checkout.string();
      is_checkout_ = true;
    }
  }

  const std::string& project() const { return project_; }

  /// A path of the journal as it is on the disk.
  std::string path(const std::string& recorded) const {
    if (!recorded.starts_with(recorded_)) return recorded;
    return project_ + recorded.substr(recorded_.size());
  }

  /// After the document was loaded and its secrets are known.
  void check(const Redactor& redactor) const {
    if (is_checkout_ || redactor.clean(redactor.by_name(std::string_view(project_))) == recorded_) return;
    throw Error(ErrorKind::left_behind,
                "the run's folder " + recorded_ + " holds a secret, which the journal does not keep",
                "deployer -C FOLDER recover, with the folder that it was run in");
  }

 private:
  std::string recorded_;
  std::string project_;
  bool is_checkout_ = false;
};

/// The document of a run as it was. One whose text had to be masked is read from the disk, if it is still the same.
std::vector<SourceFile> journalled_sources(const RunState& state, const RunPlace& place, const Files& files) {
  std::vector<SourceFile> sources;
  for (const Json& source : state.started.value("sources", Json::array())) {
    SourceFile file{place.path(source.value("file", "")), source.value("text", ""), source.value("digest", "")};
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

/// The flags of a run as they were. What was masked in them must be given again.
std::map<std::string, std::string> journalled_vars(const RunState& state) {
  const auto vars = state.started.value("vars", std::map<std::string, std::string>{});
  for (const auto& [name, value] : vars) {
    if (value.find(masked) == std::string::npos) continue;
    throw Error(
        ErrorKind::left_behind,
        "the run was given --var " + name + " with a secret in it, which the journal does not keep",
        "undo it by hand as deployer runs show " + state.id + " says; give secrets by `secrets:` in the document");
  }
  return vars;
}

std::string journalled_database_flag(const RunState& state, const std::string& given) {
  if (!given.empty()) return given;
  std::string flag = state.started.value("database_flag", "");
  if (flag.find(masked) == std::string::npos) return flag;
  throw Error(ErrorKind::left_behind,
              "the run was given its database by --database with a password, which the journal does not keep",
              "give it again: deployer --database " + flag + " recover, with the password, or --database env:NAME");
}

/// A flag of the command line, for as long as a run is recovered that was given another one.
class FlagOfRun {
 public:
  FlagOfRun(std::string& flag, std::string value) : flag_(flag), before_(std::exchange(flag, std::move(value))) {}
  ~FlagOfRun() { flag_ = before_; }
  FlagOfRun(const FlagOfRun&) = delete;
  FlagOfRun& operator=(const FlagOfRun&) = delete;

 private:
  std::string& flag_;
  std::string before_;
};

Pipeline rebuild(const Workspace& workspace, const RunState& state, const RunPlace& place) {
  const App& app = workspace.app();
  LoadRequest request = workspace.request(place.path(state.started.value("file", "")));
  request.vars = journalled_vars(state);
  request.run_id = state.id;
  request.started_at = rfc3339(state.started_at);
  request.sources = journalled_sources(state, place, app.files);
  try {
    return workspace.load(request);
  } catch (const Error& error) {
    // Nothing can be taken back without it, and a person is needed: whatever is wrong with it is named.
    throw Error(ErrorKind::left_behind,
                "the document of run " + state.id + " cannot be loaded as it was: " + reason_of(error),
                error.hint.empty() ? "mend that, then: deployer recover" : error.hint);
  }
}

void check_place(const RunPlace& place, const std::string& run) {
  if (std::filesystem::is_directory(place.project())) return;
  throw Error(ErrorKind::left_behind, "the project of run " + run + " is not there any more: " + place.project(),
              "put its folder back, then: deployer recover --all");
}

/// The host whose files and services a run worked on; empty where that is this one. Only a database server's journal
/// comes from elsewhere.
std::string elsewhere(const HeldTarget& held, const RunState& state) {
  const std::string host = state.started.value("host", "");
  return held.on_server() && host != host_name() ? host : std::string();
}

RunState recover_run(App& app, HeldTarget& held, const std::string& id, const Recovery& recovery) {
  RunState state = fold(held.journal().events(id));
  const Target& target = held.target();
  const RunPlace place(app, state, held.on_server() ? recovery.checkout : std::filesystem::path());
  check_place(place, id);
  const FlagOfRun database_flag(app.database_flag, journalled_database_flag(state, app.database_flag));
  const Workspace workspace(app, place.project());
  const Pipeline pipeline = rebuild(workspace, state, place);
  place.check(app.redactor);
  if (workspace.target(pipeline).identity != target.identity) {
    throw Error(ErrorKind::left_behind,
                "run " + id + " worked on " + target.name + ", and its document now names another",
                "give the database it worked on: DATABASE_URL, or --database");
  }
  RunRequest request = request_of(workspace, target, id);
  request.confirmed = state.started.value("confirmed", false);
  request.accepts_loss = recovery.accepts_loss;
  request.elsewhere = elsewhere(held, state);
  Engine engine = make_engine(workspace, std::make_shared<HeldTarget*>(&held));
  Listeners listeners(app, target, id, true);
  return engine.recover(pipeline, request, std::move(state), held.journal(), listeners.all(), app.stop);
}

}  // namespace

Pipeline pipeline_of_run(App& app, const RunState& state, const std::filesystem::path& checkout) {
  const RunPlace place(app, state, checkout);
  check_place(place, state.id);
  const FlagOfRun database_flag(app.database_flag, journalled_database_flag(state, app.database_flag));
  return rebuild(Workspace(app, place.project()), state, place);
}

std::vector<RunState> recover_target(App& app, HeldTarget& held, const Recovery& recovery) {
  const Journal& journal = held.journal();
  std::vector<std::string> ids = journal.unfinished();
  for (const std::string& id : journal.unsettled()) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  // The newest first: an older one was begun before it and lies beneath it.
  std::sort(ids.rbegin(), ids.rend());
  std::vector<RunState> states;
  for (const std::string& id : ids) states.push_back(recover_run(app, held, id, recovery));
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
  const auto held_by = std::make_shared<HeldTarget*>(nullptr);
  Engine engine = make_engine(workspace, held_by);
  const Duration server_patience = patience_of(pipeline, execution.skip);
  await_database_server(app, pipeline, server_patience);
  check_confirmed(engine, pipeline, request, app);

  HeldTarget held(app, pipeline, target, {id, execution.lock_timeout, server_patience});
  Journal& journal = held.journal();
  bool others_came_first = held.others_came_first();
  if (!journal.unfinished().empty()) {
    recover_target(app, held, {false, workspace.project()});
    others_came_first = true;
  }
  refuse_unsettled(journal);
  // What was looked at before may be another state now.
  if (others_came_first) check_confirmed(engine, pipeline, request, app);
  if (!journal.take_ballast()) {
    throw Error(ErrorKind::no_space, "there is no room in " + target.folder.string() + " to journal a run",
                "the journal keeps 8 MiB free for a rollback; make room and run it again");
  }
  *held_by = &held;
  Listeners listeners(app, target, id, execution.report);
  return engine.run(pipeline, request, journal, listeners.all(), app.stop);
}

}  // namespace deployer
