#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/migrate/way_back.h"
#include "actions/migrate/work.h"
#include "backups/restore.h"
#include "base/error.h"
#include "base/units.h"
#include "database/dialect.h"
#include "migrations/status.h"
#include "state/run_state.h"
#include "system/machine.h"

namespace deployer {

namespace {

/// `restore`: brings a backup back; the run's own backup, taken before, is the way back.
class RestoreAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    need_database(context);
    for (const Step& step : context.pipeline().steps) {
      if (step.uses == "backup" || context.confirmed()) return;
      if (step.id == context.step().id) break;
    }
    throw Error(ErrorKind::confirmation, "a restore without a backup before it has no way back. Go on all the same?",
                "put a backup step before it, or give --yes");
  }

  Json baseline(ActionContext& context) const override { return database_baseline(context); }

  Outcome run(ActionContext& context) const override {
    const std::string name = text_input(context.inputs(), "name");
    const std::filesystem::path folder = context.path(context.pipeline().backups.value("directory", "backups"));
    database::Session& session = context.database();
    // A bare name is one of the backup folder; anything else is a path of the project.
    const bool bare = name.find('/') == std::string::npos;
    const backups::Source source =
        backups::find_source(bare ? name : context.path(name).string(), folder, session, context.files());
    // What will be there afterwards is known beforehand, so that one who dies in between can tell it from what others
    // write.
    const backups::RestoreOptions options = restore_options(context, source);
    const bool known = source.manifest && !source.manifest->partial && options.tables.empty();
    const Json undo = {{"before", json_of(table_digests(context))},
                       {"after", known ? json_of(rows_of(*source.manifest, context)) : Json(nullptr)}};
    context.set_fact("revision_before", database_baseline(context)["revision"]);
    backups::Restored restored;
    context.effect("restore", undo, [&] {
      restored = backups::restore(
          session, source, context.state_folder() / "scratch" / context.run_id(), context.machine(), context.deadline(),
          [&](std::string_view phase, std::uint64_t done, std::uint64_t total) {
            context.progress(done, total, phase);
          },
          options);
      return Json{{"after", json_of(table_digests(context))}};
    });
    const Json revision = database_baseline(context)["revision"];
    context.set_fact("revision_after", revision);
    for (const std::string& held : restored.held) {
      context.warn("not in the backup, and kept until somebody drops it: " + held);
    }
    return {"restored " + source.file.filename().string() + " (" + human_size(restored.bytes) + ")" +
                (restored.compared ? ", compared with its manifest" : ""),
            {{"file", source.file.string()}, {"revision_after", revision}, {"held", restored.held}}};
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    // What one that died has left half-way is neither before nor after.
    if (context.database().dialect().server() != nullptr)
      backups::settle_restore(context.database(), context.deadline());
    const TableDigests before = digests_from(record.data.value("before", Json::object()));
    const std::optional<TableDigests> after = rows_after(record);
    const Json at_first = context.state().baseline.value(context.step().id, Json());
    if (record.result.is_null() && database_baseline(context) == at_first && table_digests(context) == before) {
      return "it had not happened";
    }
    restore_backup_of_run(context, "safe", {before, after});
    return "restore";
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    const bool same = database_baseline(context) == baseline;
    return {true, same, same ? "schema and revision are as before" : "the schema is not what it was before the run"};
  }

 private:
  /// On a server the table of revisions goes with the content, as it was when the backup was made.
  static backups::RestoreOptions restore_options(ActionContext& context, const backups::Source& source) {
    backups::RestoreOptions options;
    options.tables = list_input(context.inputs(), "tables");
    const bool whole = options.tables.empty() && !(source.manifest && source.manifest->partial);
    if (!whole) return options;
    const migrations::History history = history_of(context);
    options.own_table = history.table();
    if (source.manifest && source.manifest->history.is_array()) {
      options.fill = [&context, history, rows = source.manifest->history](database::Session& aside) {
        write_history(aside, history, migrations::history_from(rows), context.deadline());
      };
    }
    return options;
  }

  static TableDigests rows_of(const backups::Manifest& manifest, const ActionContext& context) {
    TableDigests rows = manifest.tables;
    rows.erase(history_of(context).table());
    return rows;
  }

  /// What the restore led to, or was to lead to.
  static std::optional<TableDigests> rows_after(const UndoRecord& record) {
    for (const Json& data : {record.result, record.data}) {
      if (data.is_object() && data.contains("after") && !data["after"].is_null()) return digests_from(data["after"]);
    }
    return std::nullopt;
  }

  ActionSpec spec_{
      "restore",
      "Brings a backup back into the database.",
      {{.name = "name", .type = ParameterType::text, .doc = "a name in the backup folder, or a path", .required = true},
       {.name = "tables",
        .type = ParameterType::list,
        .doc = "only these tables of a server, and those tied to them by foreign keys"}},
      false,
      true,
      true};
};

}  // namespace

const Action& restore_action() {
  static const RestoreAction action;
  return action;
}

}  // namespace deployer
