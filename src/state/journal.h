#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/redactor.h"
#include "state/event.h"
#include "state/run_state.h"

namespace deployer {

class FaultPoints;
class Files;
class JournalCopy;

/// The journal of one target: durable events of all its runs in SQLite (WAL, synchronous=FULL) in the target's state
/// folder (`journal.db`), written by one process at a time (whoever holds the target's lock), read by any.
/// A ballast file of 8 MiB beside it is freed when the disk is full, so that there is room to journal a rollback.
/// All strings are masked before they are written. Errors are `io` or `no_space`; one thread at a time.
class Journal {
 public:
  /// Opens for writing; makes folder (mode 0700), file and ballast where they are missing. A folder on a network file
  /// system is refused (Error `invalid`).
  static Journal open(const std::filesystem::path& folder, Files& files, const Redactor& redactor, FaultPoints& faults);
  /// Opens for reading; nothing where there is no journal. No event and no table is made or changed; SQLite may put its
  /// `-shm` and an empty `-wal` beside the file.
  static std::optional<Journal> open_for_reading(const std::filesystem::path& folder);

  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();

  /// Writes these events in one commit, giving each the next `seq` of its run and cutting its time to whole
  /// milliseconds, as it is read back; when it returns they are on disk. On error none is. Fault points
  /// `journal.before KIND` and `journal.after KIND` of the last one stand around the commit.
  /// Where there is a copy, an `effect_intended` and a `run_succeeded` are in it, with all that came before, when this
  /// returns: a copy that cannot be written stops what would come next, as a disk that is full does. Other events ride
  /// along with the next of those. Behind `begin_rollback` the copy stops nothing, and is written as far as it can be.
  void append(std::vector<Event>& events);

  /// From now on the events go into this copy, too (journal_copy.h).
  void copy_into(std::shared_ptr<JournalCopy> copy);
  /// What comes next are a run's steps forward, or its way back (also: its end).
  void begin_forward();
  void begin_rollback();
  bool is_rolling_back() const;

  /// Takes the events of a run, with the `seq` that they have, in place of what is here of it. Not copied.
  void import(const std::string& run, const std::vector<Event>& events);

  /// The events of a run with a `seq` over `after`, in order.
  std::vector<Event> events(const std::string& run, std::int64_t after = 0) const;
  /// Of all runs what lists show, newest first, without reading their events: `id`, `pipeline`, `status`, `started_at`,
  /// `finished_at`, `finished` and `last_seq`.
  std::vector<RunState> index() const;
  /// Ids of all runs, newest first.
  std::vector<std::string> runs() const;
  /// Runs that have not finished (no run_finished, or a recovery was begun behind it), oldest first; and those whose
  /// last verdict leaves the target unsettled (`interrupted`, `rollback_failed`).
  std::vector<std::string> unfinished() const;
  std::vector<std::string> unsettled() const;

  /// Forgets the runs that ended before `time` and left nothing to do, with their logs; never the run `own`. How many.
  std::size_t forget_before(std::chrono::system_clock::time_point time, const std::string& own);

  /// Gives the ballast's room back to the file system, so that a rollback can be journalled on a full disk. False if it
  /// was free already.
  bool free_ballast();
  /// Takes the room again where there is enough; called when a run begins. False if there is not: the caller refuses
  /// to begin.
  bool take_ballast();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deployer
