#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "system/process.h"

namespace deployer::test {

inline Command command_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  command.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  return command;
}

inline Command shell(const std::string& script) { return command_of({"/bin/sh", "-c", script}); }

/// Waits until something is so, at most ten seconds. False if it never was.
inline bool soon(const std::function<bool()>& is_so) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace deployer::test
