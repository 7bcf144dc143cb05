#pragma once

#include <functional>
#include <stop_token>
#include <string>

namespace deployer {

class Redactor;

/// What asks a person: writes the question to standard error, masked, and waits for a line on standard input. `y` and
/// `yes` are a yes, all else, the end of the input and `stop` are a no. Null where one of the two is no terminal.
/// The redactor must outlive it.
std::function<bool(const std::string& question)> terminal_prompt(const Redactor& redactor, std::stop_token stop);

}  // namespace deployer
