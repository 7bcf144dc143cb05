#include "pipeline/document_keys.h"

#include <algorithm>
#include <cctype>

namespace deployer {

std::string with_underscores(std::string key) {
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) return false;
  return std::all_of(name.begin(), name.end(), [](char letter) {
    return letter == '_' || std::isalnum(static_cast<unsigned char>(letter)) != 0;
  });
}

Parameter document_key(std::string name, ParameterType type) { return {.name = std::move(name), .type = type}; }

Parameter time_limit_key(std::string name) {
  Parameter key = document_key(std::move(name), ParameterType::duration);
  key.check = [](const Json& length) -> std::optional<std::string> {
    if (length.get<std::int64_t>() > 0) return std::nullopt;
    return "must be longer than nothing";
  };
  return key;
}

YamlNode keys_only(const YamlNode& mapping, const std::vector<std::string>& later,
                   const std::vector<Parameter>& parameters) {
  YamlNode out = mapping;
  std::erase_if(out.entries, [&](const YamlNode::Entry& entry) {
    return std::find(later.begin(), later.end(), with_underscores(entry.key)) != later.end();
  });
  for (YamlNode::Entry& entry : out.entries) {
    for (const Parameter& parameter : parameters) {
      if (parameter.name != with_underscores(entry.key) || parameter.type != ParameterType::any) continue;
      entry.value = YamlNode{};
      entry.value.kind = YamlNode::Kind::scalar;
    }
  }
  return out;
}

CommandLine command_from(const Json& value, const Location& at) {
  CommandLine line;
  line.at = at;
  if (value.is_string()) {
    line.shell_text = value;
  } else {
    line.argv = value.get<std::vector<std::string>>();
  }
  return line;
}

}  // namespace deployer
