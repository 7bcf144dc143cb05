#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/json.h"

namespace deployer {

class Clock;
class EventListener;
class FaultPoints;
class Files;
class Processes;
class Redactor;
class StopRequest;

/// What every operation works with; made in `main` and in tests, passed by reference, no global state. References live
/// longer than every operation.
struct App {
  const Clock& clock;
  Files& files;
  Processes& processes;
  Redactor& redactor;
  FaultPoints& faults;
  StopRequest& stop;                               ///< told by signals
  std::map<std::string, std::string> environment;  ///< the process's own
  std::filesystem::path cwd;

  // The flags that stand everywhere (cli.md, "Everywhere").
  std::string project_flag = {};   ///< -C
  std::string config_flag = {};    ///< --config
  std::string database_flag = {};  ///< --database: a URL, env:NAME or file:PATH
  bool yes = false;
  bool quiet = false;
  bool json = false;            ///< --json: one document on stdout
  std::string output = "auto";  ///< --output
  bool color = false;           ///< ANSI colours in what is reported: the terminal can, and nobody said no

  /// Asks a person on the terminal; null where there is none, and then a question is a refusal.
  std::function<bool(const std::string& question)> ask = nullptr;
};

/// What an operation answers. Exactly what is printed: `json` with --json, else `text` (on stdout, with a final line
/// feed where it is not empty). Errors are thrown as Error.
struct Reply {
  int exit_status = 0;
  std::string text;
  Json json = Json::object();
};

}  // namespace deployer
