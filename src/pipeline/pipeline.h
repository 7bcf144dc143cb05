#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/diagnostic.h"
#include "base/json.h"
#include "base/parameter.h"

namespace deployer {

/// A file that a run was made from, as it was read. The journal keeps it, masked, so that a run can be rebuilt.
struct SourceFile {
  std::string file;  ///< absolute
  std::string text;
  std::string digest;  ///< SHA-256 of the unmasked text, hex
};

/// A command as a document has it: a string for the shell, or a list as argv.
struct CommandLine {
  std::string shell_text;         ///< empty where argv is used
  std::vector<std::string> argv;  ///< empty where shell_text is used
  Location at;

  bool empty() const { return shell_text.empty() && argv.empty(); }
};

struct Retry {
  int attempts = 1;       ///< all in all, at least 1
  Duration delay{0};      ///< before the second attempt
  double factor = 1;      ///< each later delay is this much longer
  Duration max_delay{0};  ///< 0: no bound
};

/// The events at which hooks run, as in documents and folders (`-` spelling): before-run, after-run, before-step,
/// after-step, on-success, on-failure, before-rollback, after-rollback; before-STEP and after-STEP with a step's id.
struct Hook {
  CommandLine command;
  Duration timeout = std::chrono::seconds(60);
  bool required = false;
};
/// Event name to the hooks of the document, in their order. Those by convention (`hooks/EVENT`) are found by the
/// engine.
using Hooks = std::map<std::string, std::vector<Hook>>;

/// What takes the place of a step's own undo.
struct UndoOverride {
  bool none = false;    ///< `rollback: none`
  CommandLine command;  ///< or this
};

struct Step {
  std::string id;                ///< unique in the pipeline
  std::string name;              ///< for people: `name`, else the id
  std::string uses;              ///< the action's word; "run" for a command
  Json inputs = Json::object();  ///< `with`, evaluated, checked, defaults filled in
  CommandLine run;               ///< of a `run` step
  std::map<std::string, std::string> env;
  std::filesystem::path working_directory;  ///< absolute; the project where nothing is said
  std::vector<std::string> shell;           ///< argv before the text of a shell command
  std::optional<Duration> timeout;
  Retry retry;
  bool continue_on_error = false;
  std::optional<UndoOverride> rollback;
  std::optional<CommandLine> verify;
  std::optional<CommandLine> probe;
  Hooks hooks;  ///< `before-step`, `after-step`
  Location at;
};

enum class OnFailure { rollback, stop };

/// A document that was read and found good: nothing in it is unchecked, no expression unevaluated. It holds secrets
/// where the document refers to them: it never leaves the process; the journal keeps `sources` instead.
struct Pipeline {
  std::string name;  ///< `name`, else the file's name without suffix
  std::string description;
  std::filesystem::path file;
  std::filesystem::path project;
  std::map<std::string, std::string> vars;
  std::map<std::string, std::string> env;  ///< env_file, then `env`, for every child, expressions evaluated
  std::vector<std::string> inherit_env;
  Json database = Json::object();  ///< `database` with settings beneath it; `url` is absent where none is configured
  /// Where the URL came from: "flag", "environment", "document", "settings" or "" where there is none.
  std::string database_origin;
  Json backups = Json::object();
  std::string lock;  ///< as written; empty: the database's identity, else the name
  std::optional<Duration> timeout;
  OnFailure on_failure = OnFailure::rollback;
  Hooks hooks;
  std::vector<Step> steps;
  std::vector<SourceFile> sources;
  Diagnostics warnings;
};

/// What the loader must know of an action, told by whoever knows the actions.
struct ActionWord {
  std::string word;
  std::vector<Parameter> inputs;
  bool can_continue_on_error = true;
};

/// All words of a document that belong to rooms above or beside this one.
struct Vocabulary {
  std::vector<ActionWord> actions;
  std::vector<std::string> later_actions;  ///< known, but not in this version: refused by name
  std::vector<Parameter> database;         ///< keys of the section `database`
  std::vector<Parameter> backups;
};

}  // namespace deployer
