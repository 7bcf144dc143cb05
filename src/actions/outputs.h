#pragma once

#include <string>

#include "engine/action.h"

namespace deployer {

/// Adds an output of an action, text cut to 64 KiB. One that holds a secret, or is no text, is not kept, and that is a
/// warning.
void keep_output(ActionContext& context, Json& outputs, const std::string& name, const Json& value);

}  // namespace deployer
