#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "state/event.h"
#include "state/kept_session.h"

namespace deployer {

class Journal;

/// The journal of a target's runs, copied into its database: table `deployer_journal`, an event a row, over a session
/// of its own. So a run can be taken back whose state folder is gone, by another machine. It holds what the journal
/// holds (masked, secrets by name), of runs that are not settled; of each that is, only its end, so that a state folder
/// which slept meanwhile hears of it. Every write proves that the lock's epoch is still ours: a run that was taken over
/// writes no more (Error `left_behind`). One thread at a time. Errors are those of the session.
class JournalCopy {
 public:
  /// Makes the table where it is missing.
  JournalCopy(OpenSession open, std::int64_t epoch, const Deadline& deadline);
  ~JournalCopy();
  JournalCopy(const JournalCopy&) = delete;
  JournalCopy& operator=(const JournalCopy&) = delete;

  /// Takes events of one run, in order. Where `now`, they and all that were put off are in the database when it
  /// returns; else they are put off until the next that must be. What has their `seq` or a later one there is replaced:
  /// it was copied and then not journalled.
  void take(const std::vector<Event>& events, bool now);
  /// The same at once where that can be had, and never an Error: what could not be written is tried again with the
  /// next, after a pause.
  void take_if_possible(const std::vector<Event>& events);

  /// Ids of the runs that it holds something of, oldest first.
  std::vector<std::string> runs(const Deadline& deadline);
  std::vector<Event> events(const std::string& run, const Deadline& deadline);
  /// These events in place of what it has of their run.
  void replace(const std::string& run, const std::vector<Event>& events, const Deadline& deadline);
  /// Keeps only the last event of a run that is settled; of the oldest of them, none.
  void settle(const std::string& run, const Deadline& deadline);

  /// Whether the database holds a copy of a run that has not come to its end. Makes nothing.
  static bool has_open_runs(database::Session& session, const Deadline& deadline);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Makes journal and copy say the same before anything else happens on a target whose lock was just taken: what another
/// state folder did with a run comes into this journal (a run that it did not know, a recovery that went on, an end),
/// what only this journal has goes into the copy. Runs that are settled shrink to their end in the copy. Where the two
/// tell different things of one run, the database is right.
void agree(Journal& journal, JournalCopy& copy, const Deadline& deadline);

}  // namespace deployer
