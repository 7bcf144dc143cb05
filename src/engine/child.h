#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/context.h"

namespace deployer {

/// The environment of every child of a run: the names that are always passed on, `inherit_env`, then env_file and `env`
/// of the document, then `step_env`; later wins. `step` is empty for what belongs to the run.
std::map<std::string, std::string> child_environment(const RunScope& scope, const std::string& step,
                                                     const std::map<std::string, std::string>& step_env);

struct ChildRequest {
  std::string step;  ///< empty: of the run
  int attempt = 0;
  std::string what;  ///< for messages and the journal: "command", "hook hooks/before-run"
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::filesystem::path directory;
  std::string input;
  bool collect_outputs = false;
  bool quiet = false;
};

/// Runs a child of a run: its record is journalled before its program begins, its output becomes step_output events,
/// masked, line by line (a line that stays open for a second is told as far as it is). See ActionContext::command.
CommandResult run_child(RunScope& scope, const ChildRequest& request, const Deadline& deadline);

/// What a command wrote into `$DEPLOYER_OUTPUT`: `key=value` lines and `key<<END` blocks. A line that is neither is
/// told by `complain`.
Json parse_outputs(const std::string& text, const std::function<void(const std::string&)>& complain);

}  // namespace deployer
