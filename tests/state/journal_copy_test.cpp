#include "state/journal_copy.h"

#include <cstdlib>

#include "base/redactor.h"
#include "base/text.h"
#include "state/child_process.h"
#include "state/journal.h"
#include "state/journal_events.h"
#include "state/target_server.h"
#include "support/folder.h"
#include "system/fault.h"
#include "system/files.h"

namespace deployer {

namespace {

const std::string copied_run = "20261124T120000000-aaaaaa";

std::vector<std::string> kinds_of(const std::vector<Event>& events) {
  std::vector<std::string> kinds;
  for (const Event& event : events) kinds.push_back(event.kind);
  return kinds;
}

}  // namespace

class JournalCopyTest : public TargetServer {
 protected:
  JournalCopyTest() { lock = take(copied_run); }

  std::shared_ptr<JournalCopy> copy() const {
    return std::make_shared<JournalCopy>(opener(), lock->epoch(), Deadline::never());
  }
  Journal open(const std::string& name) { return Journal::open(folder / name, files, redactor, faults); }
  /// A journal with a copy that holds nothing yet.
  Journal copied_journal() {
    Journal journal = open("state");
    journal.copy_into(copy());
    return journal;
  }
  static void append(Journal& journal, const std::vector<std::string>& kinds, const Json& data = Json::object()) {
    for (const std::string& kind : kinds) {
      std::vector<Event> one = {event_of(copied_run, kind, "step", data)};
      journal.append(one);
    }
  }
  static void append_end(Journal& journal, const std::string& status) {
    append(journal, {"run_finished"}, {{"status", status}, {"exit_status", 1}});
  }
  std::vector<std::string> copied() const { return kinds_of(copy()->events(copied_run, Deadline::never())); }

  test::Folder folder;
  Files files;
  Redactor redactor;
  FaultPoints faults;
  std::unique_ptr<ServerLock> lock;
};

using Kinds = std::vector<std::string>;

TEST_F(JournalCopyTest, HoldsAnEffectAndAllBeforeItWhenItIsIntended) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "step_started"});
  EXPECT_EQ(copied(), Kinds{});
  append(journal, {"effect_intended"}, {{"name", "write"}, {"undo", {{"text", "ä'\"\\\n"}}}});
  EXPECT_EQ(copied(), (Kinds{"run_started", "step_started", "effect_intended"}));
  const std::vector<Event> there = copy()->events(copied_run, Deadline::never());
  const std::vector<Event> here = journal.events(copied_run);
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_EQ(dump(to_json(there.at(i))), dump(to_json(here[i])));
  append(journal, {"effect_done", "run_succeeded"});
  EXPECT_EQ(copied().back(), "run_succeeded");
}

TEST_F(JournalCopyTest, HoldsNoSecret) {
  redactor.add("PASSWORD", "geheim99");
  Journal journal = copied_journal();
  append(journal, {"effect_intended"}, {{"name", "say geheim99"}});
  EXPECT_EQ(sql("SELECT COUNT(*) FROM deployer_journal WHERE event LIKE '%geheim99%'"), "0");
  EXPECT_EQ(sql("SELECT COUNT(*) FROM deployer_journal WHERE event LIKE '%say ***%'"), "1");
}

TEST_F(JournalCopyTest, StopsWhatCannotBeCopiedAndLeavesNothingOfItInTheJournal) {
  Journal journal = copied_journal();
  append(journal, {"run_started"});
  sql("DROP TABLE deployer_journal");
  const Error failed = error_of([&] { append(journal, {"effect_intended"}); });
  EXPECT_EQ(failed.message, "the journal cannot be copied into the database");
  EXPECT_EQ(kinds_of(journal.events(copied_run)), Kinds{"run_started"});
  copy();  // makes the table anew
  append(journal, {"effect_intended"});
  EXPECT_EQ(copied(), (Kinds{"run_started", "effect_intended"}));
}

TEST_F(JournalCopyTest, StopsNothingOnTheWayBackAndCatchesUp) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended"});
  journal.begin_rollback();
  sql("RENAME TABLE deployer_journal TO aside");
  append(journal, {"rollback_started", "undo_started"});
  EXPECT_EQ(kinds_of(journal.events(copied_run)).back(), "undo_started");
  sql("RENAME TABLE aside TO deployer_journal");
  append_end(journal, "rolled_back");  // an end does not wait for the pause to be over
  EXPECT_EQ(copied(), (Kinds{"run_started", "effect_intended", "rollback_started", "undo_started", "run_finished"}));
}

TEST_F(JournalCopyTest, WritesNothingForARunThatWasTakenOver) {
  Journal journal = copied_journal();
  append(journal, {"run_started"});
  sql("UPDATE deployer_lock SET epoch = epoch + 1");
  EXPECT_EQ(error_of([&] { append(journal, {"effect_intended"}); }).kind, ErrorKind::left_behind);
  EXPECT_EQ(sql("SELECT COUNT(*) FROM deployer_journal"), "0");
}

TEST_F(JournalCopyTest, GoesOnOverAnotherConnectionWhereTheServerHasEndedIts) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended"});
  sql("SET SESSION group_concat_max_len = 65535; SELECT GROUP_CONCAT(id) INTO @all FROM information_schema.processlist "
      "WHERE db = DATABASE() AND id <> CONNECTION_ID() AND id <> (SELECT IS_USED_LOCK(target) FROM deployer_lock); "
      "EXECUTE IMMEDIATE CONCAT('KILL ', @all)");
  append(journal, {"effect_intended"});
  EXPECT_EQ(copied().size(), 3u);
}

TEST_F(JournalCopyTest, ReplacesWhatWasCopiedAndThenNotJournalled) {
  setenv("DEPLOYER_FAULT_KILL", "8", 1);  // before, copied, after run_started and step_started; before, copied
  const int status = in_a_process_of_its_own([&] {
    FaultPoints deadly = FaultPoints::from_environment();
    Journal journal = Journal::open(folder / "state", files, redactor, deadly);
    journal.copy_into(copy());
    append(journal, {"run_started", "step_started", "effect_intended"});
  });
  unsetenv("DEPLOYER_FAULT_KILL");
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(copied().back(), "effect_intended");
  Journal journal = copied_journal();
  EXPECT_EQ(kinds_of(journal.events(copied_run)), (Kinds{"run_started", "step_started"}));
  append(journal, {"recovery_started", "effect_intended"});
  EXPECT_EQ(copied(), (Kinds{"run_started", "step_started", "recovery_started", "effect_intended"}));
}

TEST_F(JournalCopyTest, BringsARunOfAnotherStateFolderIntoTheJournal) {
  {
    Journal journal = copied_journal();
    append(journal, {"run_started", "step_started", "effect_intended"});
  }
  Journal other = open("other");
  JournalCopy from(opener(), lock->epoch(), Deadline::never());
  agree(other, from, Deadline::never());
  EXPECT_EQ(kinds_of(other.events(copied_run)), (Kinds{"run_started", "step_started", "effect_intended"}));
  EXPECT_EQ(other.unfinished(), std::vector<std::string>{copied_run});
}

TEST_F(JournalCopyTest, KeepsTheJournalWhereTheCopyIsOnlyBehindAndBringsItUpToDate) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended", "effect_done"});
  JournalCopy again(opener(), lock->epoch(), Deadline::never());
  agree(journal, again, Deadline::never());
  EXPECT_EQ(journal.events(copied_run).size(), 3u);
  EXPECT_EQ(copied(), (Kinds{"run_started", "effect_intended", "effect_done"}));
}

TEST_F(JournalCopyTest, TakesOverWhatAnotherStateFolderDidWithARun) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended", "effect_done"});  // the last is not in the copy yet
  {
    Journal other = open("other");
    const auto shared = copy();
    agree(other, *shared, Deadline::never());
    other.copy_into(shared);
    other.begin_rollback();
    append(other, {"recovery_started", "undo_started"});
    append_end(other, "rollback_failed");
  }
  JournalCopy again(opener(), lock->epoch(), Deadline::never());
  agree(journal, again, Deadline::never());
  EXPECT_EQ(kinds_of(journal.events(copied_run)),
            (Kinds{"run_started", "effect_intended", "recovery_started", "undo_started", "run_finished"}));
  EXPECT_EQ(journal.unsettled(), std::vector<std::string>{copied_run});
}

TEST_F(JournalCopyTest, KeepsOfARunThatIsSettledItsEndAndTellsASleepingStateFolder) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended"});
  {
    Journal other = open("other");
    const auto shared = copy();
    agree(other, *shared, Deadline::never());
    other.copy_into(shared);
    other.begin_rollback();
    append(other, {"recovery_started"});
    append_end(other, "rolled_back");
    agree(other, *shared, Deadline::never());
  }
  EXPECT_EQ(copied(), Kinds{"run_finished"});
  JournalCopy again(opener(), lock->epoch(), Deadline::never());
  agree(journal, again, Deadline::never());
  EXPECT_TRUE(journal.unfinished().empty());
  EXPECT_EQ(fold(journal.events(copied_run)).status, RunStatus::rolled_back);
}

TEST_F(JournalCopyTest, PutsWhatDiedWithoutACopyIntoIt) {
  Journal journal = open("state");
  append(journal, {"run_started", "effect_intended"});
  JournalCopy fresh(opener(), lock->epoch(), Deadline::never());
  agree(journal, fresh, Deadline::never());
  EXPECT_EQ(copied(), (Kinds{"run_started", "effect_intended"}));
}

TEST_F(JournalCopyTest, KnowsWhetherARunInItIsOpen) {
  const auto session = opener()(Deadline::never());
  EXPECT_FALSE(JournalCopy::has_open_runs(*session, Deadline::never()));
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended"});
  EXPECT_TRUE(JournalCopy::has_open_runs(*session, Deadline::never()));
  journal.begin_rollback();
  append_end(journal, "interrupted");
  EXPECT_TRUE(JournalCopy::has_open_runs(*session, Deadline::never()));
  append(journal, {"recovery_started"});
  append_end(journal, "rolled_back");
  EXPECT_FALSE(JournalCopy::has_open_runs(*session, Deadline::never()));
}

TEST_F(JournalCopyTest, RefusesAnEventThatSomebodyChanged) {
  Journal journal = copied_journal();
  append(journal, {"run_started", "effect_intended"});
  sql("UPDATE deployer_journal SET event = '{}' WHERE seq = 2");
  const Error wrong = error_of([&] { copy()->events(copied_run, Deadline::never()); });
  EXPECT_EQ(wrong.kind, ErrorKind::left_behind);
  EXPECT_EQ(wrong.message, "event 2 of run " + copied_run + " in the table deployer_journal is not one");
}

}  // namespace deployer
