#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/session.h"
#include "engine/engine.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "migrations/rehearsal.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "system/clock.h"
#include "system/files.h"

namespace deployer {

namespace {

using migrations::Rehearsed;

struct RehearsalAnswer {
  Json revisions = Json::array();
  std::string text;
  bool good = true;

  void add(const Rehearsed& result) {
    const bool fails = !result.down_error.empty() || !result.lost.empty();
    if (fails) good = false;
    revisions.push_back({{"revision", result.revision},
                         {"proved", result.proved()},
                         {"reversible", result.reversible},
                         {"with_rows", result.with_rows()},
                         {"lost", result.lost},
                         {"error", result.down_error.empty() ? Json() : Json(result.down_error)},
                         {"why_unproved", result.proved() ? Json() : Json(result.why_unproved())},
                         {"up_ms", result.up.count()},
                         {"down_ms", result.reversible ? Json(result.down.count()) : Json()}});
    text += result.revision + ": up in " + human_duration(result.up);
    if (result.proved()) {
      text += ", down and up again bring everything back\n";
    } else if (result.lost.empty()) {
      text += "; " + result.why_unproved() + "\n";
    } else {
      text += "; its down section does not bring back everything:\n";
      for (const std::string& lost : result.lost) text += "  " + lost + "\n";
    }
  }

  Reply reply(const Json& failed) const {
    const int status = good && failed.is_null() ? 0 : error_kind_info(ErrorKind::negative).exit_status;
    return {status, text, {{"success", status == 0}, {"revisions", revisions}, {"failed", failed}}};
  }
};

/// The pending revisions up to the one that is asked for. Mistakes in files and history are refused.
migrations::Ids pending(const App& app, const migrations::Graph& graph,
                        const std::map<std::string, migrations::Applied>& rows, const std::string& target) {
  const Diagnostics found = migrations::compare(graph, rows);
  if (has_errors(found)) throw Error(ErrorKind::invalid, "the migrations do not fit their history", found);
  for (const Diagnostic& warning : found) std::fprintf(stderr, "%s\n", app.redactor.clean(warning.text()).c_str());
  return graph.plan_upgrade(target, migrations::applied_ids(rows));
}

}  // namespace

Reply rehearse_migrations(App& app, const Json& request) {
  const Workspace workspace(app);
  const Pipeline pipeline = workspace.database_only();
  const database::Url url = url_of(pipeline);
  const Deadline deadline = Deadline::never(app.stop.stop());
  const auto session = database::open(url, workspace.project(), database::Access::read_only, deadline);
  const migrations::History history(workspace.settings().text("migrations.history_table"));
  const auto folder = (workspace.project() / pipeline.database.value("migrations", "migrations")).lexically_normal();
  const migrations::Graph graph = migrations::Graph::load(folder, session->dialect().lexer(), app.files);
  const migrations::Ids ids =
      pending(app, graph, history.read(*session, deadline), request.at("revision").get<std::string>());
  RehearsalAnswer answer;
  if (ids.empty()) answer.text = "nothing to rehearse\n";
  const auto path = app.environment.find("PATH");
  const migrations::RehearsalPlace place{
      workspace.target(pipeline).folder / "scratch" / ("rehearse-" + random_hex(8)),
      {app.files, app.processes, path == app.environment.end() ? std::string() : path->second},
      pipeline.database.at("rehearse_limit").get<std::uint64_t>(),
      [&](const Rehearsed& result) { answer.add(result); }};
  migrations::ExecutorOptions options;
  options.run_id = "rehearsal";
  options.applied_by = "deployer";
  options.now = rfc3339(app.clock.now());
  try {
    migrations::rehearse(*session, graph, ids, history, options, place, deadline);
  } catch (const migrations::RehearsalFailed& failure) {
    answer.text += failure.text() + "\n";
    return answer.reply({{"revision", failure.revision}, {"message", failure.summary()}});
  }
  return answer.reply(nullptr);
}

}  // namespace deployer
