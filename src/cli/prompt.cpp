#include "cli/prompt.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "base/redactor.h"
#include "base/text.h"

namespace deployer {

namespace {

// Signals arrive in another thread and interrupt no read: the stop is looked at between two waits.
constexpr int prompt_look_ms = 100;

/// A line without its end, as the terminal gives it: whole. Nothing at the end of the input, on an error and on `stop`.
std::optional<std::string> read_answer(const std::stop_token& stop) {
  std::string line;
  while (!stop.stop_requested()) {
    pollfd ready = {STDIN_FILENO, POLLIN, 0};
    const int polled = ::poll(&ready, 1, prompt_look_ms);
    if (polled == 0 || (polled < 0 && errno == EINTR)) continue;
    if (polled < 0) return std::nullopt;
    char letter = 0;
    const ssize_t got = ::read(STDIN_FILENO, &letter, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    if (letter == '\n') return line;
    line += letter;
  }
  return std::nullopt;
}

bool is_yes(const std::string& answer) {
  std::string word;
  for (const char letter : trim(answer)) word += static_cast<char>(letter | 0x20);
  return word == "y" || word == "yes";
}

}  // namespace

std::function<bool(const std::string& question)> terminal_prompt(const Redactor& redactor, std::stop_token stop) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return nullptr;
  return [&redactor, stop = std::move(stop)](const std::string& question) {
    std::fprintf(stderr, "%s [y/N] ", redactor.clean(question).c_str());
    std::fflush(stderr);
    const std::optional<std::string> answer = read_answer(stop);
    if (!answer) std::fputc('\n', stderr);
    return answer && is_yes(*answer);
  };
}

}  // namespace deployer
