#include "state/journal.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "state/journal_copy.h"
#include "state/journal_database.h"
#include "system/fault.h"
#include "system/files.h"

namespace deployer {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t ballast_bytes = std::uint64_t{8} << 20;
constexpr const char* journal_name = "journal.db";
constexpr const char* ballast_name = "ballast";

/// What another machine must know before it happens: what may have to be taken back, and that no way leads back.
bool must_be_copied(const Event& event) { return event.kind == "effect_intended" || event.kind == "run_succeeded"; }

/// SQLite says only "disk I/O error" where a quota or the room for its index is used up. A small file beside it, tried
/// then, tells.
bool journal_lacks_room(const fs::path& folder, Files& files) {
  const fs::path probe = folder / "journal.probe";
  try {
    files.reserve(probe, std::uint64_t{64} << 10);
    files.remove(probe);
    return false;
  } catch (const Error& error) {
    return error.kind == ErrorKind::no_space;
  }
}

}  // namespace

struct Journal::State {
  fs::path folder;
  JournalDatabase database;
  // Null in one that was opened for reading.
  Files* files = nullptr;
  const Redactor* redactor = nullptr;
  FaultPoints* faults = nullptr;
  std::shared_ptr<JournalCopy> copy = nullptr;
  bool rolling_back = false;

  Event masked(const Event& event) const {
    Event clean = event;
    clean.step = redactor->clean(event.step);
    clean.data = redactor->clean(event.data);
    return clean;
  }

  std::vector<std::int64_t> write(const std::vector<Event>& events) {
    std::vector<std::int64_t> given;
    std::map<std::string, std::int64_t> last;
    std::map<std::string, std::vector<Event>> written;
    JournalDatabase::Transaction transaction(database);
    for (const Event& event : events) {
      const auto known = last.find(event.run);
      const std::int64_t seq = (known == last.end() ? database.last_seq(event.run) : known->second) + 1;
      last[event.run] = seq;
      Event clean = masked(event);
      clean.seq = seq;
      database.insert(clean);
      given.push_back(seq);
      if (copy) written[event.run].push_back(std::move(clean));
    }
    faults->pass("journal.before " + events.back().kind);
    if (copy) copy_events(written, events.back().kind);
    transaction.commit();
    faults->pass("journal.after " + events.back().kind);
    return given;
  }

  /// Before they are committed here: what cannot be copied has not been written at all, and what was copied and then
  /// not committed is replaced by whatever gets its numbers.
  void copy_events(const std::map<std::string, std::vector<Event>>& written, const std::string& last_kind) {
    for (const auto& [run, events] : written) {
      if (rolling_back) {
        copy->take_if_possible(events);
      } else {
        copy->take(events, std::any_of(events.begin(), events.end(), must_be_copied));
      }
    }
    faults->pass("journal.copied " + last_kind);
  }

  void must_be_writable() const {
    if (files == nullptr) throw Error(ErrorKind::internal, "the journal was opened for reading only");
  }
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;
Journal::~Journal() = default;

Journal Journal::open(const fs::path& folder, Files& files, const Redactor& redactor, FaultPoints& faults) {
  if (const std::optional<std::string> network = network_file_system(folder)) {
    throw Error(ErrorKind::invalid,
                "the state folder " + folder.string() + " is on a network file system (" + *network + ")",
                "set `state` to a folder on a local disk; locks and the journal cannot be relied on there");
  }
  files.make_folder(folder, 0700);
  const bool is_new = !files.exists(folder / journal_name);
  try {
    Journal journal(std::make_unique<State>(
        State{folder, JournalDatabase::open(folder / journal_name), &files, &redactor, &faults}));
    if (is_new) files.sync_folder(folder);
    // On a full disk it is opened all the same: a rollback may have to go on.
    journal.take_ballast();
    return journal;
  } catch (const Error& error) {
    if (error.kind != ErrorKind::io || !journal_lacks_room(folder, files)) throw;
    throw Error(ErrorKind::no_space, error.message, error.hint);
  }
}

std::optional<Journal> Journal::open_for_reading(const fs::path& folder) {
  std::unique_ptr<JournalDatabase> database = JournalDatabase::open_for_reading(folder / journal_name);
  if (database == nullptr) return std::nullopt;
  return Journal(std::make_unique<State>(State{folder, std::move(*database)}));
}

void Journal::append(std::vector<Event>& events) {
  if (events.empty()) return;
  state_->must_be_writable();
  std::vector<std::int64_t> given;
  try {
    given = state_->write(events);
  } catch (const Error& error) {
    if (error.kind != ErrorKind::io || !journal_lacks_room(state_->folder, *state_->files)) throw;
    throw Error(ErrorKind::no_space, error.message, error.hint);
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].seq = given[i];
    events[i].time = std::chrono::floor<std::chrono::milliseconds>(events[i].time);
  }
}

void Journal::copy_into(std::shared_ptr<JournalCopy> copy) { state_->copy = std::move(copy); }
void Journal::begin_forward() { state_->rolling_back = false; }
void Journal::begin_rollback() { state_->rolling_back = true; }
bool Journal::is_rolling_back() const { return state_->rolling_back; }

void Journal::import(const std::string& run, const std::vector<Event>& events) {
  state_->must_be_writable();
  JournalDatabase::Transaction transaction(state_->database);
  state_->database.forget(run);
  for (const Event& event : events) state_->database.insert(event);
  transaction.commit();
}

std::vector<Event> Journal::events(const std::string& run, std::int64_t after) const {
  return state_->database.events(run, after);
}

std::vector<RunState> Journal::index() const {
  std::vector<RunState> runs = state_->database.index();
  std::reverse(runs.begin(), runs.end());
  return runs;
}

std::vector<std::string> Journal::runs() const {
  std::vector<std::string> ids;
  for (const RunState& run : index()) ids.push_back(run.id);
  return ids;
}

std::vector<std::string> Journal::unfinished() const {
  std::vector<std::string> ids;
  for (const RunState& run : state_->database.index()) {
    if (!run.finished) ids.push_back(run.id);
  }
  return ids;
}

std::vector<std::string> Journal::unsettled() const {
  std::vector<std::string> ids;
  for (const RunState& run : state_->database.index()) {
    const bool left = run.status == RunStatus::interrupted || run.status == RunStatus::rollback_failed;
    if (run.finished && left) ids.push_back(run.id);
  }
  return ids;
}

std::size_t Journal::forget_before(std::chrono::system_clock::time_point time, const std::string& own) {
  state_->must_be_writable();
  std::size_t forgotten = 0;
  for (const RunState& run : index()) {
    const bool settled =
        run.finished && run.status != RunStatus::interrupted && run.status != RunStatus::rollback_failed;
    if (!settled || run.id == own || !run.finished_at || *run.finished_at >= time) continue;
    // The logs first: while the journal names the run, one who dies here is followed by one who tries again.
    state_->files->remove_folder(state_->folder / "runs" / run.id);
    JournalDatabase::Transaction transaction(state_->database);
    state_->database.forget(run.id);
    transaction.commit();
    ++forgotten;
  }
  return forgotten;
}

bool Journal::free_ballast() {
  if (state_->files == nullptr) return false;
  const fs::path ballast = state_->folder / ballast_name;
  if (!state_->files->exists(ballast)) return false;
  state_->files->remove(ballast);
  return true;
}

bool Journal::take_ballast() {
  if (state_->files == nullptr) return false;
  const fs::path ballast = state_->folder / ballast_name;
  const std::optional<FileInfo> info = state_->files->info(ballast);
  if (info && info->bytes >= ballast_bytes) return true;
  try {
    state_->files->reserve(ballast, ballast_bytes);
    return true;
  } catch (const Error& error) {
    if (error.kind != ErrorKind::no_space) throw;
    return false;
  }
}

}  // namespace deployer
