#include <algorithm>

#include "actions/inputs.h"
#include "actions/restart/daemon_process.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/redactor.h"
#include "state/run_state.h"
#include "system/process.h"

namespace deployer {

namespace {

const Json& daemon_inputs(const ActionContext& context) { return context.inputs().at("daemon"); }

Json daemon_env(const ActionContext& context) {
  const Json& inputs = daemon_inputs(context);
  return has_input(inputs, "env") ? inputs["env"] : Json::object();
}

std::vector<std::string> daemon_argv(const ActionContext& context, const std::filesystem::path& directory) {
  const CommandLine line = command_input(daemon_inputs(context), "command", context.step());
  std::vector<std::string> argv = line.argv;
  if (!line.shell_text.empty()) {
    argv = context.step().shell;
    argv.insert(argv.end(), {"-c", line.shell_text});
  }
  if (argv.front().find('/') == std::string::npos) {
    argv.front() = need_program(context, argv.front(), "").string();
  } else {
    argv.front() = (directory / argv.front()).lexically_normal().string();
  }
  return argv;
}

/// The service as the document wants it now.
ServiceRecord daemon_definition(const ActionContext& context) {
  const Json& inputs = daemon_inputs(context);
  ServiceRecord service;
  service.name = text_input(inputs, "name");
  const std::string directory = text_input(inputs, "working_directory");
  service.directory = directory.empty() ? context.step().working_directory : context.path(directory);
  const auto file = [&](const char* name, const char* suffix) {
    const std::string given = text_input(inputs, name);
    return given.empty() ? context.state_folder() / "services" / (service.name + suffix) : context.path(given);
  };
  service.pid_file = file("pid_file", ".pid");
  service.log = file("log", ".log");
  service.argv = daemon_argv(context, service.directory);
  std::map<std::string, std::string> variables = context.environment();
  variables.erase("DEPLOYER_RUN_ID");
  variables.erase("DEPLOYER_STEP");
  const Json extra = daemon_env(context);
  for (const auto& [name, value] : extra.items()) variables[name] = value.get<std::string>();
  service.env = variables_by_name(context, variables);
  return service;
}

/// Ends what this run has started of a service.
void stop_started(ActionContext& context, const std::string& name, const std::filesystem::path& pid_file) {
  std::vector<ProcessRecord> processes = processes_of_service(context.run_id(), name);
  for (const EffectState& effect : context.state().effects) {
    if (effect.undo.value("service", "") != name || !effect.result.is_object()) continue;
    const ProcessRecord process = ProcessRecord::from(effect.result.at("process"));
    if (is_alive(process).value_or(false)) processes.push_back(process);
  }
  stop_daemon(context, processes, pid_file);
}

void restore_record(ActionContext& context, const DaemonSnapshot& before) {
  if (before.record.is_null()) {
    ServiceRecord::remove(context, before.name);
  } else {
    ServiceRecord::from(before.record).publish(context);
  }
}

/// The service back to how it was found, by what is known of it from then. A process that still runs untouched is left
/// alone.
void bring_daemon_back(ActionContext& context, const DaemonSnapshot& before, const std::filesystem::path& pid_file) {
  stop_started(context, before.name, pid_file);
  if (!before.process || is_alive(*before.process).value_or(false)) {
    restore_record(context, before);
    return;
  }
  const std::uint64_t log_begin = log_size(context, *before.service);
  const ServiceRecord service = start_daemon(context, *before.service, daemon_env(context));
  wait_until_daemon_stays(context, service, log_begin);
}

std::optional<std::string> service_name_complaint(const Json& value) {
  const std::string name = value.get<std::string>();
  const bool good = !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
                    std::all_of(name.begin(), name.end(), [](char letter) {
                      return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                             (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '-';
                    });
  if (good) return std::nullopt;
  return "'" + name + "' is no name of a service: letters, digits, '.', '_' and '-'";
}

/// A daemon on a machine without a service manager.
class DaemonWay : public RestartWay {
 public:
  Parameter input() const override {
    Parameter daemon = declare_input("daemon", ParameterType::section,
                                     "A service without a service manager, started by start-stop-daemon.");
    daemon.members = {
        declare_input("name", ParameterType::text, "What it is called; known by it from run to run."),
        declare_input("command", ParameterType::command, "The command; it stays in the foreground."),
        declare_input("pid_file", ParameterType::path, "In the state folder where nothing is said."),
        declare_input("working_directory", ParameterType::path, "The step's where nothing is said."),
        declare_input("env", ParameterType::map, "Variables over those of the step."),
        declare_input("log", ParameterType::path, "What it prints is added there; in the state folder otherwise."),
    };
    daemon.members[0].required = daemon.members[1].required = true;
    daemon.members[0].check = service_name_complaint;
    return daemon;
  }

  void check(ActionContext& context) const override {
    need_program(context, "start-stop-daemon", "dpkg");
    for (const std::string& word : daemon_definition(context).argv) {
      if (!context.redactor().holds_secret(word)) continue;
      throw Error(ErrorKind::invalid, "step '" + context.step().id + "': the command of the daemon holds a secret",
                  "every user sees a process's arguments; give it by env");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    const ServiceRecord service = daemon_definition(context);
    return {"starts " + service.name + " anew",
            {dump(Json(service.argv)), "in " + service.directory.string() + ", log " + service.log.string()},
            {},
            "the service is brought back to how it was, by its old command"};
  }

  Json baseline(ActionContext& context) const override {
    return {{"way", "daemon"}, {"before", look_for_daemon(context, daemon_definition(context)).json()}};
  }

  Outcome run(ActionContext& context) const override {
    const ServiceRecord wanted = daemon_definition(context);
    const DaemonSnapshot before = look_for_daemon(context, wanted);
    if (before.process && before.service->argv.empty()) {
      throw Error(ErrorKind::failed,
                  "the service " + wanted.name + " runs as process " + std::to_string(before.process->pid) +
                      ", and how it was started cannot be read",
                  "run deployer as the user that the service runs as");
    }
    const Json undo = {{"service", wanted.name}, {"pid_file", wanted.pid_file.string()}, {"before", before.json()}};
    if (before.process) {
      context.effect("stop " + wanted.name, undo, [&] {
        std::vector<ProcessRecord> processes = processes_of_service(before.service->run, wanted.name);
        processes.push_back(*before.process);
        stop_daemon(context, processes, before.pid_file);
        return Json(nullptr);
      });
    }
    const std::uint64_t log_begin = log_size(context, wanted);
    ServiceRecord service;
    context.effect("start " + wanted.name, undo, [&] {
      service = start_daemon(context, wanted, daemon_env(context));
      return Json{{"process", service.process->json()}};
    });
    wait_until_daemon_stays(context, service, log_begin);
    return {wanted.name + " runs as process " + std::to_string(service.process->pid), Json::object()};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    const DaemonSnapshot before = DaemonSnapshot::from(record.data.at("before"));
    if (record.name.starts_with("start ")) {
      return processes_of_service(context.run_id(), before.name).empty() ? Probe::partly : Probe::happened;
    }
    if (!before.process) return Probe::unknown;
    const std::optional<bool> alive = is_alive(*before.process);
    if (!alive) return Probe::unknown;
    return *alive ? Probe::not_happened : Probe::happened;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    const DaemonSnapshot before = DaemonSnapshot::from(record.data.at("before"));
    const std::filesystem::path pid_file = record.data.at("pid_file").get<std::string>();
    if (record.name.starts_with("start ")) {
      stop_started(context, before.name, pid_file);
      return "the new process was stopped";
    }
    if (context.state().rolling_back) return left_to_settle;
    bring_daemon_back(context, before, pid_file);
    return "the service runs as before";
  }

  void quiet(ActionContext& context) const override {
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || !effect.undo.contains("service")) continue;
      stop_started(context, effect.undo["service"].get<std::string>(), effect.undo.at("pid_file").get<std::string>());
    }
  }

  void settle(ActionContext& context, const Json& baseline) const override {
    const DaemonSnapshot before = DaemonSnapshot::from(baseline.at("before"));
    bring_daemon_back(context, before, daemon_definition(context).pid_file);
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    const DaemonSnapshot before = DaemonSnapshot::from(baseline.at("before"));
    const DaemonSnapshot now = look_for_daemon(context, daemon_definition(context));
    const std::string service = "the service " + before.name;
    if (!before.process) {
      if (!now.process) return {true, true, service + " does not run, as before"};
      return {true, false, service + " runs and did not before"};
    }
    if (!now.process) return {true, false, service + " does not run and did before"};
    if (now.service->argv != before.service->argv)
      return {true, false, service + " runs by another command than before"};
    return {true, true, service + " runs as before"};
  }
};

}  // namespace

const RestartWay& daemon_way() {
  static const DaemonWay way;
  return way;
}

}  // namespace deployer
