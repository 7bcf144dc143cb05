#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"
#include "base/parameter.h"
#include "base/yaml.h"
#include "pipeline/pipeline.h"

namespace deployer {

class Files;

struct SettingsRequest {
  std::filesystem::path project;
  std::string config_flag;  ///< `--config`, else DEPLOYER_CONFIG, else etc/deployer.yml, /etc/deployer/deployer.yml
  std::map<std::string, std::string> environment;
};

/// The settings of a project, merged from environment, file and defaults, each with its origin. Keys are dotted, as in
/// "migrations.directory". Head keys of a document in the file are defaults for documents; see `head`.
class Settings {
 public:
  /// Error `invalid` with every mistake of the file and of DEPLOYER_* variables; `not_found` where the file that was
  /// asked for is not there. Works with no file at all.
  static Settings load(const SettingsRequest& request, const Files& files);

  struct Entry {
    Json value;          ///< in the JSON form of its declaration
    std::string origin;  ///< "default", "etc/deployer.yml:3", "DEPLOYER_LOCK_TIMEOUT"
  };
  /// By dotted key, in the order of the declarations.
  const std::vector<std::pair<std::string, Entry>>& entries() const { return entries_; }

  /// In the JSON form of its declaration.
  const Json& value(const std::string& key) const;
  std::string text(const std::string& key) const;
  Duration duration(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  bool flag(const std::string& key) const;

  /// The file's own mapping of head keys (vars, env, database, …); null where there is no file. Not yet evaluated.
  const YamlNode& head() const { return head_; }
  const std::optional<SourceFile>& source() const { return source_; }

 private:
  std::vector<std::pair<std::string, Entry>> entries_;
  YamlNode head_;
  std::optional<SourceFile> source_;
};

/// The declarations of all settings: sections with members. For help, `config show` and docs.
const std::vector<Parameter>& settings_parameters();

/// Words of the contract that belong to a later version, dotted: refused by name.
const std::vector<std::string>& later_settings();

/// Keys that both the settings and a document's head may have.
const std::vector<std::string>& shared_head_keys();

}  // namespace deployer
