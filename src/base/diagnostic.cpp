#include "base/diagnostic.h"

#include <algorithm>

namespace deployer {

std::string Location::text() const {
  std::string out = file;
  if (line > 0) out += ":" + std::to_string(line);
  if (line > 0 && column > 0) out += ":" + std::to_string(column);
  return out;
}

std::string Diagnostic::text() const {
  std::string out = at.text();
  if (!out.empty()) out += ": ";
  out += level == Level::error ? "error" : "warning";
  if (level == Level::warning && !rule.empty()) out += "[" + rule + "]";
  out += ": " + message;
  if (!excerpt.empty()) {
    out += "\n    " + excerpt;
    if (at.column > 0 && static_cast<std::size_t>(at.column) <= excerpt.size() + 1) {
      std::string indent;
      for (int i = 0; i + 1 < at.column; ++i) indent += excerpt[static_cast<std::size_t>(i)] == '\t' ? '\t' : ' ';
      out += "\n    " + indent + "^";
    }
  }
  if (!hint.empty()) out += "\n    hint: " + hint;
  return out;
}

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& diagnostic) { return diagnostic.level == Level::error; });
}

}  // namespace deployer
