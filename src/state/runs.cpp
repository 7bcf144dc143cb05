#include "state/runs.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "state/journal.h"
#include "system/files.h"

namespace deployer {

namespace {

struct RunPlace {
  std::string id;
  std::size_t target;
};

/// Ids of all runs, newest first, with where they are.
std::vector<RunPlace> run_places(const std::vector<Target>& targets) {
  std::vector<RunPlace> places;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::optional<Journal> journal = Journal::open_for_reading(targets[i].folder);
    if (!journal) continue;
    for (const std::string& id : journal->runs()) places.push_back({id, i});
  }
  std::sort(places.begin(), places.end(), [](const RunPlace& a, const RunPlace& b) { return a.id > b.id; });
  return places;
}

FoundRun read_run(const Target& target, const Journal& journal, const std::string& id) {
  FoundRun found{target, fold(journal.events(id))};
  if (found.state.finished) return found;
  const std::optional<LockOwner> holder = TargetLock::holder(target);
  if (!holder || (!holder->run.empty() && holder->run != id)) found.state.status = RunStatus::interrupted;
  return found;
}

}  // namespace

std::vector<FoundRun> list_runs_of(const std::filesystem::path& root, const Files& files) {
  std::vector<FoundRun> runs;
  for (const Target& target : known_targets(root, files)) {
    const std::optional<Journal> journal = Journal::open_for_reading(target.folder);
    if (!journal) continue;
    for (const std::string& id : journal->runs()) runs.push_back(read_run(target, *journal, id));
  }
  std::sort(runs.begin(), runs.end(), [](const FoundRun& a, const FoundRun& b) { return a.state.id > b.state.id; });
  return runs;
}

FoundRun find_run(const std::filesystem::path& root, const std::string& word, const Files& files) {
  const std::vector<Target> targets = known_targets(root, files);
  const std::vector<RunPlace> places = run_places(targets);
  std::vector<RunPlace> matching;
  for (const RunPlace& place : places) {
    if (word == "last" || place.id.starts_with(word)) matching.push_back(place);
    if (place.id == word || (word == "last" && !matching.empty())) {
      matching = {place};
      break;
    }
  }
  if (matching.empty()) {
    throw Error(ErrorKind::not_found, word == "last" ? "there is no run yet" : "there is no run '" + word + "'",
                places.empty() ? "" : "deployer runs list shows all of them");
  }
  if (matching.size() > 1) {
    std::vector<std::string> ids;
    for (const RunPlace& place : matching) ids.push_back(place.id);
    throw Error(ErrorKind::usage, "several runs begin with '" + word + "'", "it is one of " + listing(ids));
  }
  const Target& target = targets[matching.front().target];
  const std::optional<Journal> journal = Journal::open_for_reading(target.folder);
  if (!journal) throw Error(ErrorKind::not_found, "the journal of run " + matching.front().id + " has gone");
  return read_run(target, *journal, matching.front().id);
}

}  // namespace deployer
