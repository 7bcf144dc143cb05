#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operations/app.h"

namespace deployer {

/// What needs nothing of the machine: version, help, and words that are no command. The exit status once it is
/// answered; nothing where `run_cli` has to.
std::optional<int> answer_at_once(const std::vector<std::string>& words);

/// Whether what the words ask for changes something, so that a signal must not simply end it. Of words that
/// `answer_at_once` left.
bool changes_something(const std::vector<std::string>& words);

/// The command line: finds the operation that the words name, reads its flags into a request, runs it, prints what it
/// answers. Returns the exit status (docs/exit-statuses.md). Results go to stdout, errors and logs to stderr;
/// everything is masked by the app's redactor. `words` is argv without the program's name.
int run_cli(App& app, const std::vector<std::string>& words);

/// Overwrites user and password of every URL in the process's own argv that holds a password: a command line can be
/// read by every user of the machine. True if there was one to overwrite.
bool hide_passwords(int argc, char** argv);

}  // namespace deployer
