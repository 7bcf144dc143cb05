#include <algorithm>
#include <optional>

#include "actions/inputs.h"
#include "actions/restart/daemon_service.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/redactor.h"
#include "state/run_state.h"
#include "system/process.h"

namespace deployer {

namespace {

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
    for (const std::string& word : daemon_definition(context, context.step()).argv) {
      if (!context.redactor().holds_secret(word)) continue;
      throw Error(ErrorKind::invalid, "step '" + context.step().id + "': the command of the daemon holds a secret",
                  "every user sees a process's arguments; give it by env");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    const ServiceRecord service = daemon_definition(context, context.step());
    return {"starts " + service.name + " anew",
            {dump(Json(service.argv)), "in " + service.directory.string() + ", log " + service.log.string()},
            {},
            "the service is brought back to how it was, by its old command"};
  }

  Json baseline(ActionContext& context) const override {
    return {{"way", "daemon"}, {"before", daemon_state(context, context.step()).json()}};
  }

  Outcome run(ActionContext& context) const override {
    const ServiceRecord wanted = daemon_definition(context, context.step());
    const DaemonSnapshot before = look_for_daemon(context, wanted);
    const Json undo = daemon_undo(before, wanted.pid_file);
    if (before.process) stop_daemon_as_effect(context, before, undo);
    const ServiceRecord service = start_daemon_as_effect(context, wanted, context.step(), undo);
    return {wanted.name + " runs as process " + std::to_string(service.process->pid), Json::object()};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override { return probe_daemon(context, record); }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    return undo_daemon(context, record, context.step());
  }

  void quiet(ActionContext& context) const override {
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || !effect.undo.contains("service")) continue;
      stop_started_daemon(context, effect.undo["service"].get<std::string>(),
                          effect.undo.at("pid_file").get<std::string>());
    }
  }

  void settle(ActionContext& context, const Json& baseline) const override {
    bring_daemon_back(context, DaemonSnapshot::from(baseline.at("before")), context.step());
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    return verify_daemon(context, DaemonSnapshot::from(baseline.at("before")), context.step());
  }
};

}  // namespace

const RestartWay& daemon_way() {
  static const DaemonWay way;
  return way;
}

}  // namespace deployer
