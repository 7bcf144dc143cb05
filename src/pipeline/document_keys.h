#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/parameter.h"
#include "base/yaml.h"
#include "pipeline/pipeline.h"

namespace deployer {

/// A key as it stands in declarations: `_` for `-`.
std::string with_underscores(std::string key);

/// True for what can be the name of an environment variable: letters, digits and `_`, no digit first.
bool is_variable_name(std::string_view name);

/// The declaration of a key of a document.
Parameter document_key(std::string name, ParameterType type);
/// The same for a duration that must be longer than nothing.
Parameter time_limit_key(std::string name);

/// A mapping for read_parameters: without the words of later versions, and with nothing behind the keys that have a
/// reader of their own (declared as `any`), so that what is wrong there is told once.
YamlNode keys_only(const YamlNode& mapping, const std::vector<std::string>& later,
                   const std::vector<Parameter>& parameters);

/// A command in its JSON form (base/parameter.h).
CommandLine command_from(const Json& value, const Location& at);

}  // namespace deployer
