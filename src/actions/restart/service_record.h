#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/action.h"

namespace deployer {

struct ProcessRecord;

/// A service without a service manager: how it is started and, once it was, which process it is. Kept as
/// `services/NAME.json` in the target's state folder while a run of deployer has started it, so that a later run knows
/// how the one before started it, whatever the document says by then.
struct ServiceRecord {
  std::string name;
  std::vector<std::string> argv;  ///< argv[0] is an absolute path
  std::filesystem::path directory;
  std::filesystem::path log;
  std::filesystem::path pid_file;
  Json env = Json::object();  ///< NAME to its value, or to {"secret": NAME} where the value is one
  std::string run;            ///< the run that started it, by DEPLOYER_SERVICE_RUN in its environment
  std::shared_ptr<const ProcessRecord> process;  ///< null where it is not known

  Json json() const;
  static ServiceRecord from(const Json& json);

  /// The record of a service, or nothing where no run has started one of this name.
  static std::optional<ServiceRecord> load(const ActionContext& context, const std::string& name);
  void publish(const ActionContext& context) const;
  static void remove(const ActionContext& context, const std::string& name);

  /// The variables it is started with, secrets read anew from the step's environment and `extra`; Error `secret` for
  /// one that is not there any more.
  std::map<std::string, std::string> environment(const ActionContext& context, const Json& extra) const;
};

/// Variables as a record holds them: secret values by name.
Json variables_by_name(const ActionContext& context, const std::map<std::string, std::string>& variables);

}  // namespace deployer
