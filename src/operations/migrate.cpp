#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/session.h"
#include "engine/engine.h"
#include "migrations/create.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "migrations/status.h"
#include "operations/execute.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "system/clock.h"
#include "system/files.h"

namespace deployer {

namespace {

using migrations::Applied;
using migrations::Graph;
using migrations::Ids;

/// Files and history of the project, read for an answer. A database that is not there has no history.
struct MigrationView {
  explicit MigrationView(App& app, bool needs_database = true) : workspace(app), pipeline(workspace.database_only()) {
    folder = (workspace.project() / pipeline.database.value("migrations", "migrations")).lexically_normal();
    const bool configured = pipeline.database.contains("url");
    if (needs_database || configured) dialect = &database::dialect_of(url_of(pipeline).engine);
    graph = Graph::load(folder, dialect != nullptr ? dialect->lexer() : database::SqlDialect::sqlite, app.files);
    if (needs_database) read_history();
  }

  void read_history() {
    const Deadline deadline = Deadline::after(std::chrono::seconds(60), workspace.app().stop.stop());
    try {
      const auto session = database::open(url_of(pipeline), workspace.project(), database::Access::read_only, deadline);
      rows = migrations::History(workspace.settings().text("migrations.history_table")).read(*session, deadline);
    } catch (const Error& error) {
      if (error.kind != ErrorKind::not_found) throw;
    }
  }

  /// Errors between files and history are told, and refused; warnings go to stderr.
  void check_history(const App& app) const {
    const Diagnostics found = migrations::compare(graph, rows);
    if (has_errors(found)) throw Error(ErrorKind::invalid, "the migrations do not fit their history", found);
    for (const Diagnostic& warning : found) {
      std::fprintf(stderr, "%s\n", app.redactor.clean(warning.text()).c_str());
    }
  }

  Workspace workspace;
  Pipeline pipeline;
  std::filesystem::path folder;
  const database::Dialect* dialect = nullptr;
  Graph graph;
  std::map<std::string, Applied> rows;
};

Json item_of(const MigrationView& view, const std::string& id) {
  const migrations::Revision* revision = view.graph.find(id);
  const auto row = view.rows.find(id);
  const bool is_applied = row != view.rows.end() && row->second.state == "applied";
  Json item = {{"revision", id}, {"description", ""}};
  if (revision != nullptr) {
    item["description"] = revision->description;
    item["branch_labels"] = revision->branch_labels;
    item["down_revision"] = revision->down_revisions;
    item["depends_on"] = revision->depends_on;
    item["file"] = revision->file;
  } else if (row != view.rows.end()) {
    item["description"] = row->second.description;
    item["branch_labels"] = row->second.branch_labels;
    item["down_revision"] = row->second.down_revisions;
    item["depends_on"] = row->second.depends_on;
    item["file"] = "";
  }
  item["is_head"] = revision != nullptr && view.graph.is_head(id);
  item["is_applied"] = is_applied;
  item["applied_at"] = is_applied ? Json(row->second.applied_at) : Json();
  return item;
}

Reply items_reply(const MigrationView& view, const Ids& ids, const std::function<std::string(const Json&)>& line) {
  Reply reply;
  reply.json = {{"items", Json::array()}};
  for (const std::string& id : ids) {
    const Json item = item_of(view, id);
    reply.json["items"].push_back(item);
    reply.text += line(item);
  }
  return reply;
}

/// `ae1027a6acf (label) (head)`, as Alembic prints it.
std::string revision_words(const Json& item) {
  std::string words = item["revision"];
  const auto labels = item.value("branch_labels", std::vector<std::string>{});
  if (!labels.empty()) words += " (" + join(labels, ", ") + ")";
  if (item["is_head"].get<bool>()) words += " (head)";
  return words;
}

std::string history_line(const Json& item) {
  const auto parents = item["down_revision"].get<std::vector<std::string>>();
  return (parents.empty() ? std::string("<base>") : join(parents, ", ")) + " -> " + revision_words(item) + ", " +
         item["description"].get<std::string>() + "\n";
}

Ids in_range(const Graph& graph, const std::string& range, const Ids& current, const Ids& order) {
  const std::size_t colon = range.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorKind::usage, "'" + range + "' is no range", "as in -r base:head, or -r 9a38:");
  }
  const std::string from = range.substr(0, colon);
  const std::string to = range.substr(colon + 1);
  std::set<std::string> wanted;
  for (const std::string& id : graph.resolve(to.empty() ? "heads" : to, current)) {
    const std::set<std::string> before = graph.ancestors(id);
    wanted.insert(before.begin(), before.end());
    wanted.insert(id);
  }
  for (const std::string& id : from.empty() ? Ids{} : graph.resolve(from, current)) {
    for (const std::string& before : graph.ancestors(id)) wanted.erase(before);
  }
  Ids ids = order;
  std::erase_if(ids, [&](const std::string& id) { return wanted.count(id) == 0; });
  return ids;
}

/// What an upgrade or downgrade would do, or its SQL.
struct MigrationPlan {
  Ids ids;
  bool up;
};

migrations::Section section_of(const MigrationView& view, const std::string& id, bool up) {
  const migrations::Revision* revision = view.graph.find(id);
  if (up) return *revision->up;
  const auto row = view.rows.find(id);
  if (row != view.rows.end() && row->second.has_down) return {row->second.down_text, 1};
  if (row == view.rows.end() && revision != nullptr && revision->down) return *revision->down;  // --sql FROM:TO
  throw Error(ErrorKind::invalid, "revision '" + id + "' is irreversible: it has no down section");
}

MigrationPlan plan_of(const MigrationView& view, const std::string& target, bool up) {
  const std::set<std::string> applied = migrations::applied_ids(view.rows);
  if (up) return {view.graph.plan_upgrade(target, applied), true};
  return {view.graph.plan_downgrade(target, applied, migrations::parents_of(view.rows)), false};
}

/// `FROM:TO` of `--sql`: as if FROM were where the database stands.
MigrationPlan plan_of_range(const MigrationView& view, const std::string& range, bool up) {
  const std::size_t colon = range.find(':');
  const std::string from = range.substr(0, colon);
  const std::string to = range.substr(colon + 1);
  std::set<std::string> applied;
  for (const std::string& id : from.empty() ? Ids{} : view.graph.resolve(from, migrations::current_of(view.rows))) {
    const std::set<std::string> before = view.graph.ancestors(id);
    applied.insert(before.begin(), before.end());
    applied.insert(id);
  }
  if (up) return {view.graph.plan_upgrade(to.empty() ? "head" : to, applied), true};
  return {view.graph.plan_downgrade(to, applied, migrations::parents_of(view.rows)), false};
}

Reply dry_run(const MigrationView& view, const MigrationPlan& plan, bool backs_up) {
  Reply reply;
  reply.json = {{"direction", plan.up ? "up" : "down"}, {"steps", Json::array()}};
  for (const std::string& id : plan.ids) {
    const migrations::Section section = section_of(view, id, plan.up);
    const migrations::Revision* revision = view.graph.find(id);
    const std::string file = revision != nullptr ? revision->file : "down section of " + id;
    Json statements = Json::array();
    reply.text += std::string(plan.up ? "upgrade " : "downgrade ") + id + "\n";
    const database::Script script = migrations::statements_of(section, file, view.dialect->lexer());
    for (const database::Statement& statement : script.statements) {
      const std::string sql(statement.text);
      statements.push_back({{"sql", sql}, {"line", statement.at.line}, {"risks", Json::array()}});
      reply.text += "  " + sql + ";\n";
    }
    const bool reversible = plan.up ? revision->down.has_value() : true;
    reply.json["steps"].push_back({{"revision", id},
                                   {"direction", plan.up ? "up" : "down"},
                                   {"description", revision != nullptr ? revision->description : ""},
                                   {"statements", statements},
                                   {"reversible", reversible},
                                   {"way_back", reversible ? "down"
                                                : backs_up ? "restore"
                                                           : "none"}});
  }
  if (plan.ids.empty()) reply.text = "nothing to do\n";
  return reply;
}

Reply sql_script(const MigrationView& view, const MigrationPlan& plan) {
  Reply reply;
  for (const std::string& id : plan.ids) {
    const migrations::Section section = section_of(view, id, plan.up);
    const migrations::Revision* revision = view.graph.find(id);
    const bool in_transaction = revision == nullptr || revision->in_transaction;
    reply.text +=
        "-- " + std::string(plan.up ? "upgrade " : "downgrade ") + id + "\n" + (in_transaction ? "BEGIN;\n" : "");
    const database::Script script = migrations::statements_of(section, id, view.dialect->lexer());
    for (const database::Statement& statement : script.statements) {
      reply.text += std::string(statement.text) + ";\n";
    }
    if (in_transaction) reply.text += "COMMIT;\n";
  }
  reply.json = {{"sql", reply.text}};
  return reply;
}

std::string text_of(const Json& facts, const char* name) {
  return facts.contains(name) && facts[name].is_string() ? facts[name].get<std::string>() : std::string();
}

Json fact_of(const RunState& state, const std::string& name) {
  const auto found = state.facts.find(name);
  return found == state.facts.end() ? Json() : found->second;
}

Execution built_in(const std::string& name, const Json& steps) {
  Execution execution;
  execution.document = {"<" + name + ">", dump({{"name", name}, {"steps", steps}})};
  return execution;
}

Json backup_step() { return {{"uses", "backup"}}; }

Duration asked_lock_timeout(const Workspace& workspace, const Json& request) {
  if (request.contains("lock_timeout")) return Duration(request["lock_timeout"].get<Duration::rep>());
  return workspace.settings().duration("lock_timeout");
}

Reply migrate(App& app, const Json& request, bool up) {
  MigrationView view(app, false);
  view.read_history();
  view.check_history(app);
  const std::string wanted = request.at("revision");
  const bool is_range = wanted.find(':') != std::string::npos;
  if (is_range && !request.value("sql", false)) {
    throw Error(ErrorKind::usage, "'" + wanted + "' is a range, which stands with --sql only");
  }
  const MigrationPlan plan = is_range ? plan_of_range(view, wanted, up) : plan_of(view, wanted, up);
  if (request.value("sql", false)) return sql_script(view, plan);
  const bool backs_up = view.workspace.settings().flag("backup_enabled") && !request.value("no_backup", false);
  if (request.value("dry_run", false)) return dry_run(view, plan, backs_up);
  const auto most = static_cast<std::size_t>(view.workspace.settings().integer("max_rollback_revisions"));
  const std::string question =
      fmt::format("this reverts {} revisions, more than max_rollback_revisions ({}). Go on?", plan.ids.size(), most);
  if (!up && plan.ids.size() > most && !app.yes && !(app.ask && app.ask(question))) {
    throw Error(ErrorKind::confirmation, question, "--yes answers it");
  }
  if (plan.ids.empty()) {
    Reply reply{0, app.quiet ? "" : "nothing to do\n", migration_json(RunState{}, "")};
    const Json current = migrations::ids_json(migrations::current_of(view.rows));
    reply.json.update({{"success", true}, {"message", "nothing to do"}, {"from", current}, {"to", current}});
    return reply;
  }
  Json with = {{"target", wanted}, {"direction", up ? "up" : "down"}};
  if (request.value("no_rehearse", false)) with["rehearse"] = false;
  if (request.value("no_checks", false)) with["checks"] = false;
  Json steps = Json::array();
  if (backs_up) steps.push_back(backup_step());
  steps.push_back({{"uses", "migrate"}, {"with", with}});
  Execution execution = built_in(up ? "upgrade" : "downgrade", steps);
  execution.lock_timeout = asked_lock_timeout(view.workspace, request);
  const RunState state = execute(view.workspace, execution);
  return {state.exit_status.value_or(1), "", migration_json(state, up ? "upgraded" : "downgraded")};
}

/// The way back that was gone, else the one that stood ready.
Json way_back_of(const RunState& state) {
  const Json gone = fact_of(state, "way_back");
  if (!gone.is_null()) return gone;
  for (const StepState& step : state.steps) {
    if (step.outputs.contains("way_back")) return step.outputs["way_back"];
  }
  return nullptr;
}

}  // namespace

Json migration_json(const RunState& state, const std::string& done) {
  const bool success = state.status == RunStatus::succeeded;
  const bool attempted = !state.id.empty() && !success;
  Json took;
  if (state.finished_at) {
    took = std::chrono::duration_cast<Duration>(*state.finished_at - state.started_at).count();
  }
  const bool rolled_back = state.status == RunStatus::rolled_back || state.status == RunStatus::cancelled;
  return {{"success", success},
          {"message", success ? done : state.error},
          {"rollback_attempted", attempted},
          {"rollback_success", attempted ? Json(rolled_back) : Json()},
          {"from", fact_of(state, "revision_before")},
          {"to", success ? fact_of(state, "revision_after") : fact_of(state, "revision_before")},
          {"applied", success && !fact_of(state, "applied").is_null() ? fact_of(state, "applied") : Json::array()},
          {"backup", fact_of(state, "backup")},
          {"way_back", way_back_of(state)},
          {"duration_ms", took},
          {"run", state.id.empty() ? Json() : Json(state.id)}};
}

Reply show_migration_status(App& app, const Json& /*request*/) {
  MigrationView view(app);
  view.check_history(app);
  const migrations::MigrationStatus status = migrations::status_of(view.graph, view.rows);
  return {0, status.text(), status.json()};
}

Reply create_migration(App& app, const Json& request) {
  MigrationView view(app, false);
  const Workspace& workspace = view.workspace;
  if (view.pipeline.database.contains("url")) view.read_history();
  migrations::CreateRequest wanted;
  wanted.folder = view.folder;
  wanted.message = request.contains("m") ? request["m"] : request.at("message");
  if (trim(wanted.message).empty())
    throw Error(ErrorKind::usage, "the message is empty", "say in a few words what it does");
  wanted.file_template = workspace.settings().text("migrations.file_template");
  wanted.slug_length = static_cast<std::size_t>(workspace.settings().integer("migrations.truncate_slug_length"));
  wanted.rev_id = text_of(request, "rev_id");
  wanted.head = text_of(request, "head");
  wanted.splice = request.value("splice", false);
  wanted.branch_label = text_of(request, "branch_label");
  wanted.depends_on = request.value("depends_on", Ids{});
  wanted.now = app.clock.now();
  const migrations::Created created =
      migrations::create(view.graph, wanted, migrations::current_of(view.rows), app.files);
  return {0,
          created.file.string() + "\n",
          {{"revision", created.revision},
           {"file", created.file.string()},
           {"down_revision", created.down_revisions},
           {"autogenerated", false}}};
}

Reply upgrade_database(App& app, const Json& request) { return migrate(app, request, true); }
Reply downgrade_database(App& app, const Json& request) { return migrate(app, request, false); }

Reply show_current(App& app, const Json& /*request*/) {
  const MigrationView view(app);
  return items_reply(view, migrations::current_of(view.rows),
                     [](const Json& item) { return revision_words(item) + "\n"; });
}

Reply show_heads(App& app, const Json& /*request*/) {
  const MigrationView view(app, false);
  return items_reply(view, view.graph.heads(), [](const Json& item) { return revision_words(item) + "\n"; });
}

Reply show_history(App& app, const Json& request) {
  MigrationView view(app, request.value("indicate_current", false));
  if (view.rows.empty() && view.pipeline.database.contains("url")) view.read_history();
  Ids ids = view.graph.newest_first();
  const std::string range = text_of(request, request.contains("r") ? "r" : "rev_range");
  if (!range.empty()) ids = in_range(view.graph, range, migrations::current_of(view.rows), ids);
  const Ids current = migrations::current_of(view.rows);
  const bool marks = request.value("indicate_current", false);
  return items_reply(view, ids, [&](const Json& item) {
    std::string line = history_line(item);
    const std::string id = item["revision"];
    const bool is_current = std::find(current.begin(), current.end(), id) != current.end();
    if (marks && is_current) line.insert(line.find(", "), " (current)");
    if (request.value("verbose", false)) line += "    " + item["file"].get<std::string>() + "\n";
    return line;
  });
}

}  // namespace deployer
