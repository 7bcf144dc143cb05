#pragma once

#include <string>

#include "base/deadline.h"
#include "reporters/table.h"
#include "state/run_state.h"

namespace deployer {

/// What stands at the end of a run's report, within `options.width` columns where its words allow: the verdict, why,
/// the run and how long it took, the number of warnings, what was lost, what is left and what to do.
std::string run_summary(const RunState& state, Duration took, const ReporterOptions& options);

}  // namespace deployer
