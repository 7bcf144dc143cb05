#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"
#include "base/parameter.h"
#include "base/yaml.h"

namespace deployer {

/// What `${{ … }}` may read. A name that maps to nothing is known, but its value is not (a secret that was not read):
/// then the whole text has no value, without a complaint.
class ExpressionNames {
 public:
  void set(const std::string& name, std::optional<std::string> value) { names_[name] = std::move(value); }

  /// The text with each expression replaced by its value, or nothing: for an unknown value, or with a diagnostic at the
  /// expression's place for a name that does not exist ("did you mean"), one of a later version, or a syntax error.
  std::optional<std::string> evaluate(const YamlNode& node, Diagnostics& diagnostics) const;

 private:
  std::optional<std::string> value_of(std::string_view name, const Location& at, Diagnostics& diagnostics,
                                      bool& complained) const;

  std::map<std::string, std::optional<std::string>> names_;  ///< "vars.app", "secrets.TOKEN", "run.id"
};

/// True where a text has an expression in it.
bool has_expression_in(std::string_view text);

}  // namespace deployer
