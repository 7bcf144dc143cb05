#include "actions/inputs.h"

#include "base/error.h"
#include "system/process.h"

namespace deployer {

bool has_input(const Json& inputs, const std::string& name) {
  const auto found = inputs.find(name);
  return found != inputs.end() && !found->is_null();
}

std::string text_input(const Json& inputs, const std::string& name) {
  return has_input(inputs, name) ? inputs[name].get<std::string>() : std::string();
}

std::vector<std::string> list_input(const Json& inputs, const std::string& name) {
  return has_input(inputs, name) ? inputs[name].get<std::vector<std::string>>() : std::vector<std::string>();
}

Duration duration_input(const Json& inputs, const std::string& name) {
  return Duration(inputs.at(name).get<std::int64_t>());
}

CommandLine command_input(const Json& inputs, const std::string& name, const Step& step) {
  CommandLine line;
  line.at = step.at;
  if (!has_input(inputs, name)) return line;
  const Json& value = inputs[name];
  if (value.is_string()) {
    line.shell_text = value.get<std::string>();
  } else {
    line.argv = value.get<std::vector<std::string>>();
  }
  return line;
}

Parameter declare_input(const char* name, ParameterType type, const char* doc, Json fallback) {
  Parameter parameter;
  parameter.name = name;
  parameter.type = type;
  parameter.doc = doc;
  parameter.fallback = std::move(fallback);
  return parameter;
}

std::filesystem::path need_program(const ActionContext& context, const std::string& word, const std::string& package) {
  const auto environment = context.environment();
  const auto path = environment.find("PATH");
  const auto found = find_program(
      word, (path == environment.end() ? std::string("/usr/bin:/bin") : path->second) + ":/usr/sbin:/sbin");
  if (found) return *found;
  throw Error(ErrorKind::missing_tool, "step '" + context.step().id + "' needs " + word + ", which is not there",
              package.empty() ? std::string("install it, or put its folder into PATH")
                              : "install it: apt-get install " + package);
}

}  // namespace deployer
