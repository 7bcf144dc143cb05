#include <fmt/core.h>

#include <algorithm>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/migrate/checks.h"
#include "actions/migrate/work.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "database/dialect.h"
#include "migrations/rehearsal.h"
#include "migrations/status.h"
#include "state/run_state.h"

namespace deployer {

namespace {

/// How one revision is taken back, once it is complete. (One that failed has left nothing: its transaction.)
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

std::string ids_words(const migrations::Ids& ids) { return ids.empty() ? "nothing" : listing(ids); }

class MigrateAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    need_capable_database(context);
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

  Json baseline(ActionContext& context) const override { return database_baseline(context); }

  Outcome run(ActionContext& context) const override {
    database::Session& session = context.database();
    const MigrationWork work = plan_migration(context);
    if (context.inputs().value("checks", true)) {
      pass_preflight(context, preflight(context, touched_tables(work, session.dialect())));
    }
    context.set_fact("revision_before", migrations::ids_json(migrations::current_of(work.rows)));
    std::map<std::string, Way> ways = ways_back(context, work);
    const bool needs_digests =
        std::any_of(ways.begin(), ways.end(), [](const auto& way) { return way.second == Way::restore; });
    const TableDigests before = needs_digests ? table_digests(context) : TableDigests{};
    const migrations::History history = history_of(context);
    migrations::Executor executor(session, history, executor_options(context));
    std::set<std::string> applied = migrations::applied_ids(work.rows);
    for (const std::string& id : work.plan) {
      const Json undo = {{"revision", id},
                         {"direction", work.up ? "up" : "down"},
                         {"way", way_names[static_cast<std::size_t>(ways[id])]},
                         {"before", json_of(before)}};
      context.effect((work.up ? "upgrade " : "downgrade ") + id, undo, [&] {
        if (work.up) {
          executor.apply(*work.graph.find(id), applied, context.deadline());
        } else {
          executor.revert(work.rows.at(id), applied, context.deadline());
        }
        return Json{{"after", needs_digests ? json_of(table_digests(context)) : Json()}};
      });
      if (work.up) applied.insert(id);
      if (!work.up) applied.erase(id);
    }
    return outcome(context, work, ways);
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    const auto rows = history_of(context).read(context.database(), context.deadline());
    const bool is_applied = migrations::applied_ids(rows).count(record.data.value("revision", "")) > 0;
    const bool up = record.data.value("direction", "up") == "up";
    return is_applied == up ? Probe::happened : Probe::not_happened;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    const std::string id = record.data.value("revision", "");
    const bool up = record.data.value("direction", "up") == "up";
    const migrations::History history = history_of(context);
    const auto rows = history.read(context.database(), context.deadline());
    const std::set<std::string> applied = migrations::applied_ids(rows);
    if ((applied.count(id) > 0) != up) return note_way(context, "transaction");
    const Way way = way_named(record.data.value("way", "none"));
    if (way == Way::down) {
      migrations::Executor(context.database(), history, executor_options(context))
          .revert(rows.at(id), applied, context.deadline());
      return note_way(context, "down");
    }
    const TableDigests before = digests_from(record.data.value("before", Json::object()));
    restore_backup_of_run(context, text_input(context.inputs(), "restore"), before, rows_after(record));
    return note_way(context, "restore");
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    const Json now = database_baseline(context);
    if (now == baseline) return {true, true, "schema and revision are as before"};
    if (now["revision"] != baseline["revision"]) {
      return {true, false, "the database is at " + dump(now["revision"]) + " and was at " + dump(baseline["revision"])};
    }
    return {true, false, "the schema is not what it was before the run"};
  }

 private:
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

  /// Why a revision cannot be taken back without a backup, as far as its text tells; empty where it can.
  static std::string why_no_way(const ActionContext& context, const MigrationWork& work, const std::string& id) {
    if (!work.up) return "what its down section removes comes back from a backup only";
    if (!work.graph.find(id)->down) return "it has no down section";
    return rehearses(context) ? "" : "its down section is not rehearsed (rehearse: false)";
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
               context.state_folder() / "scratch" / context.run_id(), context.files(), context.deadline())) {
        tell(context, result);
        if (result.proved()) ways[result.revision] = Way::down;
        if (!result.proved()) reasons[result.revision] = why(result);
      }
    }
    for (const auto& [id, way] : ways) {
      if (way != Way::none || context.confirmed()) continue;
      throw Error(ErrorKind::failed, "revision '" + id + "' has no way back: " + reasons[id],
                  "put a backup step before it, or give --yes");
    }
    return ways;
  }

  static std::string why(const migrations::Rehearsed& result) {
    if (!result.down_error.empty()) return "its down section fails: " + result.down_error;
    if (!result.lost.empty()) return "its down section does not bring back everything: " + result.lost.front();
    return "it has no down section";
  }

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
       declare_input("checks", ParameterType::boolean, "look first at what stands in the way: disk, locks, damage", true),
       {.name = "restore",
        .type = ParameterType::choice,
        .doc = "whether a rollback may restore the run's backup: safe only where nobody else has written since",
        .fallback = "safe",
        .choices = {"safe", "always", "never"}}},
      false,
      true};
};

}  // namespace

const Action& migrate_action() {
  static const MigrateAction action;
  return action;
}

}  // namespace deployer
