#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/redactor.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"
#include "system/signals.h"

extern char** environ;

namespace {

std::map<std::string, std::string> environment_of_process() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace deployer;
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    StopRequest stop;
    const Signals signals([&stop](int number, int) { stop.request(number); });
    SystemClock clock;
    Files files;
    Processes processes;
    processes.set_keep_variable(service_variable);
    Redactor redactor;
    FaultPoints faults = FaultPoints::from_environment();
    App app{clock, files, processes, redactor, faults, stop, environment_of_process(), std::filesystem::current_path()};
    if (hide_passwords(argc, argv)) {
      std::fputs("warning: a password on a command line is seen by every user; use --database env:NAME\n", stderr);
    }
    return run_cli(app, words);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.text().c_str());
    return error_kind_info(error.kind).exit_status;
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "error: this is a bug: %s\n", bug.what());
    return error_kind_info(ErrorKind::internal).exit_status;
  }
}
