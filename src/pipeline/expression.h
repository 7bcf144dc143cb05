#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/parameter.h"
#include "base/yaml.h"

namespace deployer {

/// What `${{ … }}` may read. A name that maps to nothing is known, but its value is not (a secret that was not read):
/// then the whole text has no value, without a complaint.
class ExpressionNames {
 public:
  void set(const std::string& name, std::optional<std::string> value);
  /// Every further name that begins with `prefix` ("env.") is taken as known without a value, since the list of those
  /// names could not be read.
  void open(const std::string& prefix) { open_.push_back(prefix); }

  /// The text with each expression replaced by its value, or nothing: for an unknown value, or with a diagnostic at the
  /// expression's place for a name that does not exist ("did you mean"), one of a later version, or a syntax error.
  std::optional<std::string> evaluate(const YamlNode& node, Diagnostics& diagnostics) const;

 private:
  std::optional<std::string> value_of(const std::string& name, const Location& at, Diagnostics& diagnostics) const;
  std::string hint_for(const std::string& name) const;

  /// "vars.app", "secrets.TOKEN", "run.id"; by the name with `_` for `-`, which are the same letter in keys.
  struct Known {
    std::string name;
    std::optional<std::string> value;
  };
  std::map<std::string, Known> names_;
  std::vector<std::string> open_;
};

/// True where a text has an expression in it.
bool has_expression_in(std::string_view text);

}  // namespace deployer
