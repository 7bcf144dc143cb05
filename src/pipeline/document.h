#pragma once

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
    Deadline deadline;
  };
  DocumentReader(World world, Diagnostics& wrong);

  Pipeline read(const YamlNode& root);

 private:
  void refuse_later(const YamlNode& mapping, const std::vector<std::string>& words, const std::string& where);
  void read_vars(const YamlNode& root, Pipeline& pipeline);
  void read_environment(const YamlNode& root, Pipeline& pipeline);
  void read_database(const YamlNode& root, Pipeline& pipeline);
  void read_hooks(const YamlNode* node, const std::set<std::string>& events, Hooks& hooks);
  std::optional<Hook> read_hook(const YamlNode& node);
  void read_steps(const YamlNode* node, Pipeline& pipeline);
  Step read_step(const YamlNode& node, Pipeline& pipeline);
  void read_action(const YamlNode& node, const YamlNode& uses, Step& step);
  void read_step_words(const YamlNode& node, const Json& values, const Pipeline& pipeline, Step& step);
  void name_steps(std::vector<Step>& steps, const std::vector<bool>& explicit_ids);
  void warn_of_passwords(const YamlNode& node);
  std::map<std::string, std::string> read_map(const YamlNode* node, const std::string& what);
  CommandLine command_of(const YamlNode* node, const std::string& what);
  void complain(const Location& at, const std::string& message, const std::string& hint = {});

  World world_;
  Diagnostics& wrong_;
  ExpressionNames names_;
  Evaluate evaluate_;
};

}  // namespace deployer
