#include <fmt/core.h>

#include <algorithm>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/maintenance.h"
#include "actions/migrate/checks.h"
#include "actions/migrate/way_back.h"
#include "actions/migrate/work.h"
#include "actions/services.h"
#include "backups/restore.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/names.h"
#include "database/server.h"
#include "migrations/rehearsal.h"
#include "migrations/status.h"
#include "migrations/unit.h"
#include "state/run_state.h"

namespace deployer {

namespace {

/// How one revision is taken back, once it is complete. One that failed has left nothing where it is a transaction;
/// what stopped half-way goes back by a restore.
enum class Way { down, restore, none };
constexpr std::string_view way_names[] = {"down", "restore", "none"};

Way way_named(const std::string& name) {
  if (name == way_names[0]) return Way::down;
  return name == way_names[1] ? Way::restore : Way::none;
}

/// Whether a `backup` runs before this step and may be restored: that is a way back then.
bool may_restore(const ActionContext& context) {
  if (text_input(context.inputs(), "restore") == "never") return false;
  for (const Step& step : context.pipeline().steps) {
    if (step.id == context.step().id) return false;
    if (step.uses == "backup") return true;
  }
  return false;
}

bool rehearses(const ActionContext& context) { return context.inputs().value("rehearse", true); }

std::vector<std::string> services_to_stop(const ActionContext& context) {
  return list_input(context.inputs(), "while_stopped");
}

bool is_transactional(const database::Dialect& dialect) { return dialect.capabilities().transactional_ddl; }

/// The texts of a plan, up and down, as one script: what any of them may touch.
std::string whole_text(const MigrationWork& work) {
  std::string text;
  for (const std::string& id : work.plan) {
    const migrations::Revision* revision = work.graph.find(id);
    if (revision != nullptr && revision->up) text += revision->up->text + "\n;\n";
    if (revision != nullptr && revision->down) text += revision->down->text + "\n;\n";
    const auto row = work.rows.find(id);
    if (row != work.rows.end()) text += row->second.up_text + "\n;\n" + row->second.down_text + "\n;\n";
  }
  return text;
}

/// The tables that a plan may change, on a server; empty where all may be. A file is one whole.
std::vector<std::string> reached_tables(ActionContext& context, const MigrationWork& work) {
  database::Session& session = context.database();
  if (session.dialect().server() == nullptr) return {};
  const std::string text = whole_text(work);
  const database::SqlDialect language = session.dialect().lexer();
  const database::Reach reach =
      database::reach_of(database::split_script(text, language),
                         session.dialect().introspect(session, context.deadline()), language, session.url().name);
  if (!reach.unknown.empty()) return {};
  return {reach.tables.begin(), reach.tables.end()};
}

std::string ids_words(const migrations::Ids& ids) { return ids.empty() ? "nothing" : listing(ids); }

class MigrateAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    need_database(context);
    check_services(context, services_to_stop(context));
    const MigrationWork work = peek_migration(context);
    if (context.confirmed() || may_restore(context)) return;
    for (const std::string& id : work.plan) {
      const std::string why = why_no_way(context, work, id);
      if (why.empty()) continue;
      throw Error(ErrorKind::confirmation, "revision '" + id + "' has no way back: " + why + ". Go on all the same?",
                  "put a backup step before it, or give --yes");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    const MigrationWork work = peek_migration(context);
    StepPlan plan{(work.up ? "apply " : "revert ") + ids_words(work.plan), {}, {}, "the way back of each revision"};
    for (const std::string& id : work.plan) {
      const std::string why = why_no_way(context, work, id);
      if (!why.empty() && !may_restore(context)) plan.risks.push_back(id + ": " + why);
    }
    return plan;
  }

  Json baseline(ActionContext& context) const override {
    Json state = database_baseline(context);
    const std::vector<std::string> services = services_to_stop(context);
    if (!services.empty()) state["services"] = services_baseline(context, services);
    return state;
  }

  Outcome run(ActionContext& context) const override {
    database::Session& session = context.database();
    const MigrationWork work = plan_migration(context);
    if (context.inputs().value("checks", true)) {
      pass_preflight(context, preflight(context, touched_tables(work, session.dialect())));
    }
    context.set_fact("revision_before", migrations::ids_json(migrations::current_of(work.rows)));
    std::map<std::string, Way> ways = ways_back(context, work);
    const std::vector<std::string> services = services_to_stop(context);
    const Json before_stop = services.empty() || work.plan.empty() ? Json() : services_baseline(context, services);
    if (!before_stop.is_null()) stop_services(context, services);
    hold_maintenance(context);
    apply_plan(context, work, ways);
    if (!before_stop.is_null()) start_services(context, services, before_stop);
    return outcome(context, work, ways);
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    if (is_service_effect(record)) return probe_service(context, record);
    const bool up = record.data.value("direction", "up") == "up";
    switch (standing_of(context, record).state) {
      case migrations::Standing::State::applied:
        return up ? Probe::happened : Probe::not_happened;
      case migrations::Standing::State::absent:
        return up ? Probe::not_happened : Probe::happened;
      default:
        return Probe::partly;
    }
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (is_service_effect(record)) return undo_service(context, record);
    hold_maintenance(context);
    const std::string id = record.data.value("revision", "");
    const bool up = record.data.value("direction", "up") == "up";
    const migrations::Standing standing = standing_of(context, record);
    const auto untouched = up ? migrations::Standing::State::absent : migrations::Standing::State::applied;
    const migrations::History history = history_of(context);
    migrations::Executor executor(context.database(), history, executor_options(context));
    if (standing.state == untouched) {
      executor.remove_leftovers(context.deadline());
      return is_transactional(context.database().dialect()) ? note_way(context, "transaction")
                                                            : "nothing of it was left";
    }
    if (!standing.text.empty()) context.output(standing.text);
    const Way way = way_named(record.data.value("way", "none"));
    if (way == Way::down && may_go_down(context, id, standing)) {
      const auto rows = history.read(context.database(), context.deadline());
      std::set<std::string> known;
      for (const auto& row : rows) known.insert(row.first);
      executor.revert(rows.at(id), known, context.deadline());
      return note_way(context, "down");
    }
    restore_backup_of_run(context, text_input(context.inputs(), "restore"),
                          {digests_from(record.data.value("before", Json::object())), rows_after(record),
                           record.data.value("touched", std::vector<std::string>{})});
    executor.remove_leftovers(context.deadline());
    return note_way(context, "restore");
  }

  void quiet(ActionContext& context) const override { quiet_services(context, services_to_stop(context)); }

  void settle(ActionContext& context, const Json& baseline) const override {
    if (baseline.contains("services")) settle_services(context, services_to_stop(context), baseline["services"]);
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    const Json now = database_baseline(context);
    if (now["revision"] != baseline["revision"]) {
      return {true, false, "the database is at " + dump(now["revision"]) + " and was at " + dump(baseline["revision"])};
    }
    if (now["fingerprint"] != baseline["fingerprint"]) {
      return {true, false, "the schema is not what it was before the run"};
    }
    if (baseline.contains("services")) {
      const Verification found = verify_services(context, services_to_stop(context), baseline["services"]);
      if (!found.ok) return found;
    }
    return {true, true, "schema and revision are as before"};
  }

 private:
  void apply_plan(ActionContext& context, const MigrationWork& work, const std::map<std::string, Way>& ways) const {
    database::Session& session = context.database();
    const bool may_stop_half_way = !is_transactional(session.dialect());
    const bool needs_digests = may_stop_half_way || std::any_of(ways.begin(), ways.end(), [](const auto& way) {
                                 return way.second == Way::restore;
                               });
    const TableDigests before = needs_digests && !work.plan.empty() ? table_digests(context) : TableDigests{};
    const std::vector<std::string> touched = reached_tables(context, work);
    const migrations::History history = history_of(context);
    std::set<std::string> known;
    for (const auto& row : work.rows) known.insert(row.first);
    for (const std::string& id : work.plan) {
      const Way way = ways.at(id);
      migrations::ExecutorOptions options = executor_options(context);
      options.may_be_undecidable = way == Way::restore;
      migrations::Executor executor(session, history, options);
      const Json undo = {{"revision", id},
                         {"direction", work.up ? "up" : "down"},
                         {"way", way_names[static_cast<std::size_t>(way)]},
                         {"before", json_of(before)},
                         {"touched", touched}};
      context.effect((work.up ? "upgrade " : "downgrade ") + id, undo, [&] {
        if (work.up) {
          executor.apply(*work.graph.find(id), known, context.deadline());
        } else {
          executor.revert(work.rows.at(id), known, context.deadline());
        }
        return Json{{"after", needs_digests ? json_of(table_digests(context)) : Json()}};
      });
      if (work.up) known.insert(id);
      if (!work.up) known.erase(id);
    }
  }

  /// Where a revision stands. What a restore that died has begun is brought to its end before.
  static migrations::Standing standing_of(ActionContext& context, const UndoRecord& record) {
    database::Session& session = context.database();
    if (session.dialect().server() != nullptr) backups::settle_restore(session, context.deadline());
    return migrations::Executor(session, history_of(context), executor_options(context))
        .settle(record.data.value("revision", ""), context.deadline());
  }

  /// The down section takes a complete revision back, or goes on where it was stopped.
  static bool may_go_down(ActionContext& context, const std::string& id, const migrations::Standing& standing) {
    if (standing.state == migrations::Standing::State::applied) return true;
    const auto rows = history_of(context).read(context.database(), context.deadline());
    const auto row = rows.find(id);
    return row != rows.end() && row->second.state == "reverting" && standing.text.empty();
  }

  /// The run reports the furthest way that it had to go: a restore brings back all revisions, and the transactions of
  /// those beneath it have nothing left to do.
  static std::string note_way(ActionContext& context, const std::string& way) {
    static const std::vector<std::string> further = {"transaction", "down", "restore"};
    const auto rank = [&](const Json& name) {
      return std::find(further.begin(), further.end(), name) - further.begin();
    };
    const Json noted = context.fact("way_back");
    if (noted.is_null() || rank(noted) < rank(way)) context.set_fact("way_back", way);
    return way;
  }

  static constexpr const char* half_way_text = "where it stops half-way, only a backup leads back";

  /// True for a revision of more than one statement where schema changes are no transaction.
  static bool may_stop_half_way(ActionContext& context, const MigrationWork& work, const std::string& id) {
    const database::Dialect& dialect =
        database::dialect_of(value_or_throw(database::parse_url(context.pipeline().database.value("url", ""))).engine);
    if (is_transactional(dialect)) return false;
    const migrations::Revision* revision = work.graph.find(id);
    const auto row = work.rows.find(id);
    const std::string text = work.up ? revision->up->text : row == work.rows.end() ? "" : row->second.down_text;
    const database::Script script = database::split_script(text, dialect.lexer());
    return migrations::units_of(script, {}).size() > 1;
  }

  /// Why a revision cannot be taken back without a backup, as far as its text tells; empty where it can.
  static std::string why_no_way(ActionContext& context, const MigrationWork& work, const std::string& id) {
    if (!work.up) return "what its down section removes comes back from a backup only";
    if (!work.graph.find(id)->down) return "it has no down section";
    if (!rehearses(context)) return "its down section is not rehearsed (rehearse: false)";
    return may_stop_half_way(context, work, id) ? half_way_text : "";
  }

  std::map<std::string, Way> ways_back(ActionContext& context, const MigrationWork& work) const {
    const bool restorable = !backup_of_run(context).is_null() && may_restore(context);
    std::map<std::string, Way> ways;
    std::map<std::string, std::string> reasons;
    for (const std::string& id : work.plan) {
      ways[id] = restorable ? Way::restore : Way::none;
      reasons[id] = why_no_way(context, work, id);
    }
    if (work.up && rehearses(context)) {
      for (const migrations::Rehearsed& result : migrations::rehearse(
               context.database(), work.graph, work.plan, history_of(context), executor_options(context),
               {context.state_folder() / "scratch" / context.run_id(), context.machine(),
                context.pipeline().database.value("rehearse_limit", std::uint64_t{2} << 30U)},
               context.deadline())) {
        tell(context, result);
        if (result.proved()) ways[result.revision] = Way::down;
        if (!result.proved()) reasons[result.revision] = why(result);
      }
    }
    for (const auto& [id, way] : ways) {
      const bool half_way = !restorable && may_stop_half_way(context, work, id);
      if (half_way && way == Way::down) reasons[id] = half_way_text;
      if ((way != Way::none && !half_way) || context.confirmed()) continue;
      throw Error(ErrorKind::failed, "revision '" + id + "' has no way back: " + reasons[id],
                  "put a backup step before it, or give --yes");
    }
    return ways;
  }

  static std::string why(const migrations::Rehearsed& result) { return result.why_unproved(); }

  static void tell(ActionContext& context, const migrations::Rehearsed& result) {
    const std::string took = human_duration(result.up);
    if (result.proved()) {
      context.output("rehearsed " + result.revision + ": up in " + took + ", down and up again bring everything back");
    } else {
      context.output("rehearsed " + result.revision + ": up in " + took + "; " + why(result));
    }
  }

  /// The rows right after an effect; what came later is undone already. Nothing where it was not journalled as done.
  static std::optional<TableDigests> rows_after(const UndoRecord& record) {
    if (!record.result.is_object() || !record.result.contains("after") || record.result["after"].is_null()) {
      return std::nullopt;
    }
    return digests_from(record.result["after"]);
  }

  static Outcome outcome(ActionContext& context, const MigrationWork& work, const std::map<std::string, Way>& ways) {
    const auto rows = history_of(context).read(context.database(), context.deadline());
    const Json after = migrations::ids_json(migrations::current_of(rows));
    context.set_fact("revision_after", after);
    context.set_fact("applied", work.plan);
    Json way = nullptr;
    if (!work.plan.empty()) way = way_names[static_cast<std::size_t>(ways.at(work.plan.back()))];
    const std::string done = work.up ? "applied " : "reverted ";
    return {work.plan.empty() ? "nothing to do" : done + ids_words(work.plan),
            {{"revision_before", context.fact("revision_before")}, {"revision_after", after}, {"way_back", way}}};
  }

  ActionSpec spec_{
      "migrate",
      "Applies the pending migrations, rehearsed on a copy first.",
      {declare_input("target", ParameterType::text, "the revision to go to", "head"),
       {.name = "direction",
        .type = ParameterType::choice,
        .doc = "up applies, down reverts",
        .fallback = "up",
        .choices = {"up", "down"}},
       declare_input("rehearse", ParameterType::boolean, "run them up, down and up again on a copy first", true),
       declare_input("lock_wait", ParameterType::duration,
                     "how long a statement waits at once for a lock of others: the longest stall of a service"),
       declare_input("lock_wait_timeout", ParameterType::duration,
                     "how long it waits in all, with pauses; then the session in the way is named"),
       declare_input("statement_timeout", ParameterType::duration, "how long a statement may take; else any time"),
       {.name = "while_stopped",
        .type = ParameterType::list,
        .doc = "services that are stopped while revisions are applied, and while they are taken back",
        .repeated_or_single = true},
       declare_input("checks", ParameterType::boolean, "look first at what stands in the way: disk, locks, damage",
                     true),
       {.name = "restore",
        .type = ParameterType::choice,
        .doc = "whether a rollback may restore the run's backup: safe only where nobody else has written since",
        .fallback = "safe",
        .choices = {"safe", "always", "never"}}},
      false,
      true,
      true};
};

}  // namespace

const Action& migrate_action() {
  static const MigrateAction action;
  return action;
}

}  // namespace deployer
