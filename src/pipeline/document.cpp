#include "pipeline/document.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/text.h"
#include "pipeline/foreign_words.h"
#include "system/files.h"

namespace deployer {

namespace {

using Type = ParameterType;
using Kind = YamlNode::Kind;
namespace fs = std::filesystem;

const std::vector<std::string> later_head_words = {"include", "schedule", "notify", "hosts", "max_parallel"};
const std::vector<std::string> later_step_words = {"needs", "if", "hosts", "rollout"};
const std::set<std::string> run_event_names = {"before-run",  "after-run",  "on-success",      "on-failure",
                                               "before-step", "after-step", "before-rollback", "after-rollback"};
const std::vector<std::string> standard_shell = {"bash", "--noprofile", "--norc", "-eo", "pipefail"};

std::string dashed(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

std::string underscored(std::string key) {
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

Parameter head(std::string name, Type type, bool required = false) {
  return {.name = std::move(name), .type = type, .required = required};
}

const std::vector<Parameter>& head_parameters() {
  // What has a reader of its own is `any` here: only the key is known.
  static const std::vector<Parameter> parameters = {
      head("name", Type::text),
      head("description", Type::text),
      head("vars", Type::any),
      head("env", Type::any),
      head("env_file", Type::path),
      head("inherit_env", Type::list),
      head("secrets", Type::any),
      head("database", Type::any),
      head("backups", Type::any),
      head("lock", Type::text),
      head("timeout", Type::duration),
      {.name = "on_failure", .type = Type::choice, .fallback = "rollback", .choices = {"rollback", "stop"}},
      head("hooks", Type::any),
      head("steps", Type::any)};
  return parameters;
}

const std::vector<Parameter>& step_parameters() {
  static const std::vector<Parameter> parameters = {
      head("id", Type::text),
      head("name", Type::text),
      head("uses", Type::any),
      head("run", Type::command),
      head("with", Type::any),
      head("env", Type::any),
      head("working_directory", Type::path),
      head("shell", Type::any),
      head("timeout", Type::duration),
      {.name = "retry",
       .type = Type::section,
       .members = {{.name = "attempts", .type = Type::integer, .required = true},
                   {.name = "delay", .type = Type::duration, .fallback = 1000},
                   {.name = "factor", .type = Type::text, .fallback = "1"},
                   {.name = "max_delay", .type = Type::duration, .fallback = 0}}},
      {.name = "continue_on_error", .type = Type::boolean, .fallback = false},
      head("rollback", Type::any),
      head("verify", Type::command),
      head("probe", Type::command),
      head("hooks", Type::any)};
  return parameters;
}

bool is_step_id(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' || letter == '_';
  });
}

/// A mapping for read_parameters: without the words of later versions, and with nothing behind the keys that have a
/// reader of their own (declared as `any`), so that what is wrong there is told once.
YamlNode keys_only(const YamlNode& mapping, const std::vector<std::string>& later,
                   const std::vector<Parameter>& parameters) {
  YamlNode out = mapping;
  std::erase_if(out.entries, [&](const YamlNode::Entry& entry) {
    return std::find(later.begin(), later.end(), underscored(entry.key)) != later.end();
  });
  for (YamlNode::Entry& entry : out.entries) {
    for (const Parameter& parameter : parameters) {
      if (parameter.name != underscored(entry.key) || parameter.type != Type::any) continue;
      entry.value = YamlNode{};
      entry.value.kind = Kind::scalar;
    }
  }
  return out;
}

CommandLine command_from(const Json& value, const Location& at) {
  CommandLine line;
  line.at = at;
  if (value.is_string()) {
    line.shell_text = value;
  } else {
    line.argv = value.get<std::vector<std::string>>();
  }
  return line;
}

/// `user:password@` in a URL that stands in the document itself.
bool has_literal_password(const std::string& text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos || has_expression_in(text)) return false;
  const std::size_t at = text.find('@', scheme);
  const std::size_t colon = text.find(':', scheme + 3);
  const std::size_t slash = text.find('/', scheme + 3);
  return at != std::string::npos && colon < at && (slash == std::string::npos || at < slash) && colon + 1 < at;
}

std::string password_of(const std::string& url) {
  const std::size_t colon = url.find(':', url.find("://") + 3);
  return url.substr(colon + 1, url.find('@', colon) - colon - 1);
}

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The password of a URL is secret, raw and decoded, wherever the URL came from.
void make_password_known(Redactor& redactor, const std::string& url) {
  if (!has_literal_password(url)) return;
  redactor.add("database password", password_of(url));
  redactor.add("database password", percent_decoded(password_of(url)));
}

}  // namespace

DocumentReader::DocumentReader(World world, Diagnostics& wrong) : world_(std::move(world)), wrong_(wrong) {
  evaluate_ = [this](const YamlNode& node, Diagnostics& diagnostics) { return names_.evaluate(node, diagnostics); };
}

void DocumentReader::complain(const Location& at, const std::string& message, const std::string& hint) {
  wrong_.push_back({at, Level::error, "document", message, hint, ""});
}

void DocumentReader::refuse_later(const YamlNode& mapping, const std::vector<std::string>& words,
                                  const std::string& where) {
  for (const YamlNode::Entry& entry : mapping.entries) {
    if (std::find(words.begin(), words.end(), underscored(entry.key)) == words.end()) continue;
    wrong_.push_back(
        {entry.key_at, Level::error, "later", "'" + entry.key + "' of " + where + " is not in this version", "", ""});
  }
}

Pipeline DocumentReader::read(const YamlNode& root) {
  Pipeline pipeline;
  pipeline.file = world_.request.file;
  pipeline.project = world_.request.project;
  if (root.kind != Kind::mapping) {
    complain(root.at, "a pipeline is a mapping with steps", "as in steps: [{run: ./deploy}]");
    return pipeline;
  }
  refuse_later(root, later_head_words, "a pipeline");
  const YamlNode known = keys_only(root, later_head_words, head_parameters());
  read_vars(root, pipeline);
  const Secrets secrets = read_secrets(root.find("secrets"),
                                       {world_.request.project, world_.request.environment, world_.request.read_secrets,
                                        world_.files, world_.processes, world_.redactor},
                                       world_.deadline, wrong_);
  for (const auto& [name, value] : secrets) names_.set("secrets." + name, value);
  const YamlNode* name = root.find("name");
  pipeline.name = name != nullptr && name->kind == Kind::scalar ? name->text : fs::path(pipeline.file).stem().string();
  names_.set("pipeline.name", pipeline.name);
  names_.set("run.id", world_.request.run_id);
  names_.set("run.started_at", world_.request.started_at);
  char host[256] = {};
  names_.set("host.name", gethostname(host, sizeof host - 1) == 0 ? std::optional<std::string>(host) : std::nullopt);
  const Json values = read_parameters(known, head_parameters(), "a pipeline", wrong_, evaluate_, foreign_head_words());
  read_environment(root, pipeline);
  pipeline.name = values.value("name", pipeline.name);
  pipeline.description = values.value("description", "");
  pipeline.inherit_env = values.value("inherit_env", std::vector<std::string>{});
  pipeline.lock = values.value("lock", "");
  if (values.contains("timeout")) pipeline.timeout = Duration(values["timeout"].get<Duration::rep>());
  pipeline.on_failure = values.value("on_failure", "rollback") == "stop" ? OnFailure::stop : OnFailure::rollback;
  read_database(root, pipeline);
  if (const YamlNode* backups = root.find("backups")) {
    pipeline.backups = read_parameters(*backups, world_.vocabulary.backups, "backups", wrong_, evaluate_);
  } else {
    pipeline.backups = read_parameters({}, world_.vocabulary.backups, "backups", wrong_, evaluate_);
  }
  read_steps(root.find("steps"), pipeline);
  std::set<std::string> events = run_event_names;
  for (const Step& step : pipeline.steps) events.insert({"before-" + step.id, "after-" + step.id});
  read_hooks(root.find("hooks"), events, pipeline.hooks);
  warn_of_passwords(root);
  return pipeline;
}

void DocumentReader::read_vars(const YamlNode& root, Pipeline& pipeline) {
  std::map<std::string, std::string> given = world_.request.vars;
  std::vector<std::string> known;
  if (const YamlNode* vars = root.find("vars"); vars != nullptr && vars->kind == Kind::mapping) {
    for (const YamlNode::Entry& entry : vars->entries) {
      known.push_back(entry.key);
      if (entry.value.kind != Kind::scalar && entry.value.kind != Kind::null) {
        complain(entry.value.at, "the variable '" + entry.key + "' must be a text");
        continue;
      }
      if (has_expression_in(entry.value.text)) {
        complain(entry.value.at, "a variable cannot hold an expression", "write the value, or use --var");
        continue;
      }
      pipeline.vars[entry.key] = entry.value.text;
    }
  } else if (vars != nullptr && vars->kind != Kind::null) {
    complain(vars->at, "vars must be a mapping", "as in vars: {app: /srv/app}");
  }
  for (const auto& [name, value] : given) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::optional<std::string> meant = did_you_mean(name, known);
      complain({world_.request.file.string(), 0, 0}, "--var " + name + ": the document has no variable '" + name + "'",
               meant ? "did you mean '" + *meant + "'?" : "declare it under vars:");
    }
    pipeline.vars[name] = value;
  }
  for (const auto& [name, value] : pipeline.vars) names_.set("vars." + name, value);
}

std::map<std::string, std::string> DocumentReader::read_map(const YamlNode* node, const std::string& what) {
  std::map<std::string, std::string> values;
  if (node == nullptr) return values;
  YamlNode holder;
  holder.kind = Kind::mapping;
  holder.at = node->at;
  holder.entries.push_back({what, node->at, *node});
  const Json read = read_parameters(holder, {head(what, Type::map)}, what, wrong_, evaluate_);
  for (const auto& [name, value] : read.value(what, Json::object()).items()) values[name] = value.get<std::string>();
  return values;
}

void DocumentReader::read_environment(const YamlNode& root, Pipeline& pipeline) {
  const SecretSources sources{world_.request.project, world_.request.environment, world_.request.read_secrets,
                              world_.files,           world_.processes,           world_.redactor};
  if (const YamlNode* file = root.find("env_file"); file != nullptr && file->kind == Kind::scalar) {
    Diagnostics ignored;  // a wrong expression in it was told with the head
    const std::optional<std::string> path = names_.evaluate(*file, ignored);
    if (path) pipeline.env = read_env_file(world_.request.project / *path, file->at, sources, wrong_);
  }
  for (const auto& [name, value] : pipeline.env) names_.set("env." + name, value);
  for (const auto& [name, value] : read_map(root.find("env"), "env")) {
    pipeline.env[name] = value;
    names_.set("env." + name, value);
  }
}

void DocumentReader::read_database(const YamlNode& root, Pipeline& pipeline) {
  const LoadRequest& request = world_.request;
  const YamlNode* node = root.find("database");
  YamlNode section = node != nullptr ? *node : YamlNode{};
  std::string url;
  if (!request.database.empty()) {
    url = request.database;
    pipeline.database_origin = "flag";
  } else if (const auto variable = request.environment.find("DATABASE_URL");
             variable != request.environment.end() && !variable->second.empty()) {
    url = variable->second;
    pipeline.database_origin = "environment";
  } else if (const YamlNode* written = section.find("url"); written != nullptr && written->kind == Kind::scalar) {
    pipeline.database_origin = written->at.file == request.file.string() ? "document" : "settings";
    Diagnostics ignored;  // told when the section is read
    if (const std::optional<std::string> value = names_.evaluate(*written, ignored)) {
      make_password_known(world_.redactor, *value);
    }
  }
  if (!url.empty()) {
    // What a flag or the environment gives takes the document's place before the section is checked.
    make_password_known(world_.redactor, url);
    std::erase_if(section.entries, [](const YamlNode::Entry& entry) { return entry.key == "url"; });
    YamlNode given;
    given.kind = Kind::scalar;
    given.text = url;
    given.at = {pipeline.database_origin == "flag" ? "--database" : "DATABASE_URL", 0, 0};
    section.kind = Kind::mapping;
    section.entries.push_back({"url", given.at, given});
  }
  pipeline.database = read_parameters(section, world_.vocabulary.database, "database", wrong_, evaluate_);
  if (!pipeline.database.contains("migrations")) {
    pipeline.database["migrations"] = world_.settings.text("migrations.directory");
  }
}

void DocumentReader::warn_of_passwords(const YamlNode& node) {
  if (node.kind == Kind::scalar && has_literal_password(node.text)) {
    make_password_known(world_.redactor, node.text);
    wrong_.push_back({node.at, Level::warning, "password", "a password stands in the document",
                      "name it under secrets: and write ${{ secrets.NAME }}", ""});
  }
  for (const YamlNode& item : node.items) warn_of_passwords(item);
  for (const YamlNode::Entry& entry : node.entries) warn_of_passwords(entry.value);
}

CommandLine DocumentReader::command_of(const YamlNode* node, const std::string& what) {
  CommandLine line;
  if (node == nullptr) return line;
  YamlNode holder;
  holder.kind = Kind::mapping;
  holder.at = node->at;
  holder.entries.push_back({what, node->at, *node});
  const Json read = read_parameters(holder, {head(what, Type::command)}, what, wrong_, evaluate_);
  line.at = node->at;
  return read.contains(what) ? command_from(read[what], node->at) : line;
}

std::optional<Hook> DocumentReader::read_hook(const YamlNode& node) {
  Hook hook;
  if (node.kind != Kind::mapping) {
    hook.command = command_of(&node, "a hook");
    return hook;
  }
  static const std::vector<Parameter> parameters = {
      {.name = "command", .type = Type::any, .required = true},
      {.name = "timeout", .type = Type::duration, .fallback = 60'000},
      {.name = "required", .type = Type::boolean, .fallback = false},
  };
  const std::size_t before = wrong_.size();
  const Json values = read_parameters(node, parameters, "a hook", wrong_, evaluate_);
  hook.command = command_of(node.find("command"), "command");
  if (wrong_.size() > before) return std::nullopt;
  hook.timeout = Duration(values.value("timeout", Duration::rep{60'000}));
  hook.required = values.value("required", false);
  return hook;
}

void DocumentReader::read_hooks(const YamlNode* node, const std::set<std::string>& events, Hooks& hooks) {
  if (node == nullptr || node->kind == Kind::null) return;
  if (node->kind != Kind::mapping) {
    complain(node->at, "hooks must be a mapping", "as in hooks: {on_failure: hooks/page}");
    return;
  }
  for (const YamlNode::Entry& entry : node->entries) {
    // A step's id may have `_`: what is exactly an event's name is taken first.
    const std::string event = events.count(entry.key) > 0 ? entry.key : dashed(entry.key);
    if (events.count(event) == 0) {
      const std::optional<std::string> meant = did_you_mean(event, {events.begin(), events.end()});
      complain(entry.key_at, "there is no event '" + entry.key + "'",
               meant ? "did you mean '" + *meant + "'?" : "events are " + listing({events.begin(), events.end()}));
      continue;
    }
    const bool list = entry.value.kind == Kind::sequence && !entry.value.items.empty() &&
                      std::any_of(entry.value.items.begin(), entry.value.items.end(),
                                  [](const YamlNode& item) { return item.kind != Kind::scalar; });
    if (!list) {
      if (std::optional<Hook> hook = read_hook(entry.value)) hooks[event].push_back(std::move(*hook));
      continue;
    }
    for (const YamlNode& item : entry.value.items) {
      if (std::optional<Hook> hook = read_hook(item)) hooks[event].push_back(std::move(*hook));
    }
  }
}

void DocumentReader::read_steps(const YamlNode* node, Pipeline& pipeline) {
  if (node == nullptr || node->kind != Kind::sequence || node->items.empty()) {
    complain(node != nullptr ? node->at : Location{pipeline.file.string(), 1, 1}, "a pipeline needs a list of steps",
             "as in steps: [{run: ./deploy}]");
    return;
  }
  std::vector<bool> explicit_ids;
  for (const YamlNode& item : node->items) {
    if (item.kind != Kind::mapping) {
      complain(item.at, "a step must be a mapping", "as in - run: ./deploy");
      continue;
    }
    pipeline.steps.push_back(read_step(item, pipeline));
    explicit_ids.push_back(item.find("id") != nullptr);
  }
  name_steps(pipeline.steps, explicit_ids);
}

void DocumentReader::name_steps(std::vector<Step>& steps, const std::vector<bool>& explicit_ids) {
  std::map<std::string, Location> taken;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!explicit_ids[i] || steps[i].id.empty()) continue;
    const auto [first, is_new] = taken.emplace(steps[i].id, steps[i].at);
    if (!is_new) {
      complain(steps[i].at, "two steps have the id '" + steps[i].id + "'",
               "the first is at line " + std::to_string(first->second.line));
    }
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
    if (!explicit_ids[i]) {
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

Step DocumentReader::read_step(const YamlNode& node, Pipeline& pipeline) {
  Step step;
  step.at = node.at;
  refuse_later(node, later_step_words, "a step");
  const YamlNode known = keys_only(node, later_step_words, step_parameters());
  const Json values = read_parameters(known, step_parameters(), "a step", wrong_, evaluate_, foreign_step_words());
  const YamlNode* uses = node.find("uses");
  const YamlNode* run = node.find("run");
  if ((uses != nullptr) == (run != nullptr)) {
    complain(node.at, uses == nullptr ? "a step needs `uses` or `run`" : "a step has either `uses` or `run`, not both");
  }
  step.id = values.value("id", "");
  if (!step.id.empty() && !is_step_id(step.id)) {
    complain(node.find("id")->at, "'" + step.id + "' is no id of a step", "letters, digits, - and _");
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
  step.uses = underscored(uses.text);
  const Vocabulary& vocabulary = world_.vocabulary;
  const auto action = std::find_if(vocabulary.actions.begin(), vocabulary.actions.end(), [&](const ActionWord& word) {
    return word.word == step.uses && word.word != "run";
  });
  if (action == vocabulary.actions.end()) {
    const auto& later = vocabulary.later_actions;
    if (std::find(later.begin(), later.end(), step.uses) != later.end()) {
      wrong_.push_back(
          {uses.at, Level::error, "later", "the action '" + step.uses + "' is not in this version", "", ""});
      return;
    }
    std::vector<std::string> words;
    for (const ActionWord& word : vocabulary.actions) {
      if (word.word != "run") words.push_back(word.word);
    }
    const std::optional<std::string> meant = did_you_mean(uses.text, words);
    complain(uses.at, "there is no action '" + uses.text + "'",
             meant ? "did you mean '" + *meant + "'?" : "actions are " + listing(words));
    return;
  }
  const YamlNode* with = node.find("with");
  YamlNode none;
  none.at = uses.at;
  step.inputs =
      read_parameters(with != nullptr ? *with : none, action->inputs, "with of " + action->word, wrong_, evaluate_);
  if (step.continue_on_error && !action->can_continue_on_error) {
    complain(node.find("continue_on_error")->at, "'" + action->word + "' cannot have continue-on-error",
             "it would leave the service between two versions");
  }
}

void DocumentReader::read_step_words(const YamlNode& node, const Json& values, const Pipeline& pipeline, Step& step) {
  step.env = read_map(node.find("env"), "env");
  step.working_directory = (pipeline.project / values.value("working_directory", ".")).lexically_normal();
  step.shell = standard_shell;
  if (const YamlNode* shell = node.find("shell")) {
    const CommandLine line = command_of(shell, "shell");
    step.shell = line.argv.empty() ? split(std::string(trim(line.shell_text)), ' ') : line.argv;
  }
  if (values.contains("timeout")) step.timeout = Duration(values["timeout"].get<Duration::rep>());
  if (values.contains("retry")) {
    const Json& retry = values["retry"];
    step.retry.attempts = static_cast<int>(retry.value("attempts", std::int64_t{1}));
    step.retry.delay = Duration(retry.value("delay", Duration::rep{0}));
    step.retry.max_delay = Duration(retry.value("max_delay", Duration::rep{0}));
    const std::string factor = retry.value("factor", "1");
    char* end = nullptr;
    step.retry.factor = std::strtod(factor.c_str(), &end);
    if (*end != '\0' || !(step.retry.factor >= 1.0) || step.retry.factor > 1000.0) {
      complain(node.find("retry")->at, "factor must be a number from 1 to 1000, not '" + factor + "'");
    }
    if (step.retry.attempts < 1 || step.retry.attempts > 1000) {
      complain(node.find("retry")->at, "attempts must be from 1 to 1000");
    }
  }
  step.continue_on_error = values.value("continue_on_error", false);
  if (const YamlNode* rollback = node.find("rollback")) {
    if (rollback->kind == Kind::mapping) {
      wrong_.push_back(
          {rollback->at, Level::error, "later", "an action as `rollback` is not in this version", "use a command", ""});
    } else if (rollback->kind == Kind::scalar && rollback->plain && rollback->text == "none") {
      step.rollback = UndoOverride{true, {}};
    } else {
      step.rollback = UndoOverride{false, command_of(rollback, "rollback")};
    }
  }
  if (values.contains("verify")) step.verify = command_from(values["verify"], node.find("verify")->at);
  if (values.contains("probe")) step.probe = command_from(values["probe"], node.find("probe")->at);
  read_hooks(node.find("hooks"), {"before-step", "after-step"}, step.hooks);
}

}  // namespace deployer
