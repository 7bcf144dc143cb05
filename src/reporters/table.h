#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/redactor.h"
#include "state/event.h"

namespace deployer {

/// Where a reporter writes. It never throws: an output that cannot be written (a full disk, a reader that has gone) is
/// dropped, since nobody who looks on may stop a run.
using ReportOutput = std::function<void(std::string_view)>;

/// Writes to a file descriptor, whole, and drops what it does not take.
ReportOutput output_to(int fd);

struct ReporterOptions {
  bool quiet = false;  ///< silent on success: what it would have said comes only where the run does not succeed
};

/// The listener that `--output WORD` names. Error `usage` for a word that is none ("did you mean") or of a later
/// version.
std::unique_ptr<EventListener> make_reporter(const std::string& word, const ReporterOptions& options,
                                             ReportOutput output, const Redactor& redactor);

}  // namespace deployer
