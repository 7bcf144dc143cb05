#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/execute.h"
#include "operations/held_target.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "pipeline/loader.h"
#include "state/journal.h"
#include "state/journal_copy.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

/// A project whose path holds a secret stands in the journal masked: it may be this one, and that is looked at later.
bool in_this_project(const RunState& state, const Workspace& workspace) {
  return state.project == workspace.project().string() || state.project.find("***") != std::string::npos;
}

/// The targets of which `recover` is asked: those with a run of this project, or all.
bool is_asked_for(const Target& target, const Journal& journal, const Workspace& workspace, bool all) {
  if (all || target.identity == workspace.database_identity()) return true;
  std::vector<std::string> open = journal.unfinished();
  for (const std::string& id : journal.unsettled()) open.push_back(id);
  return std::any_of(open.begin(), open.end(),
                     [&](const std::string& id) { return in_this_project(fold(journal.events(id)), workspace); });
}

struct Recovered {
  std::vector<RunState> states;
  std::vector<std::string> left;  ///< what a person must look at
};

/// A recovery waits for a server that is down as a rollback does.
HeldTarget::Request recovery_request(const Workspace& workspace) {
  return {"", Duration(0), workspace.settings().duration("rollback_wait")};
}

/// This project stands for another checkout of it where both work on the same database server.
std::filesystem::path checkout_for(const Workspace& workspace, const Target& target) {
  if (target.identity != workspace.database_identity()) return {};
  return has_database_server(workspace.database_only()) ? workspace.project() : std::filesystem::path();
}

void recover_held(Workspace& workspace, const Pipeline& pipeline, const Target& target,
                  const HeldTarget::Request& request, Recovered& recovered) {
  App& app = workspace.app();
  const Recovery recovery{app.yes, checkout_for(workspace, target)};
  try {
    HeldTarget held(app, pipeline, target, request);
    for (RunState& state : recover_target(app, held, recovery)) recovered.states.push_back(std::move(state));
  } catch (const Error& error) {
    if (error.kind != ErrorKind::locked) throw;  // else its runner lives: nothing died
  }
}

void recover_one(Workspace& workspace, const Target& target, bool all, Recovered& recovered) {
  const std::optional<Journal> seen = Journal::open_for_reading(target.folder);
  if (!seen) return;
  std::vector<std::string> open = seen->unfinished();
  if (open.empty()) open = seen->unsettled();
  if (open.empty() || !is_asked_for(target, *seen, workspace, all)) return;
  const RunState last = fold(seen->events(open.back()));
  const Pipeline pipeline = pipeline_of_run(workspace.app(), last, checkout_for(workspace, target));
  recover_held(workspace, pipeline, target, recovery_request(workspace), recovered);
}

/// What only the database knows: runs of a state folder that is gone, or of another machine.
void recover_database(Workspace& workspace, Recovered& recovered) {
  const Pipeline pipeline = workspace.database_only();
  if (!has_database_server(pipeline)) return;
  App& app = workspace.app();
  const Deadline deadline = Deadline::never(app.stop.stop());
  const auto session = database::open(url_of(pipeline), pipeline.project, database::Access::read_only, deadline);
  if (!JournalCopy::has_open_runs(*session, deadline)) return;
  HeldTarget::Request request = recovery_request(workspace);
  request.server_patience = Duration(0);
  recover_held(workspace, pipeline, workspace.target(pipeline), request, recovered);
}

}  // namespace

Reply run_pipeline(App& app, const Json& request) {
  Workspace workspace(app);
  Execution execution;
  execution.document.file = workspace.find_document(request.at("pipeline"));
  execution.vars = request.value("var", std::map<std::string, std::string>{});
  execution.only = request.value("only", std::vector<std::string>{});
  execution.skip = request.value("skip", std::vector<std::string>{});
  execution.from = request.value("from", "");
  execution.rollback = !request.value("no_rollback", false);
  execution.lock_timeout = request.contains("lock_timeout") ? Duration(request["lock_timeout"].get<std::int64_t>())
                                                            : workspace.settings().duration("lock_timeout");
  const RunState state = execute(workspace, execution);
  return {state.exit_status.value_or(error_kind_info(ErrorKind::internal).exit_status), "", to_json(state)};
}

Reply validate_pipelines(App& app, const Json& request) {
  const Workspace workspace(app);
  Reply reply;
  reply.json = {{"items", Json::array()}};
  for (const std::string word : request.at("pipelines")) {
    const std::filesystem::path file = workspace.find_document(word);
    Diagnostics found;
    try {
      found = workspace.check(file);
      if (found.empty() && !app.quiet) reply.text += file.lexically_relative(app.cwd).string() + ": good\n";
    } catch (const Error& error) {
      if (error.diagnostics.empty()) throw;
      found = error.diagnostics;
      reply.exit_status = error_kind_info(error.kind).exit_status;
    }
    for (const Diagnostic& diagnostic : found) {
      reply.text += diagnostic.text() + "\n";
      reply.json["items"].push_back(to_json(diagnostic));
    }
  }
  return reply;
}

Reply recover_runs(App& app, const Json& request) {
  Workspace workspace(app);
  Recovered recovered;
  for (const Target& target : known_targets(workspace.state_root(), app.files)) {
    // What keeps one target from being recovered must not keep the others.
    try {
      recover_one(workspace, target, request.value("all", false), recovered);
    } catch (const Error& error) {
      recovered.left.push_back(target.name + ": " + error.text());
    } catch (const std::exception& error) {
      recovered.left.push_back(target.name + ": " + error.what());
    }
  }
  Reply reply;
  reply.json = {{"items", Json::array()}};
  try {
    recover_database(workspace, recovered);
  } catch (const Error& error) {
    reply.text = error.text() + "\n";
    reply.exit_status = error_kind_info(error.kind).exit_status;
  }
  for (const RunState& state : recovered.states) {
    reply.json["items"].push_back(to_json(state));
    const bool unsettled = state.status == RunStatus::interrupted || state.status == RunStatus::rollback_failed;
    if (unsettled || !state.lost.empty()) {
      reply.exit_status = error_kind_info(ErrorKind::left_behind).exit_status;
    }
  }
  for (const std::string& left : recovered.left) {
    reply.text += left + "\n";
    reply.exit_status = error_kind_info(ErrorKind::left_behind).exit_status;
  }
  if (recovered.states.empty() && reply.text.empty() && !app.quiet) reply.text = "nothing to recover\n";
  return reply;
}

}  // namespace deployer
