#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/expression.h"
#include "pipeline/loader.h"
#include "pipeline/pipeline.h"
#include "pipeline/secrets.h"

namespace deployer {

/// Turns the tree of a document into a Pipeline; part of the loader. Every mistake becomes a diagnostic.
class DocumentReader {
 public:
  struct World {
    const Vocabulary& vocabulary;
    const Settings& settings;
    Files& files;
    Processes& processes;
    Redactor& redactor;
    const LoadRequest& request;
    bool read_secrets = true;
    Deadline deadline;
  };
  DocumentReader(World world, Diagnostics& wrong);

  Pipeline read(const YamlNode& root);

 private:
  // document.cpp: the head
  void read_names(const YamlNode& root, Pipeline& pipeline);
  void read_vars(const YamlNode& root, Pipeline& pipeline);
  void take_vars_given(const std::vector<std::string>& known, Pipeline& pipeline);
  void read_environment(const YamlNode& root, Pipeline& pipeline);
  void read_head(const YamlNode& root, Pipeline& pipeline);
  void read_database(const YamlNode& root, Pipeline& pipeline);
  std::string database_given(const YamlNode& section, Pipeline& pipeline);
  void warn_of_passwords(const YamlNode& node);

  // document_steps.cpp
  void read_hooks(const YamlNode* node, const std::set<std::string>& events, Hooks& hooks);
  std::optional<Hook> read_hook(const std::string& event, const YamlNode& node);
  void read_steps(const YamlNode* node, Pipeline& pipeline);
  Step read_step(const YamlNode& node, const Pipeline& pipeline);
  void read_action(const YamlNode& node, const YamlNode& uses, Step& step);
  void refuse_action(const YamlNode& uses, const std::string& word);
  void read_step_words(const YamlNode& node, const Json& values, const Pipeline& pipeline, Step& step);
  void read_rollback(const YamlNode* node, Step& step);
  std::vector<std::string> read_shell(const YamlNode* node);
  void name_steps(std::vector<Step>& steps, const std::vector<Location>& explicit_ids);

  void refuse_later(const YamlNode& mapping, const std::vector<std::string>& words, const std::string& where);
  std::map<std::string, std::string> read_variables(const YamlNode* node);
  std::optional<Json> read_one(const YamlNode& node, const std::string& name, ParameterType type);
  SecretSources secret_sources() const;
  void complain(const Location& at, const std::string& message, const std::string& hint = {});

  World world_;
  Diagnostics& wrong_;
  ExpressionNames names_;
  Evaluate evaluate_;
};

/// The events at which a hook may run whatever the steps are.
const std::set<std::string>& run_event_names();

}  // namespace deployer
