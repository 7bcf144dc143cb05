#include "engine/context.h"

#include <utility>

#include "base/error.h"
#include "base/redactor.h"
#include "engine/child.h"
#include "engine/run_scope.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer {

struct ActionContext::State {
  RunScope& scope;
  const Step& step;
  int attempt;
  Deadline deadline;
  RunState nothing_yet;

  Recorder& recorder() const {
    if (scope.recorder == nullptr) throw Error(ErrorKind::internal, "a check of '" + step.id + "' tried to act");
    return *scope.recorder;
  }
};

ActionContext::ActionContext(RunScope& scope, const Step& step, int attempt, Deadline deadline)
    : state_(new State{scope, step, attempt, std::move(deadline), {}}) {}

ActionContext::~ActionContext() = default;

const Pipeline& ActionContext::pipeline() const { return state_->scope.pipeline; }
const Step& ActionContext::step() const { return state_->step; }
int ActionContext::attempt() const { return state_->attempt; }
const Json& ActionContext::inputs() const { return state_->step.inputs; }
const Deadline& ActionContext::deadline() const { return state_->deadline; }
Files& ActionContext::files() const { return state_->scope.parts.files; }
Processes& ActionContext::processes() const { return state_->scope.parts.processes; }
Machine ActionContext::machine() const {
  const auto environment_of_step = environment();
  const auto path_variable = environment_of_step.find("PATH");
  return {files(), processes(), path_variable == environment_of_step.end() ? "" : path_variable->second};
}
Redactor& ActionContext::redactor() const { return state_->scope.parts.redactor; }
std::chrono::system_clock::time_point ActionContext::now() const { return state_->scope.parts.clock.now(); }
const std::string& ActionContext::run_id() const { return state_->scope.request.id; }
bool ActionContext::confirmed() const { return state_->scope.request.confirmed; }
bool ActionContext::accepts_loss() const { return state_->scope.request.accepts_loss; }

const std::filesystem::path& ActionContext::state_folder() const { return state_->scope.request.state_folder; }

std::filesystem::path ActionContext::path(const std::string& text) const {
  return (pipeline().project / text).lexically_normal();
}

std::map<std::string, std::string> ActionContext::environment() const {
  return child_environment(state_->scope, state_->step.id, state_->step.env);
}

const RunState& ActionContext::state() const {
  return state_->scope.recorder != nullptr ? state_->scope.recorder->state() : state_->nothing_yet;
}

bool ActionContext::has_database() const { return pipeline().database.contains("url"); }

database::Session& ActionContext::database() {
  RunScope& scope = state_->scope;
  if (!has_database()) {
    throw Error(ErrorKind::invalid, "no database is configured",
                "set DATABASE_URL, or `database: {url: …}` in the document or in etc/deployer.yml");
  }
  if (!scope.session) scope.session = scope.parts.open_database(scope.pipeline, state_->deadline);
  return *scope.session;
}

Json ActionContext::effect(const std::string& name, const Json& undo, const std::function<Json()>& fn) {
  Recorder& recorder = state_->recorder();
  const Step& step = state_->step;
  if (recorder.state().baseline.is_null()) {
    take_baseline(state_->scope);
    // What that took is not the step's: its time begins anew.
    const Deadline& forward = state_->scope.forward;
    state_->deadline = step.timeout ? forward.at_most(*step.timeout) : forward;
  }
  state_->deadline.check(name);
  const std::int64_t id = recorder.record("effect_intended", step.id, state_->attempt,
                                          {{"name", name}, {"action", step.uses}, {"version", 1}, {"undo", undo}});
  state_->scope.faults.pass("effect.before " + name);
  Json result;
  try {
    result = fn();
  } catch (const std::exception& failure) {
    recorder.defer("effect_failed", step.id, state_->attempt, {{"effect", id}, {"error", failure.what()}});
    throw;
  }
  state_->scope.faults.pass("effect.after " + name);
  recorder.record("effect_done", step.id, state_->attempt, {{"effect", id}, {"result", result}});
  return result;
}

void ActionContext::fault_point(const std::string& name) { state_->scope.faults.pass(name); }

CommandResult ActionContext::command(const CommandLine& line, const CommandOptions& options) {
  state_->recorder();
  const Step& step = state_->step;
  ChildRequest request;
  request.step = step.id;
  request.attempt = state_->attempt;
  request.what = "command";
  request.argv = line.argv;
  if (!line.shell_text.empty()) {
    request.argv = step.shell;
    request.argv.insert(request.argv.end(), {"-c", line.shell_text});
  }
  request.env = environment();
  for (const auto& [name, value] : options.env) request.env[name] = value;
  if (options.is_service) {
    request.env.erase("DEPLOYER_RUN_ID");
    request.env.erase("DEPLOYER_STEP");
  }
  request.directory = options.directory.empty() ? step.working_directory : options.directory;
  request.input = options.input;
  request.collect_outputs = options.collect_outputs;
  request.quiet = options.quiet;
  return run_child(state_->scope, request, state_->deadline);
}

CommandResult ActionContext::must(const CommandLine& line, const std::string& what, const CommandOptions& options) {
  CommandResult result = command(line, options);
  if (!result.ok) {
    std::string message = what + " " + result.text;
    if (!result.err_tail.empty()) message += ": " + result.err_tail;
    throw Error(ErrorKind::failed, message);
  }
  return result;
}

void ActionContext::set_fact(const std::string& name, const Json& value) {
  state_->recorder().record("fact", state_->step.id, state_->attempt, {{"name", name}, {"value", value}});
}

Json ActionContext::fact(const std::string& name) const {
  const auto found = state().facts.find(name);
  return found == state().facts.end() ? Json() : found->second;
}

std::size_t ActionContext::forget_runs(Duration age) { return state_->recorder().forget_before(now() - age); }

void ActionContext::output(std::string_view line) {
  state_->recorder().live("step_output", state_->step.id, state_->attempt,
                          {{"stream", "out"}, {"text", redactor().clean(line)}});
}

void ActionContext::progress(std::uint64_t done, std::uint64_t total, std::string_view text) {
  state_->recorder().live("step_progress", state_->step.id, state_->attempt,
                          {{"done", done}, {"total", total}, {"text", redactor().clean(text)}});
}

void ActionContext::warn(const std::string& message) {
  state_->recorder().record("warning", state_->step.id, state_->attempt, {{"message", message}});
}

}  // namespace deployer
