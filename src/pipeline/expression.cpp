#include "pipeline/expression.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "pipeline/document_keys.h"

namespace deployer {

namespace {

constexpr std::string_view one_name_hint = "an expression reads one name, as in ${{ vars.app }}";

void complain_of_expression(Diagnostics& diagnostics, const Location& at, const std::string& message,
                            const std::string& hint) {
  diagnostics.push_back({at, Level::error, "expression", message, hint, ""});
}

bool is_name_letter(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '-' || letter == '.';
}

/// The place of a byte of a plain or quoted scalar; block scalars have the place of the node.
Location place_in(const YamlNode& node, std::size_t offset) {
  Location at = node.at;
  if (node.text.find('\n') == std::string::npos) at.column += static_cast<int>(offset) + (node.plain ? 0 : 1);
  return at;
}

}  // namespace

bool has_expression_in(std::string_view text) { return text.find("${{") != std::string_view::npos; }

void ExpressionNames::set(const std::string& name, std::optional<std::string> value) {
  names_[with_underscores(name)] = {name, std::move(value)};
}

std::optional<std::string> ExpressionNames::value_of(const std::string& name, const Location& at,
                                                     Diagnostics& diagnostics) const {
  if (const auto found = names_.find(with_underscores(name)); found != names_.end()) return found->second.value;
  if (name.empty()) {
    complain_of_expression(diagnostics, at, "an expression is empty", std::string(one_name_hint));
    return std::nullopt;
  }
  if (name.starts_with("steps.")) {
    complain_of_expression(diagnostics, at, "'" + name + "': outputs of steps are not in this version", "");
    return std::nullopt;
  }
  if (!std::all_of(name.begin(), name.end(), is_name_letter)) {
    complain_of_expression(diagnostics, at, "'" + name + "' is not a name: operators are not in this version",
                           std::string(one_name_hint));
    return std::nullopt;
  }
  const bool is_open =
      std::any_of(open_.begin(), open_.end(), [&](const std::string& prefix) { return name.starts_with(prefix); });
  if (!is_open) complain_of_expression(diagnostics, at, "there is no '" + name + "'", hint_for(name));
  return std::nullopt;
}

std::string ExpressionNames::hint_for(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& entry : names_) known.push_back(entry.second.name);
  if (const std::optional<std::string> meant = did_you_mean(name, known)) return "did you mean '" + *meant + "'?";
  for (const std::string section : {"vars", "env", "secrets"}) {
    if (name.starts_with(section + ".")) return "declare it under " + section + ":";
  }
  if (name.starts_with("github.") || name.starts_with("inputs.") || name.starts_with("matrix.")) {
    return "what GitHub Actions knows comes by --var and is declared under vars:";
  }
  return "names are vars.X, env.X, secrets.X, run.id, run.started_at, pipeline.name and host.name";
}

std::optional<std::string> ExpressionNames::evaluate(const YamlNode& node, Diagnostics& diagnostics) const {
  std::string out;
  bool known = true;
  std::size_t begin = 0;
  while (true) {
    const std::size_t open = node.text.find("${{", begin);
    if (open == std::string::npos) break;
    const std::size_t close = node.text.find("}}", open);
    if (close == std::string::npos) {
      complain_of_expression(diagnostics, place_in(node, open), "an expression is not closed", "write ${{ … }}");
      return std::nullopt;
    }
    out += node.text.substr(begin, open - begin);
    const std::string name(trim(std::string_view(node.text).substr(open + 3, close - open - 3)));
    const std::optional<std::string> value = value_of(name, place_in(node, open), diagnostics);
    known = known && value.has_value();
    out += value.value_or("");
    begin = close + 2;
  }
  out += node.text.substr(begin);
  if (!known) return std::nullopt;
  return out;
}

}  // namespace deployer
