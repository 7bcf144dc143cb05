#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/redactor.h"
#include "state/event.h"

namespace deployer {

/// Where a reporter writes: whole lines. It never throws and never blocks for long, since nobody who looks on may stop
/// a run: what cannot be written is dropped.
using ReportOutput = std::function<void(std::string_view)>;

/// Writes to a file descriptor (not owned). What the other side does not take at once (a stopped terminal, a slow
/// reader) is kept, up to 8 MiB, and written by a thread as it is taken; the last copy of the function waits for that,
/// until nothing has been taken for `patience`. A reader that has gone ends the writing; a full disk loses the line.
ReportOutput output_to(int fd, std::chrono::milliseconds patience = std::chrono::seconds(10));

struct ReporterOptions {
  bool quiet = false;      ///< silent on success: what it would have said comes only where the run does not succeed
  bool color = false;      ///< ANSI colours for verdicts
  std::size_t width = 80;  ///< columns of the summary, at least 40
};

/// The listener that `--output WORD` names: `plain`, `json`, or `auto`, which is `plain` in this version. Error `usage`
/// for a word that is none ("did you mean") or of a later version. Its listeners never throw.
std::unique_ptr<EventListener> make_reporter(const std::string& word, const ReporterOptions& options,
                                             ReportOutput output, const Redactor& redactor);

}  // namespace deployer
