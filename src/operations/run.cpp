#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "engine/engine.h"
#include "operations/execute.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "pipeline/loader.h"
#include "state/journal.h"
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

void recover_one(Workspace& workspace, const Target& target, bool all, Recovered& recovered) {
  App& app = workspace.app();
  const std::optional<Journal> seen = Journal::open_for_reading(target.folder);
  if (!seen || (seen->unfinished().empty() && seen->unsettled().empty())) return;
  if (!is_asked_for(target, *seen, workspace, all)) return;
  const std::optional<TargetLock> lock =
      TargetLock::take(target, owner_of(app, ""), app.files, Deadline::after(Duration(0), app.stop.stop()));
  if (!lock) return;  // its runner lives: nothing died
  Journal journal = Journal::open(target.folder, app.files, app.redactor, app.faults);
  for (RunState& state : recover_target(app, target, journal, app.yes)) recovered.states.push_back(std::move(state));
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
  if (recovered.states.empty() && recovered.left.empty() && !app.quiet) reply.text = "nothing to recover\n";
  return reply;
}

}  // namespace deployer
