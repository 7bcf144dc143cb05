#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "state/run_state.h"
#include "state/target.h"

namespace deployer {

struct FoundRun {
  Target target;
  RunState state;
};

/// All runs of a state folder, of every target, newest first; of those that have finished only what the journal's index
/// holds (Journal::index). One that has not is `running` while the process that runs it lives, and `interrupted` when
/// that has died: the lock says so. Reads only.
std::vector<FoundRun> list_runs_of(const std::filesystem::path& root, const Files& files);

/// The run that a word names, whole: an id, a unique beginning of one, or `last` (the newest, whatever its target).
/// Error `not_found`, or `usage` where several begin so, with their ids.
FoundRun find_run(const std::filesystem::path& root, const std::string& word, const Files& files);

}  // namespace deployer
