#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/yaml.h"

namespace deployer {

/// The types a value written by a person can have, and the JSON it becomes:
/// text, path, choice: string; integer: number; boolean: true or false (`true`/`false` in plain YAML only);
/// duration: milliseconds (number); size: bytes (number); list: array of strings; map: object of strings;
/// command: a string (for a shell) or an array of strings (argv); section: object by `members`;
/// sections: array of such objects; any: whatever stands there.
enum class ParameterType {
  text,
  path,
  choice,
  integer,
  boolean,
  duration,
  size,
  list,
  map,
  command,
  section,
  sections,
  any
};

/// One declaration of one value: an action's `with:` key, a key of a document or of the settings, a flag. The
/// loader's checks, "did you mean", `config show`, flags, help and reference pages all come from it.
struct Parameter {
  std::string name;  ///< with `_`, as in JSON
  ParameterType type = ParameterType::text;
  std::string doc = {};
  bool required = false;
  Json fallback = nullptr;                ///< the default in the JSON form above; null: none
  bool secret = false;                    ///< its value is masked wherever it is shown
  bool repeated_or_single = false;        ///< list: a lone string is taken as a list of one
  std::vector<std::string> choices = {};  ///< for choice
  std::vector<Parameter> members = {};    ///< for section and sections
  /// A check of the domain that brings the type (a URL, a retention): the complaint, or nothing if the value is good.
  /// It sees the JSON form after expressions are evaluated.
  std::function<std::optional<std::string>(const Json&)> check = nullptr;
  /// Where it is not empty, the value is code (SQL): no expression may stand in it, since its value would become code.
  /// It is the hint of the complaint.
  std::string code_hint = {};
};

/// Evaluates the `${{ … }}` in a scalar. Returns the text after evaluation, or adds to the diagnostics and returns
/// nothing. Scalars without an expression are not passed to it.
using Evaluate = std::function<std::optional<std::string>(const YamlNode&, Diagnostics&)>;

/// Reads a mapping by its declarations: every unknown key (with "did you mean"), wrong type, missing required key and
/// refused value becomes a diagnostic at its place; defaults fill in what is absent. The object has a key for each
/// parameter that has a value. A null `node` is an empty mapping. `what` names the mapping in messages, as in
/// "unknown key 'onn' in step".
/// `foreign` maps words of other tools to our words, for the hint: {"timeout-minutes: 5", "timeout: 5m"} gives
/// "`timeout-minutes: 5` is written `timeout: 5m`"; the key is what stands before the `:`. A second text with a blank
/// at its beginning is a sentence that is the whole hint. A command that is a string must not hold an expression, nor
/// may the text behind `-c` of a shell in a list: a value can never become code.
Json read_parameters(const YamlNode& node, const std::vector<Parameter>& parameters, std::string_view what,
                     Diagnostics& diagnostics, const Evaluate& evaluate = nullptr,
                     const std::vector<std::pair<std::string, std::string>>& foreign = {});

/// One value of a declaration from text, as a flag or an environment variable gives it; the complaint names `what`.
Result<Json> parse_parameter(const Parameter& parameter, std::string_view text, std::string_view what);

}  // namespace deployer
