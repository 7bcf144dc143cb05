#pragma once

#include <memory>

#include "reporters/table.h"

namespace deployer {

/// `--output json`: one event a line, as it happens, and nothing else. Quiet: the same lines when the run does not
/// succeed, of each step's output the last ones.
std::unique_ptr<EventListener> make_json_reporter(const ReporterOptions& options, ReportOutput output,
                                                  const Redactor& redactor);

}  // namespace deployer
