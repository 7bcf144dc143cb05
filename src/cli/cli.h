#pragma once

#include <string>
#include <vector>

#include "operations/app.h"

namespace deployer {

/// The command line: finds the operation that the words name, reads its flags into a request, runs it, prints what it
/// answers. Returns the exit status (docs/exit-statuses.md). Results go to stdout, errors and logs to stderr;
/// everything is masked by the app's redactor. `words` is argv without the program's name.
int run_cli(App& app, const std::vector<std::string>& words);

/// Overwrites the values of `--database` in the process's own argv, where they hold a password: a command line can be
/// read by every user of the machine. True if there was one to overwrite.
bool hide_passwords(int argc, char** argv);

}  // namespace deployer
