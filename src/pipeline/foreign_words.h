#pragma once

#include <string>
#include <utility>
#include <vector>

namespace deployer {

/// Words of GitHub Actions, Ansible and Kamal, and how they are written here; for read_parameters.
const std::vector<std::pair<std::string, std::string>>& foreign_head_words();
const std::vector<std::pair<std::string, std::string>>& foreign_step_words();

/// Keys of `with:` that belong to a later version, refused by name, in the same form.
const std::vector<std::pair<std::string, std::string>>& later_input_words();

}  // namespace deployer
