#pragma once

#include <filesystem>
#include <string>

#include "state/target.h"

namespace deployer {

/// `target.json` in a target's folder: what `known_targets` reads.
std::filesystem::path target_file_of(const Target& target);
std::string target_file_text(const Target& target);

/// True for the lock of a name, in a folder of the state folder that may have to be made.
bool is_lock_in_state_folder(const Target& target, const std::filesystem::path& lock_file);

}  // namespace deployer
