#pragma once

#include "engine/action.h"

namespace deployer {

// The actions, a line each: the object is made at its first use and lives as long as the program.

const Action& run_action();
const Action& validate_action();
const Action& connectivity_action();
const Action& maintenance_action();
const Action& backup_action();
const Action& migrate_action();
const Action& restore_action();
const Action& dependencies_action();
const Action& release_action();
const Action& restart_action();
const Action& health_check_action();
const Action& prune_action();
const Action& sql_action();
const Action& http_action();

}  // namespace deployer
