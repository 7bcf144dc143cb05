#include "state/runs.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "state/journal.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr std::size_t runs_named_at_most = 5;

/// Whether the process that runs it lives: it holds the target's lock, and a lock ends with its process.
bool runs_are_alive(const RunState& state, const Target& target) {
  const std::optional<LockOwner> holder = TargetLock::holder(target);
  if (!holder) return false;
  if (holder->run == state.id || holder->record == state.runner) return true;
  try {
    // Another process than the one that the lock names: it is just being taken over, or not named yet.
    return is_alive(ProcessRecord::from(state.runner)).value_or(false);
  } catch (const Error&) {
    return false;
  }
}

void runs_judge(RunState& state, const Target& target) {
  if (!state.finished && !runs_are_alive(state, target)) state.status = RunStatus::interrupted;
}

FoundRun runs_read(const Target& target, const Journal& journal, const std::string& id) {
  FoundRun found{target, fold(journal.events(id))};
  runs_judge(found.state, target);
  return found;
}

bool runs_newer(const FoundRun& a, const FoundRun& b) {
  if (a.state.started_at != b.state.started_at) return a.state.started_at > b.state.started_at;
  return a.state.id > b.state.id;
}

/// All runs as the journals' indexes have them, newest first.
std::vector<FoundRun> runs_indexed(const std::filesystem::path& root, const Files& files) {
  std::vector<FoundRun> runs;
  for (const Target& target : known_targets(root, files)) {
    const std::optional<Journal> journal = Journal::open_for_reading(target.folder);
    if (!journal) continue;
    for (RunState& state : journal->index()) runs.push_back({target, std::move(state)});
  }
  std::stable_sort(runs.begin(), runs.end(), runs_newer);
  return runs;
}

Error runs_ambiguous(const std::string& word, const std::vector<FoundRun>& matching) {
  std::vector<std::string> ids;
  for (const FoundRun& run : matching) {
    if (ids.size() == runs_named_at_most) break;
    ids.push_back(run.state.id);
  }
  const std::string more = matching.size() > ids.size() ? ", and others" : "";
  return Error(ErrorKind::usage, std::to_string(matching.size()) + " runs begin with '" + word + "'",
               "it could be " + join(ids, ", ") + more);
}

}  // namespace

std::vector<FoundRun> list_runs_of(const std::filesystem::path& root, const Files& files) {
  std::vector<FoundRun> runs = runs_indexed(root, files);
  for (FoundRun& run : runs) {
    if (run.state.finished) continue;
    const std::optional<Journal> journal = Journal::open_for_reading(run.target.folder);
    if (journal) run = runs_read(run.target, *journal, run.state.id);
  }
  return runs;
}

FoundRun find_run(const std::filesystem::path& root, const std::string& word, const Files& files) {
  const std::vector<FoundRun> runs = runs_indexed(root, files);
  std::vector<FoundRun> matching;
  for (const FoundRun& run : runs) {
    if (word == "last" || run.state.id == word) {
      matching = {run};
      break;
    }
    if (!word.empty() && run.state.id.starts_with(word)) matching.push_back(run);
  }
  if (runs.empty()) throw Error(ErrorKind::not_found, "there are no runs yet in " + root.string());
  if (matching.empty()) {
    throw Error(ErrorKind::not_found, "there is no run '" + word + "'", "deployer runs list shows all of them");
  }
  if (matching.size() > 1) throw runs_ambiguous(word, matching);
  const FoundRun& found = matching.front();
  const std::optional<Journal> journal = Journal::open_for_reading(found.target.folder);
  if (!journal) throw Error(ErrorKind::not_found, "the journal of run " + found.state.id + " has gone");
  return runs_read(found.target, *journal, found.state.id);
}

}  // namespace deployer
