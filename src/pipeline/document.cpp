#include "pipeline/document.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/redactor.h"
#include "base/text.h"
#include "pipeline/document_keys.h"
#include "pipeline/foreign_words.h"
#include "pipeline/url_password.h"

namespace deployer {

namespace {

using Type = ParameterType;
using Kind = YamlNode::Kind;
namespace fs = std::filesystem;

const std::vector<std::string>& later_head_words() {
  static const std::vector<std::string> words = {"include", "schedule", "notify", "hosts", "max_parallel"};
  return words;
}

const std::vector<Parameter>& head_parameters() {
  // What has a reader of its own is `any` here: only the key is known.
  static const std::vector<Parameter> parameters = {
      document_key("name", Type::text),
      document_key("description", Type::text),
      document_key("vars", Type::any),
      document_key("env", Type::any),
      document_key("env_file", Type::path),
      document_key("inherit_env", Type::list),
      document_key("secrets", Type::any),
      document_key("database", Type::any),
      document_key("backups", Type::any),
      document_key("lock", Type::text),
      time_limit_key("timeout"),
      {.name = "on_failure", .type = Type::choice, .fallback = "rollback", .choices = {"rollback", "stop"}},
      document_key("hooks", Type::any),
      document_key("steps", Type::any)};
  return parameters;
}

std::optional<std::string> host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return std::nullopt;
  return std::string(name.data());
}

// A key that names what its value is. `password_file` and `token_url` name something else.
bool names_a_password(const std::string& key) {
  std::string folded = with_underscores(key);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](char letter) { return static_cast<char>(std::tolower(static_cast<unsigned char>(letter))); });
  constexpr std::array<std::string_view, 9> endings = {"password", "passwd",     "passphrase",  "_pwd", "secret",
                                                       "api_key",  "secret_key", "private_key", "token"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return folded.ends_with(ending); });
}

}  // namespace

const std::set<std::string>& run_event_names() {
  static const std::set<std::string> names = {"before-run",  "after-run",  "on-success",      "on-failure",
                                              "before-step", "after-step", "before-rollback", "after-rollback"};
  return names;
}

DocumentReader::DocumentReader(World world, Diagnostics& wrong) : world_(std::move(world)), wrong_(wrong) {
  evaluate_ = [this](const YamlNode& node, Diagnostics& diagnostics) { return names_.evaluate(node, diagnostics); };
}

void DocumentReader::complain(const Location& at, const std::string& message, const std::string& hint) {
  wrong_.push_back({at, Level::error, "document", message, hint, ""});
}

void DocumentReader::refuse_later(const YamlNode& mapping, const std::vector<std::string>& words,
                                  const std::string& where) {
  for (const YamlNode::Entry& entry : mapping.entries) {
    if (std::find(words.begin(), words.end(), with_underscores(entry.key)) == words.end()) continue;
    wrong_.push_back(
        {entry.key_at, Level::error, "later", "'" + entry.key + "' of " + where + " is not in this version", "", ""});
  }
}

SecretSources DocumentReader::secret_sources() const {
  const LoadRequest& request = world_.request;
  return {request.project, request.environment, world_.read_secrets, world_.files, world_.processes, world_.redactor};
}

Pipeline DocumentReader::read(const YamlNode& root) {
  Pipeline pipeline;
  pipeline.file = world_.request.file;
  pipeline.project = world_.request.project;
  if (root.kind != Kind::mapping) {
    complain(root.at, "a pipeline is a mapping with steps", "as in steps: [{run: ./deploy}]");
    return pipeline;
  }
  refuse_later(root, later_head_words(), "a pipeline");
  warn_of_passwords(root);
  read_vars(root, pipeline);
  read_names(root, pipeline);
  read_environment(root, pipeline);
  read_head(root, pipeline);
  read_database(root, pipeline);
  const YamlNode* backups = root.find("backups");
  pipeline.backups = read_parameters(backups != nullptr ? *backups : YamlNode{}, world_.vocabulary.backups, "backups",
                                     wrong_, evaluate_);
  if (!pipeline.backups.contains("retention")) {
    const Duration kept = std::chrono::hours(24) * world_.settings.integer("backup_retention_days");
    pipeline.backups["retention"] = {{"keep_within", kept.count()}};
  }
  read_steps(root.find("steps"), pipeline);
  std::set<std::string> events = run_event_names();
  for (const Step& step : pipeline.steps) events.insert({"before-" + step.id, "after-" + step.id});
  read_hooks(root.find("hooks"), events, pipeline.hooks);
  return pipeline;
}

void DocumentReader::read_names(const YamlNode& root, Pipeline& pipeline) {
  names_.set("run.id", world_.request.run_id);
  names_.set("run.started_at", world_.request.started_at);
  names_.set("host.name", host_name());
  pipeline.name = fs::path(pipeline.file).stem().string();
  if (const YamlNode* name = root.find("name"); name != nullptr && name->kind == Kind::scalar) {
    Diagnostics ignored;  // what is wrong in it is told with the head
    pipeline.name = names_.evaluate(*name, ignored).value_or(pipeline.name);
  }
  names_.set("pipeline.name", pipeline.name);
  const YamlNode* secrets = root.find("secrets");
  for (const auto& [name, value] : read_secrets(secrets, secret_sources(), world_.deadline, wrong_)) {
    names_.set("secrets." + name, value);
  }
  if (secrets != nullptr && secrets->kind != Kind::sequence) names_.open("secrets.");
}

void DocumentReader::read_vars(const YamlNode& root, Pipeline& pipeline) {
  std::vector<std::string> known;
  const YamlNode* vars = root.find("vars");
  if (vars != nullptr && vars->kind == Kind::mapping) {
    for (const YamlNode::Entry& entry : vars->entries) {
      known.push_back(entry.key);
      names_.set("vars." + entry.key, std::nullopt);
      if (entry.value.kind != Kind::scalar) {
        const bool nothing = entry.value.kind == Kind::null;
        complain(entry.value.at, "the variable '" + entry.key + "' must be a text",
                 nothing ? "an empty text is written \"\"" : "");
      } else if (has_expression_in(entry.value.text)) {
        complain(entry.value.at, "a variable cannot hold an expression", "write the value, or use --var");
      } else {
        pipeline.vars[entry.key] = entry.value.text;
      }
    }
  } else if (vars != nullptr && vars->kind != Kind::null) {
    complain(vars->at, "vars must be a mapping", "as in vars: {app: /srv/app}");
    names_.open("vars.");
  }
  take_vars_given(known, pipeline);
  for (const auto& [name, value] : pipeline.vars) names_.set("vars." + name, value);
}

void DocumentReader::take_vars_given(const std::vector<std::string>& known, Pipeline& pipeline) {
  for (const auto& [name, value] : world_.request.vars) {
    const auto same = std::find_if(known.begin(), known.end(), [&given = name](const std::string& candidate) {
      return with_underscores(candidate) == with_underscores(given);
    });
    if (same == known.end()) {
      const std::optional<std::string> meant = did_you_mean(name, known);
      complain({world_.request.file.string(), 0, 0}, "--var " + name + ": the document has no variable '" + name + "'",
               meant ? "did you mean '" + *meant + "'?" : "declare it under vars:");
      continue;
    }
    make_url_passwords_known(world_.redactor, value);
    pipeline.vars[*same] = value;
  }
}

std::optional<Json> DocumentReader::read_one(const YamlNode& node, const std::string& name, ParameterType type) {
  YamlNode holder;
  holder.kind = Kind::mapping;
  holder.at = node.at;
  holder.entries.push_back({name, node.at, node});
  const Json read = read_parameters(holder, {document_key(name, type)}, name, wrong_, evaluate_);
  if (!read.contains(name)) return std::nullopt;
  return read[name];
}

std::map<std::string, std::string> DocumentReader::read_variables(const YamlNode* node) {
  std::map<std::string, std::string> values;
  if (node == nullptr) return values;
  for (const YamlNode::Entry& entry : node->entries) {
    if (is_variable_name(entry.key)) continue;
    complain(entry.key_at, "'" + entry.key + "' is no name of an environment variable",
             "letters, digits and _, as in LOG_LEVEL");
  }
  const Json read = read_one(*node, "env", Type::map).value_or(Json::object());
  for (const auto& [name, value] : read.items()) values[name] = value.get<std::string>();
  return values;
}

void DocumentReader::read_environment(const YamlNode& root, Pipeline& pipeline) {
  if (const YamlNode* file = root.find("env_file"); file != nullptr && file->kind == Kind::scalar) {
    Diagnostics ignored;  // a wrong expression in it is told with the head
    Diagnostics found;
    const std::optional<std::string> path = names_.evaluate(*file, ignored);
    if (path && !path->empty()) {
      pipeline.env = read_env_file(world_.request.project / *path, file->at, secret_sources(), found);
    }
    if (!world_.read_secrets || !path || has_errors(found)) names_.open("env.");
    wrong_.insert(wrong_.end(), found.begin(), found.end());
  }
  for (const auto& [name, value] : pipeline.env) names_.set("env." + name, value);
  const YamlNode* env = root.find("env");
  const std::map<std::string, std::string> written = read_variables(env);
  if (env != nullptr) {
    // A value that is wrong or not known has been told; its name exists all the same.
    for (const YamlNode::Entry& entry : env->entries) names_.set("env." + entry.key, std::nullopt);
  }
  for (const auto& [name, value] : written) {
    pipeline.env[name] = value;
    names_.set("env." + name, value);
  }
}

void DocumentReader::read_head(const YamlNode& root, Pipeline& pipeline) {
  const YamlNode known = keys_only(root, later_head_words(), head_parameters());
  const Json values = read_parameters(known, head_parameters(), "a pipeline", wrong_, evaluate_, foreign_head_words());
  pipeline.name = values.value("name", pipeline.name);
  pipeline.description = values.value("description", "");
  pipeline.inherit_env = values.value("inherit_env", std::vector<std::string>{});
  pipeline.lock = values.value("lock", "");
  if (values.contains("timeout")) pipeline.timeout = Duration(values["timeout"].get<Duration::rep>());
  pipeline.on_failure = values.value("on_failure", "rollback") == "stop" ? OnFailure::stop : OnFailure::rollback;
}

// The URL that takes the place of the document's, by the precedence of the settings; empty where none does.
std::string DocumentReader::database_given(const YamlNode& section, Pipeline& pipeline) {
  const LoadRequest& request = world_.request;
  if (!request.database.empty()) {
    pipeline.database_origin = "flag";
    return request.database;
  }
  const auto variable = request.environment.find("DATABASE_URL");
  if (variable != request.environment.end() && !variable->second.empty()) {
    pipeline.database_origin = "environment";
    return variable->second;
  }
  if (const YamlNode* written = section.find("url"); written != nullptr && written->kind == Kind::scalar) {
    pipeline.database_origin = written->at.file == request.file.string() ? "document" : "settings";
    Diagnostics ignored;  // told when the section is read
    make_url_passwords_known(world_.redactor, names_.evaluate(*written, ignored).value_or(""));
  }
  return {};
}

void DocumentReader::read_database(const YamlNode& root, Pipeline& pipeline) {
  const YamlNode* node = root.find("database");
  YamlNode section = node != nullptr ? *node : YamlNode{};
  const std::string url = database_given(section, pipeline);
  if (!url.empty() && (section.kind == Kind::mapping || section.kind == Kind::null)) {
    make_url_passwords_known(world_.redactor, url);
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
  pipeline.database["history_table"] = world_.settings.text("migrations.history_table");
  for (const char* check :
       {"disk_free", "max_connections", "long_transaction", "lock_waits", "replication_lag", "table_integrity"}) {
    pipeline.database["checks"][check] = world_.settings.value(std::string("checks.") + check);
  }
  for (const char* setting : {"rehearse_limit", "lock_wait", "lock_wait_timeout", "statement_timeout"}) {
    pipeline.database[setting] = world_.settings.value(std::string("migrations.") + setting);
  }
}

void DocumentReader::warn_of_passwords(const YamlNode& node) {
  const auto warn = [this](const YamlNode& value) {
    wrong_.push_back({value.at, Level::warning, "password", "a password stands in the document",
                      "name it under secrets: and write \"${{ secrets.NAME }}\"", ""});
  };
  if (node.kind == Kind::scalar && !url_passwords(node.text).empty()) warn(node);
  for (const YamlNode& item : node.items) warn_of_passwords(item);
  for (const YamlNode::Entry& entry : node.entries) {
    const YamlNode& value = entry.value;
    constexpr std::size_t shortest_password = 6;  // shorter words are rather switches, as in `token: auto`
    if (value.kind == Kind::scalar && names_a_password(entry.key) && value.text.size() >= shortest_password &&
        !has_expression_in(value.text) && url_passwords(value.text).empty()) {
      world_.redactor.add(entry.key, value.text);
      warn(value);
    }
    warn_of_passwords(value);
  }
}

}  // namespace deployer
