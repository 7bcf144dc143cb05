#include "pipeline/expression.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace deployer {

namespace {

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

std::optional<std::string> ExpressionNames::value_of(std::string_view name, const Location& at,
                                                     Diagnostics& diagnostics, bool& complained) const {
  const auto found = names_.find(std::string(name));
  if (found != names_.end()) return found->second;
  complained = true;
  if (name.starts_with("steps.")) {
    complain_of_expression(diagnostics, at, "'" + std::string(name) + "': outputs of steps are not in this version",
                           "");
    return std::nullopt;
  }
  if (!std::all_of(name.begin(), name.end(), is_name_letter)) {
    complain_of_expression(diagnostics, at,
                           "'" + std::string(name) + "' is not a name: operators are not in this version",
                           "an expression reads one name, as in ${{ vars.app }}");
    return std::nullopt;
  }
  std::vector<std::string> known;
  for (const auto& entry : names_) known.push_back(entry.first);
  const std::optional<std::string> meant = did_you_mean(name, known);
  std::string hint = "names are vars.X, env.X, secrets.X, run.id, run.started_at, pipeline.name and host.name";
  if (meant) hint = "did you mean '" + *meant + "'?";
  complain_of_expression(diagnostics, at, "there is no '" + std::string(name) + "'", hint);
  return std::nullopt;
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
    const std::string_view name = trim(std::string_view(node.text).substr(open + 3, close - open - 3));
    bool complained = false;
    const std::optional<std::string> value = value_of(name, place_in(node, open), diagnostics, complained);
    known = known && value.has_value();
    out += value.value_or("");
    begin = close + 2;
  }
  out += node.text.substr(begin);
  if (!known) return std::nullopt;
  return out;
}

}  // namespace deployer
