#include <fmt/core.h>

#include <algorithm>

#include "backups/catalogue.h"
#include "backups/restore.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/execute.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer {

namespace {

std::filesystem::path backups_folder(const Workspace& workspace) {
  return (workspace.project() / workspace.database_only().backups.value("directory", "backups")).lexically_normal();
}

Execution one_step_run(const Workspace& workspace, const std::string& name, const Json& steps, const Json& request) {
  Execution execution;
  execution.document = {"<" + name + ">", dump({{"name", name}, {"steps", steps}})};
  execution.lock_timeout = request.contains("lock_timeout") ? Duration(request["lock_timeout"].get<Duration::rep>())
                                                            : workspace.settings().duration("lock_timeout");
  return execution;
}

bool can_back_up(const database::Dialect& dialect) {
  return dialect.server() != nullptr || dialect.capabilities().online_backup;
}

/// The file that a name means, found before there is a run. Nothing where there is no database yet to restore into:
/// then the step finds it.
std::optional<std::filesystem::path> backup_named(const Workspace& workspace, const std::string& name) {
  const App& app = workspace.app();
  const Deadline deadline = Deadline::after(std::chrono::seconds(60), app.stop.stop());
  std::unique_ptr<database::Session> session;
  try {
    session =
        database::open(url_of(workspace.database_only()), workspace.project(), database::Access::read_only, deadline);
  } catch (const Error& error) {
    if (error.kind == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  return backups::find_source(name, backups_folder(workspace), *session, app.files).file;
}

std::string backup_state(const backups::Manifest& backup) {
  if (backup.drilled_at) return "drilled";
  return backup.verified_at ? "verified" : "unverified";
}

/// Into an empty schema, which nobody can lose anything of: no run.
Reply restore_elsewhere(const Workspace& workspace, const Json& request) {
  App& app = workspace.app();
  if (request.contains("tables")) {
    throw Error(ErrorKind::usage, "--tables cannot be with --into", "a backup is restored whole into an empty schema");
  }
  const database::Url url = value_or_throw(database::parse_url(request["into"].get<std::string>()));
  const Deadline deadline = Deadline::never(app.stop.stop());
  const auto session = database::open(url, workspace.project(), database::Access::existing, deadline);
  std::string name = request.at("name");
  if (name.find('/') != std::string::npos) name = (app.cwd / name).lexically_normal().string();
  const backups::Source source = backups::find_source(name, backups_folder(workspace), *session, app.files);
  const auto path = app.environment.find("PATH");
  const Machine machine{app.files, app.processes, path == app.environment.end() ? std::string() : path->second};
  const backups::Restored restored = backups::restore_into(*session, source, machine, deadline);
  return {0,
          fmt::format("restored {} into {}: {} tables, {} rows{}\n", source.file.filename().string(), url.masked(),
                      restored.tables, restored.rows, restored.compared ? ", compared with its manifest" : ""),
          {{"file", source.file.string()},
           {"into", url.masked()},
           {"tables", restored.tables},
           {"rows", restored.rows},
           {"compared", restored.compared},
           {"duration_ms", restored.took.count()}}};
}

Json output_of(const RunState& state, const std::string& uses, const std::string& key) {
  for (const StepState& step : state.steps) {
    if (step.uses == uses && step.outputs.contains(key)) return step.outputs[key];
  }
  return nullptr;
}

}  // namespace

Reply create_backup(App& app, const Json& request) {
  Workspace workspace(app);
  workspace.dialect_for("backup", can_back_up);
  Json with = Json::object();
  if (request.contains("path"))
    with["path"] = (app.cwd / request["path"].get<std::string>()).lexically_normal().string();
  if (request.contains("tag")) with["tag"] = request["tag"];
  Execution execution = one_step_run(workspace, "backup", Json::array({{{"uses", "backup"}, {"with", with}}}), request);
  // Scripts read the file's name: it stands alone on standard output.
  execution.report = app.output == "json";
  const RunState state = execute(workspace, execution);
  if (state.status != RunStatus::succeeded) {
    const Error failed(state.exit_status == 3 ? ErrorKind::left_behind : ErrorKind::failed, state.error,
                       "deployer runs show " + state.id);
    throw failed;
  }
  const std::string file = output_of(state, "backup", "file");
  const backups::Manifest manifest =
      backups::show(std::filesystem::path(file).parent_path(), output_of(state, "backup", "name"), app.files);
  return {0, execution.report ? "" : file + "\n", manifest.json()};
}

Reply list_backups(App& app, const Json& /*request*/) {
  const Workspace workspace(app);
  const backups::Catalogue catalogue = backups::list(backups_folder(workspace), app.files);
  Reply reply;
  reply.json = {{"items", Json::array()}};
  std::size_t longest = 0;
  for (const backups::Manifest& backup : catalogue.backups) longest = std::max(longest, backup.name.size());
  for (const backups::Manifest& backup : catalogue.backups) {
    reply.json["items"].push_back(backup.json());
    const Json& revision = backup.revision;
    const std::string stands = revision.is_null()     ? "-"
                               : revision.is_string() ? revision.get<std::string>()
                                                      : dump(revision);
    // The name has the seconds; so the line has room for a revision in 80 columns.
    reply.text += fmt::format("{:<{}}  {}  {:>9}  {:<10}  {}\n", backup.name, longest,
                              rfc3339(backup.created_at).substr(0, 16).replace(10, 1, " "), human_size(backup.bytes),
                              backup_state(backup), stands);
  }
  for (const std::string& problem : catalogue.problems) reply.text += "warning: " + problem + "\n";
  if (reply.text.empty()) reply.text = "no backups in " + backups_folder(workspace).string() + "\n";
  return reply;
}

Reply restore_backup(App& app, const Json& request) {
  Workspace workspace(app);
  if (request.contains("into")) return restore_elsewhere(workspace, request);
  std::string name = request.at("name");
  // A path is of the folder that one stands in; a bare name is one of the backup folder.
  if (name.find('/') != std::string::npos) name = (app.cwd / name).lexically_normal().string();
  workspace.dialect_for("restore", can_back_up);
  name = backup_named(workspace, name).value_or(name).string();
  const std::string question = "this replaces the content of the database by " + name + ". Go on?";
  if (workspace.settings().flag("require_confirmation_for_destructive_ops") && !app.yes &&
      !(app.ask && app.ask(question))) {
    throw Error(ErrorKind::confirmation, question, "--yes answers it");
  }
  Json steps = Json::array();
  if (workspace.settings().flag("backup_enabled")) steps.push_back({{"uses", "backup"}, {"with", {{"tag", "safety"}}}});
  Json with = {{"name", name}};
  if (request.contains("tables")) with["tables"] = request["tables"];
  steps.push_back({{"uses", "restore"}, {"with", with}});
  const RunState state = execute(workspace, one_step_run(workspace, "restore", steps, request));
  return {state.exit_status.value_or(1), "", migration_json(state, "restored")};
}

}  // namespace deployer
