#pragma once

#include <string>
#include <vector>

#include "engine/action.h"

namespace deployer {

// Services by the names that a document uses: units of systemd, or the `daemon` of a `restart` step of this pipeline
// whose `name` it is. For actions that need services down while they work. The order of `names` is that of stopping;
// they are started in the reverse of it. Everything throws Error and may block until `context.deadline()`.

/// For Action::check: Error `missing_tool` where a program or systemd itself is not there, `invalid` for a unit that
/// does not exist.
void check_services(ActionContext& context, const std::vector<std::string>& names);

/// How each is now, as JSON for a baseline: {NAME: state}.
Json services_baseline(ActionContext& context, const std::vector<std::string>& names);

/// Stops those that run, each as an effect of the step (`stop NAME`). Idempotent.
void stop_services(ActionContext& context, const std::vector<std::string>& names);

/// Starts again those that ran in `baseline` and do not run now, each as an effect (`start NAME`), and waits until each
/// is ready (`ready_within` of the step where its action has that input, else 30 s).
void start_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline);

/// Whether the effect is one of `stop_services` or `start_services`: then the next two are its probe and undo.
bool is_service_effect(const UndoRecord& record);
Probe probe_service(ActionContext& context, const UndoRecord& record);
/// What was started is stopped; what was stopped is left to `settle_services` while a run is rolled back, and started
/// at once where only an attempt is taken back. The words for people.
std::string undo_service(ActionContext& context, const UndoRecord& record);

/// Stops them without an effect; for Action::quiet. Idempotent.
void quiet_services(ActionContext& context, const std::vector<std::string>& names);

/// Each back to its state in `baseline`: what ran is started and waited for, what did not run is stopped where this run
/// has started it. Idempotent: what was brought back already, and beneath which nothing was undone since, goes on.
void settle_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline);

/// Whether each that ran in `baseline` runs again, and none runs that this run has started and did not run before.
Verification verify_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline);

/// Whether none of them runs, nor is about to.
bool services_are_down(ActionContext& context, const std::vector<std::string>& names);

}  // namespace deployer
