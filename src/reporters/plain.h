#pragma once

#include <memory>

#include "reporters/table.h"

namespace deployer {

/// `--output plain`: a line for each event that matters, `HH:MM:SS` of the reader's clock before it, what a step prints
/// behind its name and `| `, without control characters; at the end a summary, and the runbook where something is left.
std::unique_ptr<EventListener> make_plain_reporter(const ReporterOptions& options, ReportOutput output,
                                                   const Redactor& redactor);

}  // namespace deployer
