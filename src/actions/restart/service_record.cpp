#include "actions/restart/service_record.h"

#include "base/error.h"
#include "base/redactor.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

std::filesystem::path service_record_file(const ActionContext& context, const std::string& name) {
  return context.state_folder() / "services" / (name + ".json");
}

}  // namespace

Json ServiceRecord::json() const {
  return {{"name", name},
          {"argv", argv},
          {"directory", directory.string()},
          {"log", log.string()},
          {"pid_file", pid_file.string()},
          {"env", env},
          {"run", run},
          {"process", process ? process->json() : Json(nullptr)}};
}

ServiceRecord ServiceRecord::from(const Json& json) {
  ServiceRecord record;
  record.name = json.at("name").get<std::string>();
  record.argv = json.at("argv").get<std::vector<std::string>>();
  record.directory = json.at("directory").get<std::string>();
  record.log = json.at("log").get<std::string>();
  record.pid_file = json.at("pid_file").get<std::string>();
  record.env = json.at("env");
  record.run = json.at("run").get<std::string>();
  if (!json.at("process").is_null()) {
    record.process = std::make_shared<const ProcessRecord>(ProcessRecord::from(json.at("process")));
  }
  return record;
}

std::optional<ServiceRecord> ServiceRecord::load(const ActionContext& context, const std::string& name) {
  const std::filesystem::path file = service_record_file(context, name);
  if (!context.files().exists(file)) return std::nullopt;
  const Json json = value_or_throw(parse_json(context.files().read(file), file.string()));
  try {
    return from(json);
  } catch (const Json::exception&) {
    throw Error(ErrorKind::io, file.string() + " is no record of a service",
                "stop the service by hand and remove the file");
  }
}

void ServiceRecord::publish(const ActionContext& context) const {
  const std::filesystem::path file = service_record_file(context, name);
  context.files().make_folder(file.parent_path(), 0700);
  context.files().publish(file, dump_pretty(json()) + "\n", 0600);
}

void ServiceRecord::remove(const ActionContext& context, const std::string& name) {
  context.files().remove(service_record_file(context, name));
}

std::map<std::string, std::string> ServiceRecord::environment(const ActionContext& context, const Json& extra) const {
  const std::map<std::string, std::string> known = context.environment();
  std::map<std::string, std::string> variables;
  for (const auto& [variable, value] : env.items()) {
    if (value.is_string()) {
      variables[variable] = value.get<std::string>();
      continue;
    }
    const std::string secret = value.at("secret").get<std::string>();
    const auto given = extra.find(secret);
    const auto found = known.find(secret);
    if (given != extra.end()) {
      variables[variable] = given->get<std::string>();
    } else if (found != known.end()) {
      variables[variable] = found->second;
    } else {
      throw Error(ErrorKind::secret, "the service " + name + " needs the secret " + secret + ", which is not set");
    }
  }
  return variables;
}

Json variables_by_name(const ActionContext& context, const std::map<std::string, std::string>& variables) {
  Json json = Json::object();
  for (const auto& [name, value] : variables) {
    const bool secret = context.redactor().holds_secret(value);
    json[name] = secret ? Json{{"secret", name}} : Json(value);
  }
  return json;
}

}  // namespace deployer
