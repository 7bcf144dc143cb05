#include "system/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/error.h"
#include "system/process_descriptor.h"

namespace deployer {

namespace {

/// The line goes out in one write to a file opened for appending, so that threads and processes do not mix theirs.
void append_fault_line(const std::filesystem::path& file, std::string_view name) {
  const std::string what = "cannot write " + file.string();
  const process::Descriptor trace(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!trace.open()) throw io_error(errno, what);
  const std::string line = std::string(name) + "\n";
  const ssize_t written = ::write(trace.get(), line.data(), line.size());
  if (written < 0) throw io_error(errno, what);
  if (static_cast<std::size_t>(written) != line.size()) throw io_error(ENOSPC, what);
}

}  // namespace

FaultPoints::FaultPoints(FaultPoints&& other) noexcept
    : passed_(other.passed_.load()), kill_at_(other.kill_at_), trace_(std::move(other.trace_)) {}

FaultPoints FaultPoints::from_environment() {
  FaultPoints points;
  if (const char* text = std::getenv("DEPLOYER_FAULT_KILL")) {
    const std::string_view number(text);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), points.kill_at_);
    if (error != std::errc() || end != number.data() + number.size() || points.kill_at_ == 0) {
      throw Error(ErrorKind::usage, "DEPLOYER_FAULT_KILL is not a number from 1: '" + std::string(number) + "'");
    }
  }
  if (const char* file = std::getenv("DEPLOYER_FAULT_TRACE")) points.trace_ = file;
  return points;
}

void FaultPoints::pass(std::string_view name) {
  if (!trace_.empty()) append_fault_line(trace_, name);
  if (passed_.fetch_add(1) + 1 != kill_at_) return;
  ::kill(::getpid(), SIGKILL);
  // The signal may take effect in another thread first; nothing more may happen in this one.
  while (true) ::pause();
}

}  // namespace deployer
