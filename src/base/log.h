#pragma once

#include <string_view>

namespace deployer {

class Redactor;

enum class LogLevel { trace, debug, info, warning, error };

/// Sets up the process's log on stderr (spdlog). Every line is masked by `redactor`, which must outlive the last line.
/// Lines below `level` are dropped. Before the first call nothing is logged.
void open_log(LogLevel level, const Redactor& redactor);

/// One line of the log. Any thread; never throws, never blocks longer than a write to stderr does.
void log(LogLevel level, std::string_view line);

}  // namespace deployer
