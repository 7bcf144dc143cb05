#pragma once

#include <memory>

#include "reporters/table.h"

namespace deployer {

/// `--output plain`: a line an event that matters, `HH:MM:SS` (UTC) before it, the steps' own output behind `| `; at
/// the end a summary of at most 80 columns, and the runbook where something is left.
std::unique_ptr<EventListener> make_plain_reporter(const ReporterOptions& options, ReportOutput output,
                                                   const Redactor& redactor);

}  // namespace deployer
