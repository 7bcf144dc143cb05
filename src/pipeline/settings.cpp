#include "pipeline/settings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "pipeline/url_password.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

using Type = ParameterType;
namespace fs = std::filesystem;

constexpr std::uint64_t largest_settings = 1024 * 1024;

Parameter declared(std::string name, Type type, Json fallback, std::string doc) {
  return {.name = std::move(name), .type = type, .doc = std::move(doc), .fallback = std::move(fallback)};
}

/// A number with a unit behind it, as in `2x`, `1.5x`, `80%`.
Parameter measured(std::string name, std::string_view unit, double most, std::string fallback, std::string doc) {
  Parameter parameter = declared(std::move(name), Type::text, fallback, std::move(doc));
  parameter.check = [unit, most, fallback](const Json& value) -> std::optional<std::string> {
    const std::string text = value.get<std::string>();
    const std::string complaint = "'" + text + "' is no number with '" + std::string(unit) + "', as in " + fallback;
    if (!text.ends_with(unit)) return complaint;
    const std::string digits = text.substr(0, text.size() - unit.size());
    const bool is_number = !digits.empty() && digits.size() < 8 && digits.front() != '.' && digits.back() != '.' &&
                           digits.find_first_not_of("0123456789.") == std::string::npos &&
                           std::count(digits.begin(), digits.end(), '.') <= 1;
    if (!is_number || std::atof(digits.c_str()) > most) return complaint;
    return std::nullopt;
  };
  return parameter;
}

std::optional<std::string> not_negative(const Json& value) {
  if (value.get<std::int64_t>() >= 0) return std::nullopt;
  return "at least 0 is needed";
}

/// What the checks before an upgrade take for too much.
Parameter checks_section() {
  Parameter lock_waits = declared("lock_waits", Type::integer, 0, "so many sessions may wait for locks");
  lock_waits.check = not_negative;
  Parameter integrity = declared("table_integrity", Type::choice, "quick", "how tables are looked at");
  integrity.choices = {"quick", "full", "off"};
  return {.name = "checks",
          .type = Type::section,
          .doc = "the checks before an upgrade",
          .members = {measured("disk_free", "x", 1000, "2x", "free room, in times of what is rebuilt"),
                      measured("max_connections", "%", 100, "80%", "of the server's connections in use"),
                      declared("long_transaction", Type::duration, 60'000, "older transactions stand in the way"),
                      std::move(lock_waits),
                      declared("replication_lag", Type::duration, 30'000, "how far a replica may be behind"),
                      std::move(integrity)}};
}

std::string variable_of(const std::string& key) {
  std::string name = "DEPLOYER_";
  for (const char letter : key) {
    name += letter == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return name;
}

std::optional<fs::path> settings_file(const SettingsRequest& request, const Files& files) {
  std::string asked = request.config_flag;
  const auto variable = request.environment.find("DEPLOYER_CONFIG");
  if (asked.empty() && variable != request.environment.end()) asked = variable->second;
  if (!asked.empty()) {
    const fs::path file = (request.project / asked).lexically_normal();
    if (!files.exists(file))
      throw Error(ErrorKind::not_found, "the settings file " + file.string() + " does not exist");
    return file;
  }
  for (const fs::path& file : {request.project / "etc" / "deployer.yml", fs::path("/etc/deployer/deployer.yml")}) {
    if (files.exists(file)) return file;
  }
  return std::nullopt;
}

/// Splits the file's mapping: head keys of a document go to `head`, the rest to `own`; later ones are refused.
void sort_keys(const YamlNode& root, YamlNode& own, YamlNode& head, Diagnostics& wrong) {
  own.kind = head.kind = YamlNode::Kind::mapping;
  own.at = head.at = root.at;
  for (const YamlNode::Entry& entry : root.entries) {
    std::string key = entry.key;
    std::replace(key.begin(), key.end(), '-', '_');
    const auto& shared = shared_head_keys();
    if (std::find(shared.begin(), shared.end(), key) != shared.end()) {
      head.entries.push_back(entry);
      continue;
    }
    YamlNode::Entry kept = entry;
    if (entry.value.kind == YamlNode::Kind::mapping) {
      kept.value.entries.clear();
      for (const YamlNode::Entry& member : entry.value.entries) {
        std::string dotted = key + "." + member.key;
        std::replace(dotted.begin(), dotted.end(), '-', '_');
        const auto& later = later_settings();
        if (std::find(later.begin(), later.end(), dotted) == later.end()) {
          kept.value.entries.push_back(member);
        } else {
          wrong.push_back({member.key_at, Level::error, "later", "'" + dotted + "' is not in this version", "", ""});
        }
      }
    }
    const auto& later = later_settings();
    if (std::find(later.begin(), later.end(), key) != later.end()) {
      wrong.push_back({entry.key_at, Level::error, "later", "'" + key + "' is not in this version", "", ""});
    } else {
      own.entries.push_back(std::move(kept));
    }
  }
}

// A variable of a setting of a later version is not ignored either.
void refuse_later_variables(const std::map<std::string, std::string>& environment, Diagnostics& wrong) {
  for (const std::string& key : later_settings()) {
    const std::string name = variable_of(key);
    for (const auto& [variable, value] : environment) {
      // `server` is a section: DEPLOYER_SERVER_LISTEN.
      const bool is_member = key.find('.') == std::string::npos && variable.starts_with(name + "_");
      if (variable != name && !is_member) continue;
      wrong.push_back({{}, Level::error, "later", variable + ": '" + key + "' is not in this version", "", ""});
    }
  }
}

// Those of the settings, and the head keys of documents, so that a misspelt one of these is recognized too.
std::vector<Parameter> known_keys() {
  std::vector<Parameter> keys = settings_parameters();
  for (const std::string& name : shared_head_keys()) keys.push_back({.name = name, .type = Type::any});
  return keys;
}

const YamlNode* find_dotted(const YamlNode& root, const std::string& section, const std::string& name) {
  if (section.empty()) return root.find(name);
  const YamlNode* mapping = root.find(section);
  return mapping == nullptr ? nullptr : mapping->find(name);
}

}  // namespace

Settings Settings::load(const SettingsRequest& request, const Files& files) {
  Settings settings;
  Diagnostics wrong;
  YamlNode own;
  if (const std::optional<fs::path> file = settings_file(request, files)) {
    const std::string text = files.read(*file, largest_settings);
    settings.source_ = SourceFile{file->string(), text, sha256_hex(text)};
    YamlDocument document = load_yaml(text, file->string());
    wrong = std::move(document.diagnostics);
    if (document.root.kind != YamlNode::Kind::mapping && document.root.kind != YamlNode::Kind::null) {
      wrong.push_back({document.root.at, Level::error, "type", "the settings must be a mapping", "", ""});
    }
    sort_keys(document.root, own, settings.head_, wrong);
  }
  refuse_later_variables(request.environment, wrong);
  const Json values = read_parameters(own, known_keys(), "the settings", wrong);
  const auto take = [&](const std::string& section, const Parameter& parameter, const Json& object) {
    const std::string key = section.empty() ? parameter.name : section + "." + parameter.name;
    Entry entry{object.value(parameter.name, parameter.fallback), "default"};
    if (const YamlNode* node = find_dotted(own, section, parameter.name)) {
      entry.origin = Location{node->at.file, node->at.line, 0}.text();
    }
    const auto variable = request.environment.find(variable_of(key));
    if (variable != request.environment.end()) {
      const Result<Json> parsed = parse_parameter(parameter, variable->second, variable->first);
      if (parsed) {
        entry = {*parsed, variable->first};
      } else {
        wrong.push_back({{}, Level::error, "settings", parsed.error().message, parsed.error().hint, ""});
      }
    }
    settings.entries_.emplace_back(key, std::move(entry));
  };
  for (const Parameter& parameter : settings_parameters()) {
    if (parameter.type != Type::section) {
      take("", parameter, values);
      continue;
    }
    for (const Parameter& member : parameter.members) {
      take(parameter.name, member, values.value(parameter.name, Json::object()));
    }
  }
  if (has_errors(wrong)) {
    if (settings.source_) add_excerpts(wrong, settings.source_->text, settings.source_->file);
    sort_by_place(wrong);
    // The excerpts must not show a password that nobody has made known yet.
    Redactor redactor;
    if (settings.source_) make_url_passwords_known(redactor, settings.source_->text);
    throw redactor.clean(Error(ErrorKind::invalid, "the settings are wrong", wrong));
  }
  return settings;
}

const Json& Settings::value(const std::string& key) const {
  for (const auto& [name, entry] : entries_) {
    if (name == key) return entry.value;
  }
  throw Error(ErrorKind::internal, "there is no setting '" + key + "'");
}

std::string Settings::text(const std::string& key) const { return value(key).get<std::string>(); }
Duration Settings::duration(const std::string& key) const { return Duration(value(key).get<Duration::rep>()); }
std::int64_t Settings::integer(const std::string& key) const { return value(key).get<std::int64_t>(); }
bool Settings::flag(const std::string& key) const { return value(key).get<bool>(); }

const std::vector<Parameter>& settings_parameters() {
  static const std::vector<Parameter> parameters = {
      declared("state", Type::path, "auto", "the folder of journals and run logs"),
      {.name = "migrations",
       .type = Type::section,
       .doc = "the migrations of the project",
       .members = {declared("directory", Type::path, "migrations", "the folder of the revision files"),
                   declared("file_template", Type::text, "%(rev)s_%(slug)s", "how new files are named"),
                   declared("truncate_slug_length", Type::integer, 40, "the longest slug in a file's name"),
                   declared("history_table", Type::text, "deployer_migrations", "the table of applied revisions"),
                   declared("rehearse_limit", Type::size, std::uint64_t{2} << 30U,
                            "the largest database that is rehearsed with its rows"),
                   declared("lock_wait", Type::duration, 1'000,
                            "how long a statement waits at once for locks of others"),
                   declared("lock_wait_timeout", Type::duration, 60'000, "how long it waits for them in all"),
                   declared("statement_timeout", Type::duration, 0, "how long a statement may take; 0: any time")}},
      checks_section(),
      declared("lock_timeout", Type::duration, 0, "how long to wait for another run"),
      declared("rollback_wait", Type::duration, 600'000, "how long a rollback waits for a server that is down"),
      declared("backup_enabled", Type::boolean, true, "upgrade, downgrade and restore take a backup first"),
      declared("backup_retention_days", Type::integer, 30, "backups are kept so long, counted from the newest"),
      declared("require_confirmation_for_destructive_ops", Type::boolean, true, "ask before what cannot be taken back"),
      declared("max_rollback_revisions", Type::integer, 5, "downgrade refuses more without --yes"),
  };
  return parameters;
}

const std::vector<std::string>& later_settings() {
  static const std::vector<std::string> words = {
      "migrations.schema", "migrations.undo_copy", "migrations.hold_for", "server", "notify", "max_parallel"};
  return words;
}

const std::vector<std::string>& shared_head_keys() {
  static const std::vector<std::string> keys = {"vars",    "env",  "env_file", "secrets", "database",
                                                "backups", "lock", "hooks",    "timeout", "on_failure"};
  return keys;
}

}  // namespace deployer
