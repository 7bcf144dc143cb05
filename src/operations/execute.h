#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "operations/workspace.h"
#include "state/run_state.h"

namespace deployer {

class HeldTarget;

/// A run to be made of a document, somebody's or one built in.
struct Execution {
  Workspace::Document document;
  std::map<std::string, std::string> vars;
  std::vector<std::string> only;
  std::vector<std::string> skip;
  std::string from;
  bool rollback = true;
  Duration lock_timeout{0};
  /// Progress goes to standard output by --output; false: an operation prints its own answer, progress is silent.
  bool report = true;
};

/// Loads and checks the document (Error `invalid`, `secret`, `missing_tool`, `confirmation`: nothing was touched),
/// takes the target's lock (Error `locked`, `unsettled`), brings a run that died there to its end, then runs.
RunState execute(Workspace& workspace, const Execution& execution);

/// How runs that died are brought to their end.
struct Recovery {
  bool accepts_loss = false;  ///< a person has agreed that rows which others have written since may be lost on the way
  /// The project that stands for that of a run whose folder is not here; empty: none does.
  std::filesystem::path checkout;
};

/// Brings every run of a target that did not get to its end to one. The states after; empty where there was none.
std::vector<RunState> recover_target(App& app, HeldTarget& held, const Recovery& recovery);

/// The document of a run of this machine's journal, as it was. `checkout` as in Recovery. Error `left_behind`
/// where it cannot be had.
Pipeline pipeline_of_run(App& app, const RunState& state, const std::filesystem::path& checkout);

}  // namespace deployer
