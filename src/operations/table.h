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
  std::vector<Parameter> parameters = {};
  /// Names of the parameters that are given by place, in order; a list takes all that is left.
  std::vector<std::string> positionals = {};
  std::function<Reply(App&, const Json& request)> run;
};

/// Every operation of this version.
const std::vector<Operation>& operations();

/// Words that belong to a later version: asked for, they are refused by name instead of with "did you mean".
const std::vector<std::string>& later_operations();

/// Flags that belong to a later version, of all operations: refused by name.
const std::vector<std::string>& later_flags();

}  // namespace deployer
