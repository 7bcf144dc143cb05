#include "engine/child_output.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace deployer {

namespace {

constexpr std::size_t longest_line = 16 * 1024;
constexpr std::chrono::seconds patience(1);

struct OutputLines {
  OutputLines(const Redactor& redactor, std::string_view stream_name) : masked(redactor), name(stream_name) {}

  Redactor::Stream masked;
  std::string_view name;
  std::string open;  // masked, not ended by a line feed yet
  bool waiting = false;
  std::chrono::steady_clock::time_point last{};
};

}  // namespace

struct ChildOutput::State {
  State(const Redactor& redactor, OnLine take)
      : on_line(std::move(take)), streams{OutputLines(redactor, "out"), OutputLines(redactor, "err")} {}

  void take(OutputLines& lines, const std::string& text) {
    lines.open += text;
    std::size_t begin = 0;
    while (true) {
      const std::size_t end = lines.open.find('\n', begin);
      if (end == std::string::npos) break;
      std::size_t length = end - begin;
      if (length > 0 && lines.open[end - 1] == '\r') --length;
      on_line(lines.name, lines.open.substr(begin, length));
      begin = end + 1;
    }
    lines.open.erase(0, begin);
    while (lines.open.size() > longest_line) {
      on_line(lines.name, lines.open.substr(0, longest_line));
      lines.open.erase(0, longest_line);
    }
  }

  void flush(OutputLines& lines) {
    take(lines, lines.masked.finish());
    if (!lines.open.empty()) on_line(lines.name, lines.open);
    lines.open.clear();
    lines.waiting = false;
  }

  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      changed.wait_for(lock, stop, patience / 4, [] { return false; });
      const auto now = std::chrono::steady_clock::now();
      for (OutputLines& lines : streams) {
        if (lines.waiting && now - lines.last >= patience) flush(lines);
      }
    }
  }

  OnLine on_line;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::array<OutputLines, 2> streams;
  std::jthread watcher;
};

ChildOutput::ChildOutput(const Redactor& redactor, OnLine on_line)
    : state_(std::make_unique<State>(redactor, std::move(on_line))) {}

ChildOutput::~ChildOutput() = default;

void ChildOutput::feed(bool is_error, std::string_view bytes) {
  const std::lock_guard lock(state_->mutex);
  OutputLines& lines = state_->streams[is_error ? 1 : 0];
  state_->take(lines, lines.masked.feed(bytes));
  lines.waiting = true;
  lines.last = std::chrono::steady_clock::now();
  if (!state_->watcher.joinable()) {
    state_->watcher = std::jthread([this](const std::stop_token& stop) { state_->watch(stop); });
  }
}

void ChildOutput::finish() {
  const std::lock_guard lock(state_->mutex);
  for (OutputLines& lines : state_->streams) state_->flush(lines);
}

}  // namespace deployer
