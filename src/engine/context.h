#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/json.h"
#include "pipeline/pipeline.h"

namespace deployer {

class Clock;
class Files;
class Processes;
class Redactor;
struct Machine;
struct RunScope;
struct RunState;
namespace database {
class Session;
}

/// How an effect is taken back; it stands in the journal and outlives the binary. `data` is JSON and refers to secrets
/// by name.
struct UndoRecord {
  std::string action;
  int version = 1;
  std::string step;
  int attempt = 0;
  std::string name;  ///< of the effect
  Json data = Json::object();
  Json result = nullptr;  ///< what the effect returned; null where it was not journalled as done
};

/// What the engine is made of, from `main` or a test. References live longer than every run.
struct EngineParts {
  Files& files;
  Processes& processes;
  const Clock& clock;
  Redactor& redactor;
  /// Opens the database of a pipeline for reading and writing; an Error where none is configured.
  std::function<std::shared_ptr<database::Session>(const Pipeline&, const Deadline&)> open_database;
  std::map<std::string, std::string> environment;  ///< the runner's own
};

/// How a command is to be run by an action.
struct CommandOptions {
  std::map<std::string, std::string> env;  ///< over the step's environment
  std::filesystem::path directory;         ///< empty: the step's working directory
  std::string input;
  bool collect_outputs = false;  ///< reads `$DEPLOYER_OUTPUT` afterwards
  bool quiet = false;            ///< its output is no step output; it is in `out` only
  bool is_service = false;       ///< it starts a service that is handed over: nothing of it is ended with the run
};

struct CommandResult {
  bool ok = false;
  int status = 0;        ///< exit status; -1 where it did not exit by itself
  std::string text;      ///< `exited with status 3`, `was killed by signal 9 (Killed)`, `timed out`
  std::string out;       ///< the last 64 KiB of standard output, not masked
  std::string err_tail;  ///< the last lines of standard error, not masked
  Json outputs = Json::object();
};

/// What an action gets: its inputs, the outer world, and the one door through which it may change something. One object
/// a step and attempt; used by the thread that runs the step.
class ActionContext {
 public:
  /// Made by the engine; `scope` is what the whole run shares.
  ActionContext(RunScope& scope, const Step& step, int attempt, Deadline deadline);
  ~ActionContext();

  const Pipeline& pipeline() const;
  const Step& step() const;
  int attempt() const;
  /// `with:`, checked, evaluated, defaults filled in.
  const Json& inputs() const;
  const Deadline& deadline() const;
  Files& files() const;
  Processes& processes() const;
  /// Files, programs and the PATH of this step's children, for what takes them together.
  Machine machine() const;
  Redactor& redactor() const;
  std::chrono::system_clock::time_point now() const;
  const std::string& run_id() const;
  /// True where every confirmation was given beforehand (`--yes`).
  bool confirmed() const;
  /// True where a person, recovering the run, has agreed that rows of others are lost (`recover --yes`).
  bool accepts_loss() const;
  /// The target's state folder: an action keeps what it must find again under `SUBJECT/` there.
  const std::filesystem::path& state_folder() const;
  /// A path of the document: relative ones are of the project.
  std::filesystem::path path(const std::string& text) const;
  /// The whole environment of a child of this step (without DEPLOYER_OUTPUT).
  std::map<std::string, std::string> environment() const;
  /// The run so far: steps, effects, facts.
  const RunState& state() const;

  /// The run's one session to the database, opened at first use.
  database::Session& database();
  bool has_database() const;

  /// THE door: `undo` goes to the journal, then `fn` runs, then its result goes to the journal. If `fn` throws, the
  /// effect is journalled as failed (it may have happened in part) and the exception goes on. Returns what `fn`
  /// returned. The run's baseline is taken before its first effect.
  Json effect(const std::string& name, const Json& undo, const std::function<Json()>& fn);

  /// A place within an effect where tests let the process die (system/fault.h).
  void fault_point(const std::string& name);

  /// Runs a command of the document: a string by the step's shell, a list as argv. Its child is journalled before it
  /// begins, its output becomes step output, masked, line by line. A deadline ends its whole tree; `timed_out` and
  /// `cancelled` are thrown as Error, any other end is returned.
  CommandResult command(const CommandLine& line, const CommandOptions& options = {});
  /// The same, and anything but exit status 0 is thrown: `WHAT exited with status 3`, with the last line of standard
  /// error.
  CommandResult must(const CommandLine& line, const std::string& what, const CommandOptions& options = {});

  /// A fact of the run, durable: `revision_before`, `revision_after`, `backup`, `way_back`, …
  void set_fact(const std::string& name, const Json& value);
  Json fact(const std::string& name) const;

  /// Forgets the runs of this target that ended longer ago than `age`: their events and logs. Never this one, nor one
  /// that is not settled. For `finish`. How many.
  std::size_t forget_runs(Duration age);

  void output(std::string_view line);
  void progress(std::uint64_t done, std::uint64_t total, std::string_view text);
  void warn(const std::string& message);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer
