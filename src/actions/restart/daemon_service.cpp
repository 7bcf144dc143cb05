#include "actions/restart/daemon_service.h"

#include <utility>

#include "actions/inputs.h"
#include "actions/restart/readiness.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "state/run_state.h"
#include "system/process.h"

namespace deployer {

namespace {

const Json& daemon_inputs(const Step& owner) { return owner.inputs.at("daemon"); }

/// Values that a record keeps by name, where the daemon's own step gives them.
Json daemon_secrets(const Step& owner) {
  Json values = Json::object();
  for (const auto& [name, value] : owner.env) values[name] = value;
  const Json& inputs = daemon_inputs(owner);
  if (has_input(inputs, "env")) values.update(inputs["env"]);
  return values;
}

std::map<std::string, std::string> daemon_variables(const ActionContext& context, const Step& owner) {
  std::map<std::string, std::string> variables = context.environment();
  if (context.step().id != owner.id) {
    const std::map<std::string, std::string>& common = context.pipeline().env;
    for (const auto& [name, value] : context.step().env) {
      const auto found = common.find(name);
      if (found != common.end()) {
        variables[name] = found->second;
      } else if (name != "PATH" && name != "HOME") {
        variables.erase(name);
      }
    }
  }
  variables.erase("DEPLOYER_RUN_ID");
  variables.erase("DEPLOYER_STEP");
  const Json own = daemon_secrets(owner);
  for (const auto& [name, value] : own.items()) variables[name] = value.get<std::string>();
  return variables;
}

std::vector<std::string> daemon_argv(const ActionContext& context, const Step& owner,
                                     const std::filesystem::path& directory) {
  const CommandLine line = command_input(daemon_inputs(owner), "command", owner);
  std::vector<std::string> argv = line.argv;
  if (!line.shell_text.empty()) {
    argv = owner.shell;
    argv.insert(argv.end(), {"-c", line.shell_text});
  }
  if (argv.front().find('/') == std::string::npos) {
    argv.front() = need_program(context, argv.front(), "").string();
  } else {
    argv.front() = (directory / argv.front()).lexically_normal().string();
  }
  return argv;
}

void restore_record(ActionContext& context, const DaemonSnapshot& before) {
  if (before.record.is_null()) {
    ServiceRecord::remove(context, before.name);
  } else {
    ServiceRecord::from(before.record).publish(context);
  }
}

}  // namespace

const Step* find_daemon_step(const ActionContext& context, const std::string& name) {
  for (const Step& step : context.pipeline().steps) {
    if (step.uses != "restart" || !has_input(step.inputs, "daemon")) continue;
    if (text_input(step.inputs.at("daemon"), "name") == name) return &step;
  }
  return nullptr;
}

ServiceRecord daemon_definition(const ActionContext& context, const Step& owner) {
  const Json& inputs = daemon_inputs(owner);
  ServiceRecord service;
  service.name = text_input(inputs, "name");
  const std::string directory = text_input(inputs, "working_directory");
  service.directory = directory.empty() ? owner.working_directory : context.path(directory);
  const auto file = [&](const char* name, const char* suffix) {
    const std::string given = text_input(inputs, name);
    return given.empty() ? context.state_folder() / "services" / (service.name + suffix) : context.path(given);
  };
  service.pid_file = file("pid_file", ".pid");
  service.log = file("log", ".log");
  service.argv = daemon_argv(context, owner, service.directory);
  service.env = variables_by_name(context, daemon_variables(context, owner));
  return service;
}

DaemonSnapshot daemon_state(ActionContext& context, const Step& owner) {
  return look_for_daemon(context, daemon_definition(context, owner));
}

Json daemon_undo(const DaemonSnapshot& before, const std::filesystem::path& pid_file) {
  return {{"service", before.name}, {"way", "daemon"}, {"pid_file", pid_file.string()}, {"before", before.json()}};
}

void stop_daemon_as_effect(ActionContext& context, const DaemonSnapshot& before, const Json& undo) {
  if (before.service->argv.empty()) {
    throw Error(ErrorKind::failed,
                "the service " + before.name + " runs as process " + std::to_string(before.process->pid) +
                    ", and how it was started cannot be read",
                "run deployer as the user that the service runs as");
  }
  context.effect("stop " + before.name, undo, [&] {
    std::vector<ProcessRecord> processes = processes_of_service(before.service->run, before.name);
    processes.push_back(*before.process);
    stop_daemon(context, processes, before.pid_file);
    return Json(nullptr);
  });
}

ServiceRecord start_daemon_as_effect(ActionContext& context, const ServiceRecord& service, const Step& owner,
                                     const Json& undo) {
  const std::uint64_t log_begin = log_size(context, service);
  ServiceRecord started;
  context.effect("start " + service.name, undo, [&] {
    started = start_daemon(context, service, daemon_secrets(owner));
    return Json{{"process", started.process->json()}};
  });
  wait_until_daemon_stays(context, started, log_begin);
  return started;
}

Probe probe_daemon(ActionContext& context, const UndoRecord& record) {
  const DaemonSnapshot before = DaemonSnapshot::from(record.data.at("before"));
  if (record.name.starts_with("start ")) {
    return processes_of_service(context.run_id(), before.name).empty() ? Probe::partly : Probe::happened;
  }
  if (!before.process) return Probe::unknown;
  const std::optional<bool> alive = is_alive(*before.process);
  if (!alive) return Probe::unknown;
  return *alive ? Probe::not_happened : Probe::happened;
}

std::string undo_daemon(ActionContext& context, const UndoRecord& record, const Step& owner) {
  const DaemonSnapshot before = DaemonSnapshot::from(record.data.at("before"));
  if (record.name.starts_with("start ")) {
    stop_started_daemon(context, before.name, record.data.at("pid_file").get<std::string>());
    return "the new process was stopped";
  }
  if (context.state().rolling_back) return left_to_settle;
  bring_daemon_back(context, before, owner);
  return "the service runs as before";
}

void stop_started_daemon(ActionContext& context, const std::string& name, const std::filesystem::path& pid_file) {
  std::vector<ProcessRecord> processes = processes_of_service(context.run_id(), name);
  for (const EffectState& effect : context.state().effects) {
    if (!effect.undo.is_object() || effect.undo.value("way", "daemon") != "daemon") continue;
    if (effect.undo.value("service", "") != name || !effect.result.is_object()) continue;
    const ProcessRecord process = ProcessRecord::from(effect.result.at("process"));
    if (is_alive(process).value_or(false)) processes.push_back(process);
  }
  stop_daemon(context, processes, pid_file);
}

void bring_daemon_back(ActionContext& context, const DaemonSnapshot& before, const Step& owner) {
  const std::optional<ServiceRecord> now = ServiceRecord::load(context, before.name);
  if (now && now->process && is_alive(*now->process).value_or(false) &&
      is_settled(context, before.name, now->process->json())) {
    return;
  }
  stop_started_daemon(context, before.name, daemon_definition(context, owner).pid_file);
  if (!before.process || is_alive(*before.process).value_or(false)) {
    restore_record(context, before);
    return;
  }
  const std::uint64_t log_begin = log_size(context, *before.service);
  const ServiceRecord service = start_daemon(context, *before.service, daemon_secrets(owner));
  wait_until_daemon_stays(context, service, log_begin);
  remember_settled(context, before.name, service.process->json());
}

Verification verify_daemon(ActionContext& context, const DaemonSnapshot& before, const Step& owner) {
  const DaemonSnapshot now = daemon_state(context, owner);
  const std::string service = "the service " + before.name;
  if (!before.process) {
    if (!now.process) return {true, true, service + " does not run, as before"};
    return {true, false, service + " runs and did not before"};
  }
  if (!now.process) return {true, false, service + " does not run and did before"};
  if (now.service->argv != before.service->argv) return {true, false, service + " runs by another command than before"};
  return {true, true, service + " runs as before"};
}

}  // namespace deployer
