#pragma once

#include <map>
#include <string>
#include <vector>

#include "operations/workspace.h"
#include "state/run_state.h"

namespace deployer {

class Journal;

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

/// Brings every run of a target that did not get to its end to one, under the lock that the caller holds. The states
/// after; empty where there was none.
/// `accepts_loss`: a person has agreed that rows which others have written since may be lost on the way.
std::vector<RunState> recover_target(App& app, const Target& target, Journal& journal, bool accepts_loss);

/// Who asks for the lock, for its file.
LockOwner owner_of(const App& app, const std::string& run);

/// The Error for a lock that somebody else holds.
Error locked_error(const Target& target);

}  // namespace deployer
