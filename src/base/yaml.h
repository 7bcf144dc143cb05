#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"

namespace deployer {

/// A node of a YAML document with its place. Aliases are expanded (their nodes carry the place of the alias).
struct YamlNode {
  enum class Kind { null, scalar, sequence, mapping };
  struct Entry;

  Kind kind = Kind::null;
  Location at;
  /// A scalar without quotes and not a block: only such a one can be a number, a boolean or null.
  bool plain = false;
  std::string text;             ///< of a scalar
  std::vector<YamlNode> items;  ///< of a sequence
  std::vector<Entry> entries;   ///< of a mapping, in the order of the text; keys are unique

  /// The value of `key`, or null. `-` and `_` in keys are the same letter.
  const YamlNode* find(std::string_view key) const;
};

struct YamlNode::Entry {
  std::string key;
  Location key_at;
  YamlNode value;
};

/// What `load_yaml` found: the tree as far as it could be read, and everything that is wrong with it.
struct YamlDocument {
  YamlNode root;
  /// False where reading ended before the end (a syntax error, a limit): what was behind is not in the tree.
  bool complete = false;
  Diagnostics diagnostics;
};

/// The limits of pipeline.md: what is over them is refused without being expanded.
struct YamlLimits {
  std::size_t bytes = 1024 * 1024;
  std::size_t depth = 64;       ///< nested collections, the root is 1
  std::size_t nodes = 100'000;  ///< after expanding aliases
};

/// Reads one YAML 1.1 document strictly and safely: nothing is executed, no tag is obeyed.
/// Errors, all in one go with the offending line as excerpt: duplicate keys (`-` and `_` alike; with the line of the
/// first), several documents, tags other than `!!str`-free plain YAML, merge keys, keys that are no scalars, an alias
/// inside its own anchor, an unknown alias, invalid UTF-8, control characters, what is over `limits`. A syntax error
/// ends the list: nothing after it can be read. Never throws; `file` is only used in locations.
YamlDocument load_yaml(std::string_view text, const std::string& file, const YamlLimits& limits = {});

/// Sets the excerpt of every diagnostic of `file` that has a place and none yet: that line of `text`, cut where it is
/// very long.
void add_excerpts(Diagnostics& diagnostics, std::string_view text, const std::string& file);

/// Puts diagnostics in the order of the text, those without a place first, file by file.
void sort_by_place(Diagnostics& diagnostics);

}  // namespace deployer
