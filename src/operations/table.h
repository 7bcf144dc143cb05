#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/parameter.h"
#include "operations/app.h"

namespace deployer {

/// A verb that deployer can be asked: a line of the table. Flags, help and checks of arguments come from its
/// parameters.
struct Operation {
  /// As typed, blank-separated: "migrate status". The first is its name; the others are other ways to say it.
  std::vector<std::string> words;
  std::string doc = {};
  bool changes = false;  ///< it is a run, and takes the lock
  bool writes = false;   ///< it writes files of the project's source: neither a run nor a question
  std::vector<Parameter> parameters = {};
  /// Names of the parameters that are given by place, in order; a list takes all that is left.
  std::vector<std::string> positionals = {};
  /// Flags of it that belong to a later version, as typed (`--detach`): refused by name.
  std::vector<std::string> later_flags = {};
  std::function<Reply(App&, const Json& request)> run;
};

/// Every operation of this version.
const std::vector<Operation>& operations();

/// Words that belong to a later version: asked for, they are refused by name instead of with "did you mean".
const std::vector<std::string>& later_operations();

/// Whether `word` is one of `--output`: Error `usage` where it is none, or one of a later version.
void check_output(const std::string& word, const Redactor& redactor);

}  // namespace deployer
