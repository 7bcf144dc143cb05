#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "pipeline/pipeline.h"

namespace deployer {

class Files;
struct RunScope;

/// The hooks of a pipeline by event, found and checked: those of the document, then `hooks/EVENT`, then
/// `hooks/EVENT.d/*` in name order. Events are before-run, after-run, on-success, on-failure, before-rollback,
/// after-rollback, and for a step with id ID before-ID and after-ID (the document's before-step and after-step stand
/// for every step).
class HookSet {
 public:
  struct Found {
    std::string label;  ///< for people: the path, or the command
    std::vector<std::string> argv;
    Duration timeout;
    bool required;
  };

  /// Error `invalid`, with a diagnostic for each hook that is missing or not executable. Hidden files are passed over.
  static HookSet find(const Pipeline& pipeline, const Files& files);

  const std::vector<Found>& of(const std::string& event) const;

 private:
  std::map<std::string, std::vector<Found>> hooks_;
};

/// What a hook is told besides the run's own facts.
struct HookCall {
  std::string event;
  std::string step;    ///< id, empty for the run's events
  std::string status;  ///< as in `runs show`, or empty
  std::string error;
};

/// Runs the hooks of an event, one after another. A failing one is a warning, unless it is `required` or the event is a
/// before-… one of the way forward (`stops`): then Error `failed`, and the later ones are not run. Each has its own
/// time-out within `deadline`.
void run_hooks(RunScope& scope, const HookSet& hooks, const HookCall& call, bool stops, const Deadline& deadline);

}  // namespace deployer
