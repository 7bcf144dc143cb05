#include <fmt/format.h>

#include <algorithm>

#include "actions/migrate/checks.h"
#include "base/error.h"
#include "database/dialect.h"
#include "engine/engine.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "migrations/status.h"
#include "operations/verbs.h"
#include "operations/workspace.h"

namespace deployer {

namespace {

constexpr Duration longest_preflight = std::chrono::minutes(10);

/// What an upgrade to the head would do.
MigrationWork work_to_head(const Workspace& workspace, const Pipeline& pipeline, database::Session& session,
                           const Deadline& deadline) {
  const std::filesystem::path folder = workspace.project() / pipeline.database.value("migrations", "migrations");
  const migrations::History history(workspace.settings().text("migrations.history_table"));
  MigrationWork work;
  work.graph = migrations::Graph::load(folder.lexically_normal(), session.dialect().lexer(), workspace.app().files);
  work.rows = history.read(session, deadline);
  const Diagnostics found = migrations::compare(work.graph, work.rows);
  if (has_errors(found)) throw Error(ErrorKind::invalid, "the migrations do not fit their history", found);
  work.plan = work.graph.plan_upgrade("heads", migrations::applied_ids(work.rows));
  return work;
}

std::vector<CheckResult> check_database(const Workspace& workspace, const Pipeline& pipeline) {
  const App& app = workspace.app();
  const Deadline deadline = Deadline::after(longest_preflight, app.stop.stop());
  std::unique_ptr<database::Session> session;
  try {
    session = database::open(url_of(pipeline), workspace.project(), database::Access::read_only, deadline);
  } catch (const Error& error) {
    if (error.kind != ErrorKind::not_found) throw;
    return {{"database", CheckResult::Status::ok, "there is no database yet", ""}};
  }
  const MigrationWork work = work_to_head(workspace, pipeline, *session, deadline);
  return preflight(*session, touched_tables(work, session->dialect()),
                   CheckLimits::from(pipeline.database.value("checks", Json::object())), workspace.project(), app.files,
                   deadline);
}

}  // namespace

Reply check_upgrade(App& app, const Json& /*request*/) {
  const Workspace workspace(app);
  const std::vector<CheckResult> results = check_database(workspace, workspace.database_only());
  Reply reply;
  const bool ok = std::none_of(results.begin(), results.end(),
                               [](const CheckResult& result) { return result.status == CheckResult::Status::error; });
  reply.json = {{"ok", ok}, {"items", Json::array()}};
  for (const CheckResult& result : results) {
    reply.text += fmt::format("{:<8} {:<17} {}\n", name_of(result.status), result.name, result.message);
    if (!result.hint.empty()) reply.text += fmt::format("{:<8} {:<17} hint: {}\n", "", "", result.hint);
    reply.json["items"].push_back({{"check", result.name},
                                   {"status", name_of(result.status)},
                                   {"message", result.message},
                                   {"hint", result.hint}});
  }
  if (!ok) reply.exit_status = error_kind_info(ErrorKind::negative).exit_status;
  return reply;
}

}  // namespace deployer
