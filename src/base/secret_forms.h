#pragma once

#include <set>
#include <string>
#include <string_view>

namespace deployer {

/// What is shorter is not masked: it would hit innocent text everywhere.
constexpr std::size_t shortest_secret = 4;

/// Every text by which `value` could be told: see Redactor. None is shorter than `shortest_secret`.
std::set<std::string> secret_forms(std::string_view value);

}  // namespace deployer
