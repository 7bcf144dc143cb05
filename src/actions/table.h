#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/action.h"

namespace deployer {

/// The action of a `uses:` word, or null.
const Action* find_action(std::string_view word);

/// Every action, in the order in which help names them.
std::vector<const Action*> all_actions();

/// What the loader must know of them.
std::vector<ActionWord> action_words();

/// Words that documents may come to have and this version refuses by name.
std::vector<std::string> later_actions();

}  // namespace deployer
