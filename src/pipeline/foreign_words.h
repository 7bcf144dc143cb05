#pragma once

#include <string>
#include <utility>
#include <vector>

namespace deployer {

/// Words of GitHub Actions, Ansible and Kamal, and how they are written here; for read_parameters.
const std::vector<std::pair<std::string, std::string>>& foreign_head_words();
const std::vector<std::pair<std::string, std::string>>& foreign_step_words();

}  // namespace deployer
