#pragma once

#include <string>
#include <vector>

namespace deployer {

/// A place in a text file. Lines and columns count from 1, columns count bytes; 0 means "no place known", and then
/// the parts that are 0 are not printed.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  /// `file:line:column`, without the parts that are not known.
  std::string text() const;
  bool operator==(const Location&) const = default;
};

enum class Level { error, warning };

/// One thing that is wrong in something a person wrote: what, where, and what to do.
/// `message` is lower case without a final stop; `hint` is the advice, or empty; `rule` is the id of the lint rule or
/// of the loader's check, stable, or empty; `excerpt` is the offending line, or empty.
struct Diagnostic {
  Location at;
  Level level = Level::error;
  std::string rule;
  std::string message;
  std::string hint;
  std::string excerpt;

  /// `file:line:column: error: message`, then (each on its own line, where there is one) the excerpt with a caret
  /// under the column, and `hint: …`. No final line feed.
  std::string text() const;
};

using Diagnostics = std::vector<Diagnostic>;

/// True if one of them is an error (warnings do not count).
bool has_errors(const Diagnostics& diagnostics);

}  // namespace deployer
