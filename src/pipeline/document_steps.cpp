// The steps of a document and its hooks.
#include <algorithm>
#include <cstdlib>

#include "base/id.h"
#include "base/text.h"
#include "pipeline/document.h"
#include "pipeline/document_keys.h"
#include "pipeline/foreign_words.h"

namespace deployer {

namespace {

using Type = ParameterType;
using Kind = YamlNode::Kind;

const std::vector<std::string>& later_step_words() {
  static const std::vector<std::string> words = {"needs", "if", "hosts", "rollout"};
  return words;
}

std::optional<std::string> attempts_complaint(const Json& attempts) {
  if (attempts >= 1 && attempts <= 1000) return std::nullopt;
  return "must be from 1 to 1000";
}

std::optional<double> factor_of(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double factor = std::strtod(text.c_str(), &end);
  if (*end != '\0' || factor < 1 || factor > 1000) return std::nullopt;
  return factor;
}

std::optional<std::string> factor_complaint(const Json& factor) {
  if (factor_of(factor.get<std::string>())) return std::nullopt;
  return "must be a number from 1 to 1000";
}

std::vector<Parameter> retry_parameters() {
  return {{.name = "attempts", .type = Type::integer, .required = true, .check = attempts_complaint},
          {.name = "delay", .type = Type::duration, .fallback = 1000},
          {.name = "factor", .type = Type::text, .fallback = "1", .check = factor_complaint},
          {.name = "max_delay", .type = Type::duration, .fallback = 0}};
}

const std::vector<Parameter>& step_parameters() {
  // What has a reader of its own is `any` here: only the key is known.
  static const std::vector<Parameter> parameters = {
      document_key("id", Type::text),
      document_key("name", Type::text),
      document_key("uses", Type::any),
      document_key("run", Type::command),
      document_key("with", Type::any),
      document_key("env", Type::any),
      document_key("working_directory", Type::path),
      document_key("shell", Type::any),
      time_limit_key("timeout"),
      {.name = "retry", .type = Type::section, .members = retry_parameters()},
      {.name = "continue_on_error", .type = Type::boolean, .fallback = false},
      document_key("rollback", Type::any),
      document_key("verify", Type::command),
      document_key("probe", Type::command),
      document_key("hooks", Type::any)};
  return parameters;
}

const std::vector<Parameter>& hook_parameters() {
  static const std::vector<Parameter> parameters = [] {
    Parameter command = document_key("command", Type::command);
    command.required = true;
    Parameter timeout = time_limit_key("timeout");
    timeout.fallback = 60'000;
    return std::vector<Parameter>{command, timeout, {.name = "required", .type = Type::boolean, .fallback = false}};
  }();
  return parameters;
}

bool is_step_id(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' || letter == '_';
  });
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string& word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

// The foreign words of a step, and `restart: {…}` for `uses: restart`.
std::vector<std::pair<std::string, std::string>> step_hints(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string, std::string>> hints = foreign_step_words();
  for (const ActionWord& action : vocabulary.actions) {
    if (action.word != "run") hints.emplace_back(action.word + ": {…}", "uses: " + action.word + "` with `with: {…}");
  }
  return hints;
}

}  // namespace

std::optional<Hook> DocumentReader::read_hook(const std::string& event, const YamlNode& node) {
  Hook hook;
  if (node.kind != Kind::mapping) {
    const std::optional<Json> command = read_one(node, event, Type::command);
    if (!command) return std::nullopt;
    hook.command = command_from(*command, node.at);
    return hook;
  }
  const std::size_t before = wrong_.size();
  const Json values = read_parameters(node, hook_parameters(), "a hook", wrong_, evaluate_);
  if (wrong_.size() > before || !values.contains("command")) return std::nullopt;
  hook.command = command_from(values["command"], node.find("command")->at);
  hook.timeout = Duration(values["timeout"].get<Duration::rep>());
  hook.required = values["required"].get<bool>();
  return hook;
}

void DocumentReader::read_hooks(const YamlNode* node, const std::set<std::string>& events, Hooks& hooks) {
  if (node == nullptr || node->kind == Kind::null) return;
  if (node->kind != Kind::mapping) {
    complain(node->at, "hooks must be a mapping", "as in hooks: {on_failure: hooks/page}");
    return;
  }
  for (const YamlNode::Entry& entry : node->entries) {
    // A step's id may have `_`, so letters that are alike are compared alike.
    const auto event = std::find_if(events.begin(), events.end(), [&](const std::string& name) {
      return with_underscores(name) == with_underscores(entry.key);
    });
    if (event == events.end()) {
      const std::optional<std::string> meant = did_you_mean(entry.key, {events.begin(), events.end()});
      complain(entry.key_at, "there is no event '" + entry.key + "'",
               meant ? "did you mean '" + *meant + "'?"
                     : "events are before-ID and after-ID of a step, " +
                           listing({run_event_names().begin(), run_event_names().end()}));
      continue;
    }
    const std::vector<YamlNode>& items = entry.value.items;
    const bool is_list = std::any_of(items.begin(), items.end(), [](const YamlNode& item) {
      return item.kind == Kind::mapping || item.kind == Kind::sequence;
    });
    const std::vector<YamlNode> alone = {entry.value};
    for (const YamlNode& item : is_list ? items : alone) {
      if (std::optional<Hook> hook = read_hook(entry.key, item)) hooks[*event].push_back(std::move(*hook));
    }
  }
}

void DocumentReader::read_steps(const YamlNode* node, Pipeline& pipeline) {
  if (node == nullptr || node->kind != Kind::sequence || node->items.empty()) {
    complain(node != nullptr ? node->at : Location{pipeline.file.string(), 1, 1}, "a pipeline needs a list of steps",
             "as in steps: [{run: ./deploy}]");
    return;
  }
  std::vector<Location> explicit_ids;
  for (const YamlNode& item : node->items) {
    if (item.kind != Kind::mapping) {
      complain(item.at, "a step must be a mapping", "as in - run: ./deploy");
      continue;
    }
    pipeline.steps.push_back(read_step(item, pipeline));
    const YamlNode* id = item.find("id");
    explicit_ids.push_back(id != nullptr ? id->at : Location{});
  }
  name_steps(pipeline.steps, explicit_ids);
}

void DocumentReader::name_steps(std::vector<Step>& steps, const std::vector<Location>& explicit_ids) {
  std::map<std::string, Location> taken;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].id.empty()) continue;
    const auto [first, is_new] = taken.emplace(steps[i].id, explicit_ids[i]);
    if (is_new) continue;
    complain(explicit_ids[i], "two steps have the id '" + steps[i].id + "'",
             "the first is in line " + std::to_string(first->second.line));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
    if (step.id.empty()) {
      std::string wanted = step.uses != "run" ? step.uses : slug(step.name);
      if (wanted.empty()) wanted = "step-" + std::to_string(i + 1);
      std::string id = wanted;
      for (int n = 2; taken.count(id) > 0; ++n) id = wanted + "-" + std::to_string(n);
      taken.emplace(id, step.at);
      step.id = id;
    }
    if (step.name.empty()) step.name = step.id;
  }
}

Step DocumentReader::read_step(const YamlNode& node, const Pipeline& pipeline) {
  Step step;
  step.at = node.at;
  refuse_later(node, later_step_words(), "a step");
  const YamlNode known = keys_only(node, later_step_words(), step_parameters());
  const Json values =
      read_parameters(known, step_parameters(), "a step", wrong_, evaluate_, step_hints(world_.vocabulary));
  const YamlNode* uses = node.find("uses");
  const YamlNode* run = node.find("run");
  if ((uses != nullptr) == (run != nullptr)) {
    complain(node.at, uses == nullptr ? "a step needs `uses` or `run`" : "a step has either `uses` or `run`, not both");
  }
  step.id = values.value("id", "");
  if (const YamlNode* id = node.find("id"); id != nullptr && values.contains("id") && !is_step_id(step.id)) {
    complain(id->at, "'" + step.id + "' is no id of a step", "letters, digits, - and _");
  }
  step.name = values.value("name", "");
  read_step_words(node, values, pipeline, step);
  if (run != nullptr) {
    step.uses = "run";
    if (values.contains("run")) step.run = command_from(values["run"], run->at);
    if (const YamlNode* with = node.find("with")) complain(with->at, "a `run` step has no `with`", "use env: instead");
  } else if (uses != nullptr) {
    read_action(node, *uses, step);
  }
  return step;
}

void DocumentReader::read_action(const YamlNode& node, const YamlNode& uses, Step& step) {
  if (uses.kind != Kind::scalar || has_expression_in(uses.text)) {
    complain(uses.at, "`uses` must be the word of an action");
    return;
  }
  step.uses = with_underscores(uses.text);
  const std::vector<ActionWord>& actions = world_.vocabulary.actions;
  const auto action = std::find_if(actions.begin(), actions.end(), [&](const ActionWord& word) {
    return word.word == step.uses && word.word != "run";
  });
  if (action == actions.end()) {
    refuse_action(uses, step.uses);
    return;
  }
  const YamlNode* with = node.find("with");
  YamlNode none;
  none.at = uses.at;
  step.inputs = read_parameters(with != nullptr ? *with : none, action->inputs, "with of " + action->word, wrong_,
                                evaluate_, later_input_words());
  if (step.continue_on_error && !action->can_continue_on_error) {
    complain(node.find("continue_on_error")->at, "'" + action->word + "' cannot have continue-on-error",
             "it would leave the service between two versions");
  }
}

void DocumentReader::refuse_action(const YamlNode& uses, const std::string& word) {
  const std::vector<std::string>& later = world_.vocabulary.later_actions;
  if (std::find(later.begin(), later.end(), word) != later.end()) {
    wrong_.push_back({uses.at, Level::error, "later", "the action '" + word + "' is not in this version", "", ""});
    return;
  }
  std::vector<std::string> words;
  for (const ActionWord& known : world_.vocabulary.actions) {
    if (known.word != "run") words.push_back(known.word);
  }
  std::string hint = "actions are " + listing(words);
  if (const std::optional<std::string> meant = did_you_mean(uses.text, words)) hint = "did you mean '" + *meant + "'?";
  if (word == "run") hint = "a command is written `run: COMMAND`, without `uses`";
  if (uses.text.find('/') != std::string::npos || uses.text.find('@') != std::string::npos) {
    hint = "actions of GitHub cannot be used here; " + hint;
  }
  complain(uses.at, "there is no action '" + uses.text + "'", hint);
}

std::vector<std::string> DocumentReader::read_shell(const YamlNode* node) {
  const std::optional<Json> shell = node == nullptr ? std::nullopt : read_one(*node, "shell", Type::command);
  if (!shell) return {"bash", "--noprofile", "--norc", "-eo", "pipefail"};
  const CommandLine line = command_from(*shell, node->at);
  std::vector<std::string> argv = line.argv.empty() ? words_of(line.shell_text) : line.argv;
  if (std::find(argv.begin(), argv.end(), "{0}") != argv.end()) {
    complain(node->at, "'{0}' has no meaning in `shell`: the command is given behind -c", "as in shell: bash -e");
  }
  return argv;
}

void DocumentReader::read_rollback(const YamlNode* node, Step& step) {
  if (node == nullptr) return;
  if (node->kind == Kind::mapping) {
    wrong_.push_back(
        {node->at, Level::error, "later", "an action as `rollback` is not in this version", "use a command", ""});
  } else if (node->kind == Kind::scalar && node->plain && node->text == "none") {
    step.rollback = UndoOverride{true, {}};
  } else if (const std::optional<Json> command = read_one(*node, "rollback", Type::command)) {
    step.rollback = UndoOverride{false, command_from(*command, node->at)};
  }
}

void DocumentReader::read_step_words(const YamlNode& node, const Json& values, const Pipeline& pipeline, Step& step) {
  step.env = read_variables(node.find("env"));
  step.working_directory = (pipeline.project / values.value("working_directory", ".")).lexically_normal();
  step.shell = read_shell(node.find("shell"));
  if (values.contains("timeout")) step.timeout = Duration(values["timeout"].get<Duration::rep>());
  if (values.contains("retry")) {
    const Json& retry = values["retry"];
    step.retry.attempts = retry.value("attempts", 1);
    step.retry.delay = Duration(retry.value("delay", Duration::rep{0}));
    step.retry.max_delay = Duration(retry.value("max_delay", Duration::rep{0}));
    step.retry.factor = factor_of(retry.value("factor", "1")).value_or(1);
  }
  step.continue_on_error = values.value("continue_on_error", false);
  read_rollback(node.find("rollback"), step);
  if (values.contains("verify")) step.verify = command_from(values["verify"], node.find("verify")->at);
  if (values.contains("probe")) step.probe = command_from(values["probe"], node.find("probe")->at);
  read_hooks(node.find("hooks"), {"before-step", "after-step"}, step.hooks);
}

}  // namespace deployer
