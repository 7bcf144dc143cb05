#include "state/journal.h"

#include <Poco/Data/SQLite/SessionImpl.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "state/journal_events.h"
#include "support/folder.h"
#include "system/fault.h"
#include "system/files.h"

namespace deployer {

namespace {

using test::Folder;
using test::read_file;

}  // namespace

class JournalTest : public testing::Test {
 protected:
  Journal open() { return Journal::open(place(), files, redactor, faults); }
  std::filesystem::path place() const { return folder / "target"; }

  static std::vector<std::string> kinds(const std::vector<Event>& events) {
    std::vector<std::string> names;
    for (const Event& event : events) names.push_back(event.kind);
    return names;
  }

  Folder folder;
  Files files;
  Redactor redactor;
  FaultPoints faults;
};

namespace {

using Names = std::vector<std::string>;

}  // namespace

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  Journal journal = open();
  std::vector<Event> events = {event_of("r1", "run_started", "", {{"pipeline", "production"}}),
                               event_of("r1", "step_started", "build", {{"uses", "run"}, {"name", "B\u00fccher"}}, 2)};
  journal.append(events);
  EXPECT_EQ(events[0].seq, 1);
  EXPECT_EQ(events[1].seq, 2);
  const std::vector<Event> found = journal.events("r1");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].run, "r1");
  EXPECT_EQ(found[1].seq, 2);
  EXPECT_EQ(found[1].kind, "step_started");
  EXPECT_EQ(found[1].step, "build");
  EXPECT_EQ(found[1].attempt, 2);
  EXPECT_EQ(found[1].data, events[1].data);
  EXPECT_EQ(found[1].time, events[1].time);
}

TEST_F(JournalTest, NumbersEachRunFromOne) {
  Journal journal = open();
  std::vector<Event> events = {event_of("r1", "run_started"), event_of("r2", "run_started"),
                               event_of("r1", "run_succeeded")};
  journal.append(events);
  EXPECT_EQ(events[1].seq, 1);
  EXPECT_EQ(events[2].seq, 2);
  std::vector<Event> more = {event_of("r2", "run_succeeded")};
  journal.append(more);
  EXPECT_EQ(more[0].seq, 2);
  EXPECT_EQ(kinds(journal.events("r1", 1)), Names{"run_succeeded"});
  EXPECT_TRUE(journal.events("r1", 2).empty());
  EXPECT_TRUE(journal.events("nobody").empty());
}

TEST_F(JournalTest, KeepsWhatItHoldsOverAReopening) {
  std::vector<Event> events = {event_of("r1", "run_started")};
  open().append(events);
  Journal again = open();
  EXPECT_EQ(kinds(again.events("r1")), Names{"run_started"});
  std::vector<Event> more = {event_of("r1", "run_succeeded")};
  again.append(more);
  EXPECT_EQ(more[0].seq, 2);
}

TEST_F(JournalTest, ListsRunsNewestFirstAndThoseThatDidNotFinishOldestFirst) {
  Journal journal = open();
  for (const char* run : {"r1", "r2", "r3", "r4"}) {
    std::vector<Event> events = {event_of(run, "run_started", "", {{"pipeline", std::string("of ") + run}})};
    journal.append(events);
  }
  std::vector<Event> events = {event_of("r2", "run_finished", "", {{"status", "succeeded"}, {"exit_status", 0}}),
                               event_of("r3", "run_finished", "", {{"status", "interrupted"}, {"exit_status", 3}})};
  journal.append(events);
  EXPECT_EQ(journal.runs(), (Names{"r4", "r3", "r2", "r1"}));
  EXPECT_EQ(journal.unfinished(), (Names{"r1", "r4"}));
  EXPECT_EQ(journal.unsettled(), Names{"r3"});
  const std::vector<RunState> index = journal.index();
  ASSERT_EQ(index.size(), 4u);
  EXPECT_EQ(index[2].pipeline, "of r2");
  EXPECT_EQ(index[2].status, RunStatus::succeeded);
  EXPECT_EQ(index[2].finished_at, events[0].time);
  EXPECT_EQ(index[0].status, RunStatus::running);
  EXPECT_FALSE(index[0].finished_at);
}

TEST_F(JournalTest, TakesARunUpAgainWhenItsRecoveryBegins) {
  Journal journal = open();
  std::vector<Event> events = {event_of("r1", "run_started"),
                               event_of("r1", "run_finished", "", {{"status", "rollback_failed"}}),
                               event_of("r1", "recovery_started")};
  journal.append(events);
  EXPECT_EQ(journal.unfinished(), Names{"r1"});
  EXPECT_TRUE(journal.unsettled().empty());
  std::vector<Event> end = {event_of("r1", "run_finished", "", {{"status", "rolled_back"}})};
  journal.append(end);
  EXPECT_TRUE(journal.unfinished().empty());
  EXPECT_TRUE(journal.unsettled().empty());
}

TEST_F(JournalTest, IsReadWhileAnotherConnectionWrites) {
  Journal journal = open();
  std::vector<Event> first = {event_of("r1", "run_started")};
  journal.append(first);
  const std::optional<Journal> reader = Journal::open_for_reading(place());
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->events("r1").size(), 1u);
  std::vector<Event> second = {event_of("r1", "run_succeeded")};
  journal.append(second);
  EXPECT_EQ(kinds(reader->events("r1", 1)), Names{"run_succeeded"});
}

TEST_F(JournalTest, MakesNothingWhereThereIsNoJournalToRead) {
  EXPECT_FALSE(Journal::open_for_reading(place()));
  EXPECT_FALSE(std::filesystem::exists(place()));
}

TEST_F(JournalTest, RefusesToAppendToOneThatWasOpenedForReading) {
  std::vector<Event> events = {event_of("r1", "run_started")};
  open().append(events);
  std::optional<Journal> reader = Journal::open_for_reading(place());
  ASSERT_TRUE(reader);
  EXPECT_THROW(reader->append(events), Error);
  EXPECT_FALSE(reader->free_ballast());
  EXPECT_FALSE(reader->take_ballast());
}

TEST_F(JournalTest, KeepsItsFolderToItself) {
  open();
  EXPECT_EQ(files.info(place())->mode, 0700u);
}

TEST_F(JournalTest, TakesFreesAndTakesItsBallast) {
  Journal journal = open();
  const std::filesystem::path ballast = place() / "ballast";
  EXPECT_EQ(files.info(ballast)->bytes, 8u << 20);
  EXPECT_TRUE(journal.take_ballast());
  EXPECT_TRUE(journal.free_ballast());
  EXPECT_FALSE(files.exists(ballast));
  EXPECT_FALSE(journal.free_ballast());
  EXPECT_TRUE(journal.take_ballast());
  EXPECT_EQ(files.info(ballast)->bytes, 8u << 20);
}

TEST_F(JournalTest, WritesNoSecretIntoAnyOfItsFiles) {
  redactor.add("PASSWORD", "correct-horse-battery");
  Journal journal = open();
  std::vector<Event> events = {
      event_of("r1", "run_started", "", {{"sources", {{{"text", "url: mysql://u:correct-horse-battery@h/d"}}}}}),
      event_of("r1", "step_finished", "correct-horse-battery",
               {{"error", "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}, {"correct-horse-battery", 1}})};
  journal.append(events);
  for (const char* name : {"journal.db", "journal.db-wal", "journal.db-shm"}) {
    const std::string bytes = read_file(place() / name);
    EXPECT_EQ(bytes.find("correct-horse"), std::string::npos) << name;
    EXPECT_EQ(bytes.find("Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"), std::string::npos) << name;
  }
  EXPECT_EQ(journal.events("r1")[0].data["sources"][0]["text"], "url: mysql://u:***@h/d");
}

TEST_F(JournalTest, HoldsAllThatAppendReturnedForAfterAKill) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    Journal journal = open();
    for (int i = 0;; ++i) {
      std::vector<Event> events = {event_of("r1", "fact", "", {{"name", "n"}, {"value", i}})};
      journal.append(events);
      if (write(pipe_ends[1], "x", 1) != 1) _exit(1);
    }
  }
  close(pipe_ends[1]);
  std::int64_t told = 0;
  char byte = 0;
  while (told < 20 && read(pipe_ends[0], &byte, 1) == 1) ++told;
  kill(child, SIGKILL);
  while (read(pipe_ends[0], &byte, 1) == 1) ++told;
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  Journal journal = open();
  const std::vector<Event> found = journal.events("r1");
  ASSERT_GE(static_cast<std::int64_t>(found.size()), told);
  ASSERT_LE(static_cast<std::int64_t>(found.size()), told + 1);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].data["value"], i);
}

TEST_F(JournalTest, PassesAFaultPointOnEachSideOfTheCommit) {
  const std::filesystem::path trace = folder / "trace";
  setenv("DEPLOYER_FAULT_TRACE", trace.c_str(), 1);
  FaultPoints traced = FaultPoints::from_environment();
  unsetenv("DEPLOYER_FAULT_TRACE");
  Journal journal = Journal::open(place(), files, redactor, traced);
  std::vector<Event> events = {event_of("r1", "run_started"), event_of("r1", "step_started", "a")};
  journal.append(events);
  EXPECT_EQ(read_file(trace), "journal.before step_started\njournal.after step_started\n");
}

TEST_F(JournalTest, IsUnchangedByACommitThatDiedBeforeItsEnd) {
  std::vector<Event> first = {event_of("r1", "run_started")};
  open().append(first);
  const pid_t child = fork();
  if (child == 0) {
    setenv("DEPLOYER_FAULT_KILL", "1", 1);
    FaultPoints deadly = FaultPoints::from_environment();
    Journal journal = Journal::open(place(), files, redactor, deadly);
    std::vector<Event> events = {event_of("r1", "run_succeeded")};
    journal.append(events);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  Journal journal = open();
  EXPECT_EQ(kinds(journal.events("r1")), Names{"run_started"});
  std::vector<Event> next = {event_of("r1", "rollback_started")};
  journal.append(next);
  EXPECT_EQ(next[0].seq, 2);
}

TEST_F(JournalTest, OpensAFolderWhoseNameAnUriWouldTakeApart) {
  const std::filesystem::path odd = folder / "50% off? #1 & more";
  Journal journal = Journal::open(odd, files, redactor, faults);
  std::vector<Event> events = {event_of("r1", "run_started")};
  journal.append(events);
  EXPECT_TRUE(files.exists(odd / "journal.db"));
  EXPECT_EQ(Journal::open_for_reading(odd)->events("r1").size(), 1u);
}

TEST_F(JournalTest, ForgetsOldRunsThatLeftNothingToDoWithTheirLogs) {
  Journal journal = open();
  const auto noon = event_of("", "").time;
  const auto ended = [&](const std::string& run, int minutes, const std::string& status) {
    std::vector<Event> events = {event_of(run, "run_started"), event_of(run, "run_finished", "", {{"status", status}})};
    for (Event& event : events) event.time = noon + std::chrono::minutes(minutes);
    journal.append(events);
    folder.write("target/runs/" + run + "/build.log", "x");
  };
  ended("old", 0, "succeeded");
  ended("back", 1, "rolled_back");
  ended("left", 2, "rollback_failed");
  ended("own", 3, "succeeded");
  ended("young", 60, "succeeded");
  std::vector<Event> open_run = {event_of("open", "run_started")};
  journal.append(open_run);
  EXPECT_EQ(journal.forget_before(noon + std::chrono::minutes(60), "own"), 2u);
  EXPECT_EQ(journal.runs(), (Names{"open", "young", "own", "left"}));
  EXPECT_TRUE(journal.events("old").empty());
  EXPECT_EQ(files.list(place() / "runs"), (Names{"left", "own", "young"}));
}

TEST_F(JournalTest, RefusesTheJournalOfANewerVersion) {
  open();
  {
    using Poco::Data::Keywords::now;
    Poco::Data::Session session(Poco::AutoPtr<Poco::Data::SessionImpl>(
        new Poco::Data::SQLite::SessionImpl((place() / "journal.db").string(), 0)));
    session << "UPDATE journal_version SET version = 2", now;
  }
  const auto refused = [&](const std::function<void()>& act) {
    try {
      act();
      ADD_FAILURE() << "it was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind, ErrorKind::invalid);
      EXPECT_EQ(error.message, "the journal " + (place() / "journal.db").string() +
                                   " has version 2, and this deployer knows version 1");
      EXPECT_EQ(error.hint, "use the deployer that wrote it, or a newer one");
    }
  };
  refused([&] { open(); });
  refused([&] { Journal::open_for_reading(place()); });
}

TEST_F(JournalTest, TakesUpOneWhoseMakerDiedBeforeItsTablesWereThere) {
  folder.write("target/journal.db", "");
  EXPECT_FALSE(Journal::open_for_reading(place()));
  Journal journal = open();
  EXPECT_TRUE(journal.runs().empty());
  EXPECT_TRUE(Journal::open_for_reading(place()));
}

TEST_F(JournalTest, IsReadAfterItsWriterHasGoneAndWhileAnotherProcessWrites) {
  std::vector<Event> first = {event_of("r1", "run_started")};
  open().append(first);
  EXPECT_EQ(Journal::open_for_reading(place())->events("r1").size(), 1u);
  int go[2], done[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    Journal journal = open();
    char byte = 0;
    while (read(go[0], &byte, 1) == 1 && byte == 'g') {
      std::vector<Event> events = {event_of("r1", "fact", "", {{"name", "n"}})};
      journal.append(events);
      if (write(done[1], "d", 1) != 1) _exit(1);
    }
    _exit(0);
  }
  const std::optional<Journal> reader = Journal::open_for_reading(place());
  for (std::size_t i = 0; i < 5; ++i) {
    char byte = 0;
    EXPECT_EQ(write(go[1], "g", 1), 1);
    EXPECT_EQ(read(done[0], &byte, 1), 1);
    EXPECT_EQ(reader->events("r1").size(), 2 + i);
  }
  EXPECT_EQ(write(go[1], "x", 1), 1);
  waitpid(child, nullptr, 0);
  for (const int fd : {go[0], go[1], done[0], done[1]}) close(fd);
}

TEST_F(JournalTest, SaysWhatItCannotOpen) {
  folder.write("target/journal.db", "this is no database, however long it is read, and longer than a header is");
  try {
    open();
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::io);
    EXPECT_EQ(error.message.find("cannot open the journal " + (place() / "journal.db").string() + ": "), 0u)
        << error.message;
  }
}

}  // namespace deployer
