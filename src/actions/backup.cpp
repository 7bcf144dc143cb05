#include "backups/backup.h"

#include <algorithm>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/migrate/work.h"
#include "backups/catalogue.h"
#include "base/error.h"
#include "base/units.h"
#include "database/dialect.h"
#include "migrations/status.h"
#include "system/machine.h"

namespace deployer {

namespace {

std::filesystem::path backup_folder(const ActionContext& context) {
  return context.path(context.pipeline().backups.value("directory", "backups"));
}

backups::Check check_named(const std::string& word) {
  if (word == "none") return backups::Check::none;
  return word == "drill" ? backups::Check::drill : backups::Check::checksum;
}

/// `backup`: makes one, and looks at it. It stays whatever becomes of the run.
class BackupAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    need_database(context);
    if (!is_made_by_this_run(context)) need_database_file(context);
  }

  StepPlan plan(ActionContext& context) const override {
    return {"back the database up into " + backup_folder(context).string(), {}, {}, "the backup stays"};
  }

  Outcome run(ActionContext& context) const override {
    const std::string path = text_input(context.inputs(), "path");
    const std::filesystem::path folder = path.empty() ? backup_folder(context) : context.path(path).parent_path();
    const Json made = context.effect("backup", {{"folder", folder.string()}}, [&] {
      return backups::create(context.database(), request(context), context.machine(), context.deadline(),
                             [&](std::string_view phase, std::uint64_t done, std::uint64_t total) {
                               context.progress(done, total, phase);
                             })
          .json();
    });
    context.set_fact("backup", made["name"]);
    context.set_fact("backup_manifest", made);
    return {made["name"].get<std::string>() + " (" + human_size(made["bytes"].get<std::uint64_t>()) + ")",
            {{"name", made["name"]}, {"file", made["file"]}, {"bytes", made["bytes"]}, {"digest", made["digest"]}}};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    for (const backups::Manifest& backup : backups::list(record.data.value("folder", ""), context.files()).backups) {
      if (backup.run == context.run_id()) return Probe::happened;
    }
    return Probe::partly;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (!record.result.is_null()) return "nothing: the backup stays";
    backups::remove_leftovers(record.data.value("folder", ""), context.files());
    return "removing what was left of it";
  }

 private:
  /// The first upgrade ever makes the database: there is nothing to back up before it, and that is no mistake.
  static bool is_made_by_this_run(const ActionContext& context) {
    const std::vector<Step>& steps = context.pipeline().steps;
    return std::any_of(steps.begin(), steps.end(), [](const Step& step) { return step.uses == "migrate"; });
  }

  /// A file that is not there would be made when it is opened, and a backup of nothing taken for a good one.
  static void need_database_file(ActionContext& context) {
    const database::Url url = value_or_throw(database::parse_url(context.pipeline().database.value("url", "")));
    if (database::dialect_of(url.engine).server() != nullptr) return;
    database::open(url, context.pipeline().project, database::Access::read_only, context.deadline());
  }

  static backups::BackupRequest request(ActionContext& context) {
    backups::BackupRequest request;
    request.directory = backup_folder(context);
    const std::string path = text_input(context.inputs(), "path");
    if (!path.empty()) request.path = context.path(path);
    request.project = context.pipeline().project;
    request.scratch = context.state_folder() / "scratch";
    request.tags = list_input(context.inputs(), "tag");
    request.run = context.run_id();
    const auto applied = history_of(context).read(context.database(), context.deadline());
    request.revision = migrations::ids_json(migrations::current_of(applied));
    // On a server deployer's own tables are in no backup.
    if (context.database().dialect().server() != nullptr) request.history = migrations::history_json(applied);
    request.now = context.now();
    request.check = check_named(text_input(context.inputs(), "verify"));
    return request;
  }

  ActionSpec spec_{"backup",
                   "Backs the database up while others write, and looks at the backup.",
                   {{.name = "verify",
                     .type = ParameterType::choice,
                     .doc = "how far it is looked at: read back, or restored and compared",
                     .fallback = "checksum",
                     .choices = {"none", "checksum", "drill"}},
                    {.name = "tag",
                     .type = ParameterType::list,
                     .doc = "tags, which retention can keep",
                     .repeated_or_single = true},
                    declare_input("path", ParameterType::path, "a file of your own instead of the backup folder")},
                   true,
                   false,
                   true};
};

}  // namespace

const Action& backup_action() {
  static const BackupAction action;
  return action;
}

}  // namespace deployer
