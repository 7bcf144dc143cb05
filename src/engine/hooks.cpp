#include "engine/hooks.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/text.h"
#include "engine/child.h"
#include "engine/run_scope.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> run_events = {"before-run", "after-run",       "on-success",
                                                        "on-failure", "before-rollback", "after-rollback"};

std::optional<Diagnostic> hook_complaint(const fs::path& file, const Files& files, Location at) {
  const std::optional<FileInfo> info = files.info(file);
  if (at.file.empty()) at.file = file.string();
  if (!info) return Diagnostic{at, Level::error, "hook", "the hook '" + file.string() + "' does not exist", "", ""};
  if (info->is_folder || access(file.c_str(), X_OK) != 0) {
    return Diagnostic{at,
                      Level::error,
                      "hook",
                      "the hook '" + file.string() + "' is not executable",
                      "chmod +x " + shell_quote(file.string()),
                      ""};
  }
  return std::nullopt;
}

class HookSearch {
 public:
  HookSearch(const Pipeline& pipeline, const Files& files) : pipeline_(pipeline), files_(files) {}

  std::vector<HookSet::Found> of_document(const Hooks& hooks, const std::string& event) {
    std::vector<HookSet::Found> found;
    const auto listed = hooks.find(event);
    if (listed == hooks.end()) return found;
    for (const Hook& hook : listed->second) {
      std::vector<std::string> argv = hook.command.argv;
      if (argv.empty()) argv = {"bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", hook.command.shell_text};
      const std::string program =
          hook.command.argv.empty() ? first_word(hook.command.shell_text) : hook.command.argv.front();
      if (program.find('/') != std::string::npos) {
        const fs::path file = (pipeline_.project / program).lexically_normal();
        if (const auto wrong = hook_complaint(file, files_, hook.command.at)) wrong_.push_back(*wrong);
        if (!hook.command.argv.empty()) argv.front() = file.string();
      }
      const std::string label = hook.command.argv.empty() ? hook.command.shell_text : join(hook.command.argv, " ");
      found.push_back({label, argv, hook.timeout, hook.required});
    }
    return found;
  }

  std::vector<HookSet::Found> by_convention(const std::string& event) {
    std::vector<HookSet::Found> found;
    const fs::path folder = pipeline_.project / "hooks";
    add(found, folder / event);
    for (const std::string& name : files_.list(folder / (event + ".d"))) {
      if (!name.starts_with('.')) add(found, folder / (event + ".d") / name);
    }
    return found;
  }

  const Diagnostics& wrong() const { return wrong_; }

 private:
  static std::string first_word(const std::string& text) {
    return std::string(trim(text).substr(0, trim(text).find_first_of(" \t\n")));
  }

  void add(std::vector<HookSet::Found>& found, const fs::path& file) {
    const std::optional<FileInfo> info = files_.info(file);
    if (!info || info->is_folder) return;
    if (const auto wrong = hook_complaint(file, files_, {})) wrong_.push_back(*wrong);
    found.push_back({file.lexically_relative(pipeline_.project).string(), {file.string()}, Hook{}.timeout, false});
  }

  const Pipeline& pipeline_;
  const Files& files_;
  Diagnostics wrong_;
};

Json hook_facts(const RunScope& scope, const HookCall& call) {
  const RunState& state = scope.recorder->state();
  const auto fact = [&](const char* name) {
    const auto found = state.facts.find(name);
    if (found == state.facts.end() || found->second.is_null()) return std::string();
    return found->second.is_string() ? found->second.get<std::string>() : dump(found->second);
  };
  const auto elapsed = std::chrono::duration_cast<Duration>(scope.parts.clock.now() - state.started_at);
  return {{"event", call.event},
          {"run_id", scope.request.id},
          {"pipeline", scope.pipeline.name},
          {"step", call.step},
          {"status", call.status},
          {"error", call.error},
          {"revision_before", fact("revision_before")},
          {"revision_after", fact("revision_after")},
          {"backup", fact("backup")},
          {"host", state.started.value("host", "")},
          {"started_at", rfc3339(state.started_at)},
          {"duration_ms", elapsed.count()}};
}

std::string upper(std::string_view name) {
  std::string out;
  for (const char letter : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return out;
}

std::string run_one(RunScope& scope, const HookSet::Found& hook, const HookCall& call, const Json& facts,
                    const Deadline& deadline, Json& outputs) {
  const Step* step = scope.find_step(call.step);
  ChildRequest request;
  request.step = call.step;
  request.what = "hook " + hook.label;
  request.argv = hook.argv;
  request.env = child_environment(scope, call.step, step != nullptr ? step->env : std::map<std::string, std::string>{});
  for (const auto& [name, value] : facts.items()) {
    request.env["DEPLOYER_" + upper(name)] = value.is_string() ? value.get<std::string>() : dump(value);
  }
  request.directory = scope.pipeline.project;
  request.input = dump(facts) + "\n";
  request.collect_outputs = true;
  try {
    const CommandResult result = run_child(scope, request, deadline.at_most(hook.timeout));
    outputs = result.outputs;
    if (result.ok) return {};
    return result.err_tail.empty() ? result.text : result.text + ": " + result.err_tail;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return error.summary();
  }
}

}  // namespace

HookSet HookSet::find(const Pipeline& pipeline, const Files& files) {
  HookSearch search(pipeline, files);
  HookSet set;
  const auto add = [&](const std::string& event, std::vector<Found> found) {
    std::vector<Found>& hooks = set.hooks_[event];
    hooks.insert(hooks.end(), found.begin(), found.end());
  };
  for (const std::string_view name : run_events) {
    const std::string event(name);
    add(event, search.of_document(pipeline.hooks, event));
    add(event, search.by_convention(event));
  }
  for (const Step& step : pipeline.steps) {
    for (const std::string when : {"before-", "after-"}) {
      const std::string event = when + step.id;
      add(event, search.of_document(pipeline.hooks, when + "step"));
      if (event != when + "step") add(event, search.of_document(pipeline.hooks, event));
      add(event, search.of_document(step.hooks, when + "step"));
      add(event, search.by_convention(event));
    }
  }
  if (!search.wrong().empty()) throw Error(ErrorKind::invalid, "a hook cannot be run", search.wrong());
  return set;
}

const std::vector<HookSet::Found>& HookSet::of(const std::string& event) const {
  static const std::vector<Found> none;
  const auto found = hooks_.find(event);
  return found == hooks_.end() ? none : found->second;
}

void run_hooks(RunScope& scope, const HookSet& hooks, const HookCall& call, bool stops, const Deadline& deadline) {
  const std::vector<HookSet::Found>& found = hooks.of(call.event);
  if (found.empty()) return;
  HookCall told = call;
  told.error = scope.parts.redactor.clean(call.error);
  const Json facts = hook_facts(scope, told);
  for (const HookSet::Found& hook : found) {
    scope.recorder->record("hook_started", call.step, 0, {{"event", call.event}, {"hook", hook.label}});
    scope.faults.pass("hook.before " + call.event);
    Json outputs = Json::object();
    const std::string error = run_one(scope, hook, call, facts, deadline, outputs);
    scope.recorder->record(
        "hook_finished", call.step, 0,
        {{"event", call.event}, {"hook", hook.label}, {"ok", error.empty()}, {"error", error}, {"outputs", outputs}});
    if (error.empty()) continue;
    const std::string message = "the hook " + hook.label + " (" + call.event + ") " + error;
    if (stops || hook.required) throw Error(ErrorKind::failed, message);
    scope.recorder->record("warning", call.step, 0, {{"message", message}});
  }
}

}  // namespace deployer
