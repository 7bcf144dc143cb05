#pragma once

#include <string>
#include <vector>

#include "operations/table.h"

namespace deployer {

/// What the words of a command line name.
struct Asked {
  const Operation* operation = nullptr;  ///< null: help or version
  std::string name;                      ///< as typed: "migrate status"
  std::vector<std::string> rest;         ///< all other words, in their order
  bool help = false;                     ///< `help`, `--help`, `-h`
  std::string group;                     ///< help for all that begins with this word: "migrate"
  bool version = false;
};

/// Finds the operation. Flags that stand everywhere may stand before its words. Error `usage` with "did you mean" for a
/// word that is none, and by name for one of a later version.
Asked find_operation(const std::vector<std::string>& words);

/// How a parameter is written as a flag: `--lock-timeout`, `-C`.
std::string flag_of(const Parameter& parameter);

/// The flags that stand everywhere, as parameters; their names as in cli.md (`C` is `-C`).
const std::vector<Parameter>& global_flags();

/// What `deployer help` and `deployer help COMMAND` print: at most 80 columns.
std::string help_text();
std::string help_text(const std::string& group);
std::string help_text(const Operation& operation);

}  // namespace deployer
