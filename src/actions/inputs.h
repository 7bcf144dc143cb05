#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/action.h"

namespace deployer {

// How actions read their checked inputs (base/parameter.h says which JSON a type becomes).

/// The text of an input, or empty where it is not given.
std::string text_input(const Json& inputs, const std::string& name);
/// The words of a list, empty where it is not given.
std::vector<std::string> list_input(const Json& inputs, const std::string& name);
/// A duration; it has a default or is required.
Duration duration_input(const Json& inputs, const std::string& name);
/// A command, empty where it is not given.
CommandLine command_input(const Json& inputs, const std::string& name, const Step& step);
/// Whether the input was given.
bool has_input(const Json& inputs, const std::string& name);

/// A declaration, as actions write them.
Parameter declare_input(const char* name, ParameterType type, const char* doc, Json fallback = nullptr);

/// The program behind `word` in the PATH of the step's children. Error `missing_tool`, with `apt-get install PACKAGE`
/// as the hint, where there is none.
std::filesystem::path need_program(const ActionContext& context, const std::string& word, const std::string& package);

}  // namespace deployer
