#include "actions/inputs.h"
#include "actions/maintenance/way.h"
#include "base/text.h"

namespace deployer {

namespace {

/// `command`: told by a variable what to turn it to. It may run more than once.
class MaintenanceByCommand : public MaintenanceWay {
 public:
  Parameter input() const override {
    return declare_input("command", ParameterType::command, "a command that gets DEPLOYER_MAINTENANCE=on or =off");
  }

  void check(ActionContext& context) const override {
    const CommandLine line = command_of(context);
    need_program(context, line.argv.empty() ? context.step().shell.front() : line.argv.front(), "");
  }

  Json subject(ActionContext& context) const override {
    return {{"by", "command"}, {"command", context.inputs()["command"]}};
  }

  std::string text(const Json&) const override { return "its command"; }

  std::string by_hand(const Json& subject) const override {
    const Json& command = subject["command"];
    if (command.is_string()) return "DEPLOYER_MAINTENANCE=off bash -c " + shell_quote(command.get<std::string>());
    std::string words = "DEPLOYER_MAINTENANCE=off";
    for (const Json& word : command) words += " " + shell_quote(word.get<std::string>());
    return words;
  }

  std::optional<bool> is_on(ActionContext&, const Json&) const override { return std::nullopt; }
  Json record(ActionContext&, bool) const override { return Json::object(); }

  Json turn(ActionContext& context, bool active, const Json&) const override {
    CommandOptions options;
    options.env["DEPLOYER_MAINTENANCE"] = active ? "on" : "off";
    context.must(command_of(context), std::string("the command that turns it ") + (active ? "on" : "off"), options);
    return nullptr;
  }

  void bring_back(ActionContext& context, const Json& record) const override {
    turn(context, record.value("before", false), record);
  }

 private:
  static CommandLine command_of(const ActionContext& context) {
    return command_input(context.inputs(), "command", context.step());
  }
};

}  // namespace

const MaintenanceWay& maintenance_by_command() {
  static const MaintenanceByCommand way;
  return way;
}

}  // namespace deployer
