#pragma once

#include <string>
#include <vector>

#include "engine/hooks.h"
#include "engine/run_scope.h"

namespace deployer {

/// Takes back, in reverse order, the effects of one attempt of a step that failed and is retried or may fail
/// (`continue-on-error`). Error `failed` where one could not be taken back.
void undo_attempt(RunScope& scope, const Step& step, int attempt);

/// Takes the whole run back, as docs/rollback.md has it: before-rollback hooks, quiet, each effect undone in reverse,
/// settle, verify, after-rollback and on-failure hooks; then run_finished is journalled with the verdict. `reason` is
/// why, for people; `after_crash`: effects that were intended and not done are probed first. Throws only for a bug.
void roll_back(RunScope& scope, const HookSet& hooks, const std::string& reason, bool after_crash);

/// Ends a run whose success is journalled: what its steps left for then, hooks, run_finished. Goes forward only.
void finish_forward(RunScope& scope, const HookSet& hooks);

/// Runs the hooks of a run's end; one that fails, `required` or not, is a warning. A second signal ends them.
void run_hooks_of_end(RunScope& scope, const HookSet& hooks, const std::vector<std::string>& events,
                      const std::string& status, const std::string& error);

/// Ends everything that the run started and that is no service: processes of this runner's, and after a crash those
/// which carry the run's id.
void end_leftovers(RunScope& scope, bool after_crash);

}  // namespace deployer
