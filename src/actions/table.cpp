#include "actions/table.h"

#include <array>

#include "actions/builtin.h"

namespace deployer {

namespace {

using ActionGetter = const Action& (*)();

/// THE table: an action is a file and a line here.
constexpr std::array action_table = {
    static_cast<ActionGetter>(&validate_action),     static_cast<ActionGetter>(&connectivity_action),
    static_cast<ActionGetter>(&maintenance_action),  static_cast<ActionGetter>(&backup_action),
    static_cast<ActionGetter>(&migrate_action),      static_cast<ActionGetter>(&restore_action),
    static_cast<ActionGetter>(&prune_action),        static_cast<ActionGetter>(&dependencies_action),
    static_cast<ActionGetter>(&release_action),      static_cast<ActionGetter>(&restart_action),
    static_cast<ActionGetter>(&health_check_action), static_cast<ActionGetter>(&sql_action),
    static_cast<ActionGetter>(&http_action),         static_cast<ActionGetter>(&run_action),
};

constexpr std::array<std::string_view, 4> later_words = {
    "approve",
    "wait",
    "notify",
    "ansible",
};

}  // namespace

const Action* find_action(std::string_view word) {
  for (const ActionGetter get : action_table) {
    if (get().spec().word == word) return &get();
  }
  return nullptr;
}

std::vector<const Action*> all_actions() {
  std::vector<const Action*> actions;
  for (const ActionGetter get : action_table) actions.push_back(&get());
  return actions;
}

std::vector<ActionWord> action_words() {
  std::vector<ActionWord> words;
  for (const Action* action : all_actions()) {
    const ActionSpec& spec = action->spec();
    words.push_back({spec.word, spec.inputs, spec.can_continue_on_error});
  }
  return words;
}

std::vector<std::string> later_actions() { return {later_words.begin(), later_words.end()}; }

}  // namespace deployer
