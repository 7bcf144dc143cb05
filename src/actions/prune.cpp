#include <fmt/core.h>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "backups/catalogue.h"
#include "backups/retention.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "system/files.h"

namespace deployer {

namespace {

/// `prune`: chooses in its step, and deletes when the run's success is journalled; what it deletes never comes back.
class PruneAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  Outcome run(ActionContext& context) const override {
    std::vector<std::string> removed;
    if (context.inputs().value("backups", true)) removed = choose_backups(context);
    context.set_fact(fact_name(context), removed);
    const std::string what = removed.size() == 1 ? "1 backup" : fmt::format("{} backups", removed.size());
    return {removed.empty() ? "nothing to remove" : what + " will be removed: " + listing(removed),
            {{"removed", removed}}};
  }

  void finish(ActionContext& context) const override {
    const std::filesystem::path directory = folder(context);
    const Json chosen = context.fact(fact_name(context));
    if (chosen.is_array()) {
      remove_chosen(context, chosen, backups::list(directory, context.files()));
      backups::remove_leftovers(directory, context.files());
    }
    if (has_input(context.inputs(), "runs")) context.forget_runs(duration_input(context.inputs(), "runs"));
  }

 private:
  static std::filesystem::path folder(const ActionContext& context) {
    return context.path(context.pipeline().backups.value("directory", "backups"));
  }

  /// A run that died after its success is finished later: what was good when it chose need not be good now.
  static void remove_chosen(ActionContext& context, const Json& chosen, const backups::Catalogue& catalogue) {
    std::vector<backups::Manifest> doomed;
    for (const backups::Manifest& backup : catalogue.backups) {
      if (std::find(chosen.begin(), chosen.end(), Json(backup.name)) != chosen.end()) doomed.push_back(backup);
    }
    if (doomed.empty()) return;
    const std::set<std::string> needed = needed_backups(context, catalogue);
    for (const backups::Manifest& backup : doomed) {
      if (needed.contains(backup.name)) {
        context.warn("backup " + backup.name + " is kept after all: it is the newest good one");
      } else {
        backups::remove(backup, context.files());
      }
    }
  }

  /// Those of this run, and of each database the newest good one.
  static std::set<std::string> needed_backups(ActionContext& context, const backups::Catalogue& catalogue) {
    std::set<std::string> needed;
    std::map<std::string, std::vector<backups::Manifest>> by_database;
    for (const backups::Manifest& backup : catalogue.backups) {
      by_database[backup.database].push_back(backup);
      if (backup.run == context.run_id()) needed.insert(backup.name);
    }
    for (const auto& [database, backups] : by_database) {
      const std::optional<std::string> good = backups::newest_good(backups, context.files(), context.deadline());
      if (good) needed.insert(*good);
    }
    return needed;
  }

  static std::string fact_name(const ActionContext& context) { return "prune " + context.step().id; }

  static std::vector<std::string> choose_backups(ActionContext& context) {
    const backups::Catalogue catalogue = backups::list(folder(context), context.files());
    for (const std::string& problem : catalogue.problems) context.warn(problem);
    const Json rules = has_input(context.inputs(), "retention")
                           ? context.inputs()["retention"]
                           : context.pipeline().backups.value("retention", Json::object());
    return backups::prune(backups::Retention::from(rules), backups::candidates(catalogue.backups),
                          needed_backups(context, catalogue))
        .remove;
  }

  ActionSpec spec_{"prune",
                   "Removes backups and runs that are not kept any longer, once the run has succeeded.",
                   {declare_input("backups", ParameterType::boolean, "remove backups by the retention rules", true),
                    declare_input("runs", ParameterType::duration, "remove runs that ended longer ago than this"),
                    {.name = "retention",
                     .type = ParameterType::section,
                     .doc = "rules of its own instead of those of `backups`",
                     .members = backups::retention_parameters()}}};
};

}  // namespace

const Action& prune_action() {
  static const PruneAction action;
  return action;
}

}  // namespace deployer
