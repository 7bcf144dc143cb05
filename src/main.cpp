#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/redactor.h"
#include "cli/cli.h"
#include "cli/prompt.h"
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

/// A file that is opened while 0, 1 or 2 is closed would get that number, and what is printed would go into it.
void open_closed_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open(2) gives the lowest number that is free; those below are open by now.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) _exit(1);
  }
}

std::filesystem::path working_folder() {
  std::error_code wrong;
  std::filesystem::path folder = std::filesystem::current_path(wrong);
  if (!wrong) return folder;
  throw deployer::Error(deployer::ErrorKind::usage, "cannot tell the working folder: " + wrong.message(),
                        "cd into a folder that exists");
}

/// 128+N where a signal came before there was a run that could say so itself; 3 and a bug stay what they are.
int status_after(int status, const deployer::StopRequest& stop) {
  const bool stays = status == 0 || status == deployer::error_kind_info(deployer::ErrorKind::left_behind).exit_status ||
                     status == deployer::error_kind_info(deployer::ErrorKind::internal).exit_status;
  return stays || stop.signal() == 0 ? status : 128 + stop.signal();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace deployer;
  open_closed_descriptors();
  try {
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    if (hide_passwords(argc, argv)) {
      std::fputs("warning: a password on a command line is seen by every user; use --database env:NAME\n", stderr);
    }
    // A reader that has seen enough (`| head`) is told by EPIPE.
    std::signal(SIGPIPE, SIG_IGN);
    if (const std::optional<int> answered = answer_at_once(words)) return *answered;
    StopRequest stop;
    // Who only looks needs no thread for signals, and is ended by one as any program is.
    std::optional<Signals> signals;
    if (changes_something(words)) signals.emplace([&stop](int number, int) { stop.request(number); });
    SystemClock clock;
    Files files;
    Processes processes;
    processes.set_keep_variable(service_variable);
    Redactor redactor;
    FaultPoints faults = FaultPoints::from_environment();
    App app{clock, files, processes, redactor, faults, stop, environment_of_process(), working_folder()};
    app.ask = terminal_prompt(redactor, stop.stop());
    return status_after(run_cli(app, words), stop);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.text().c_str());
    return error_kind_info(error.kind).exit_status;
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "error: this is a bug: %s\n", bug.what());
    return error_kind_info(ErrorKind::internal).exit_status;
  }
}
