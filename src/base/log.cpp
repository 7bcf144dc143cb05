#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/redactor.h"

namespace deployer {

namespace {

// The process's log: a program has one standard error, and whoever logs must not have to be handed it.
struct ProcessLog {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger;
  const Redactor* redactor = nullptr;
};

ProcessLog& process_log() {
  static ProcessLog log;
  return log;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// One line stays one line, and nothing in it speaks to the terminal.
std::string printable(const std::string& text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '\n') {
      out += "\\n";
    } else if ((byte < 0x20 && letter != '\t') || byte == 0x7F) {
      out += "\\x";
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    } else {
      out += letter;
    }
  }
  return out;
}

}  // namespace

void open_log(LogLevel level, const Redactor& redactor) {
  auto logger = std::make_shared<spdlog::logger>("deployer", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(level_of(level));
  // A standard error that is closed or full has nowhere to complain.
  logger->set_error_handler([](const std::string&) {});
  ProcessLog& log = process_log();
  const std::lock_guard lock(log.mutex);
  log.logger = std::move(logger);
  log.redactor = &redactor;
}

void log(LogLevel level, std::string_view line) {
  try {
    ProcessLog& log = process_log();
    std::shared_ptr<spdlog::logger> logger;
    const Redactor* redactor = nullptr;
    {
      const std::lock_guard lock(log.mutex);
      logger = log.logger;
      redactor = log.redactor;
    }
    if (!logger || !logger->should_log(level_of(level))) return;
    logger->log(level_of(level), "{}", printable(redactor->clean(line)));
    logger->flush();
  } catch (const std::exception&) {
    // A line that cannot be logged must not end what wanted to log it.
  }
}

}  // namespace deployer
