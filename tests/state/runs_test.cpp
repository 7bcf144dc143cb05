#include "state/runs.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"
#include "state/child_process.h"
#include "state/journal.h"
#include "state/journal_events.h"
#include "support/folder.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

using test::Folder;

}  // namespace

class RunsTest : public testing::Test {
 protected:
  Target target(const std::string& name) const { return target_of(folder / "state", "", "", name, ""); }
  std::filesystem::path root() const { return folder / "state"; }

  std::optional<TargetLock> take(const std::string& name, const std::string& run) {
    return TargetLock::take(target(name), {run, "web1", record_of_self().json(), "now"}, files,
                            Deadline::after(Duration(0)));
  }

  /// A run whose runner is this process, begun `second` seconds after noon.
  void begin(const std::string& name, const std::string& run, int second) {
    const std::optional<TargetLock> lock = take(name, run);
    ASSERT_TRUE(lock);
    append(name, run, second, "run_started", {{"pipeline", name}, {"record", record_of_self().json()}});
  }
  void append(const std::string& name, const std::string& run, int second, const std::string& kind, Json data) {
    Journal journal = Journal::open(target(name).folder, files, redactor, faults);
    std::vector<Event> events = {event_of(run, kind, "", std::move(data))};
    events[0].time += std::chrono::seconds(second);
    journal.append(events);
  }
  void finish(const std::string& name, const std::string& run, int second) {
    append(name, run, second, "run_finished", {{"status", "succeeded"}, {"exit_status", 0}});
  }

  std::string message_of(const std::string& word) {
    try {
      find_run(root(), word, files);
      return "found";
    } catch (const Error& error) {
      return error.text();
    }
  }

  Folder folder;
  Files files;
  Redactor redactor;
  FaultPoints faults;
};

TEST_F(RunsTest, AreNoneInAStateFolderThatIsNotThere) {
  EXPECT_TRUE(list_runs_of(root(), files).empty());
  EXPECT_EQ(message_of("last"), "error: there are no runs yet in " + root().string());
  EXPECT_FALSE(files.exists(root()));
}

TEST_F(RunsTest, AreListedNewestFirstOverAllTargets) {
  begin("a", "20261124T120001000-aaaaaa", 1);
  begin("b", "20261124T120002000-bbbbbb", 2);
  begin("a", "20261124T120003000-cccccc", 3);
  for (const char* run : {"20261124T120001000-aaaaaa", "20261124T120003000-cccccc"}) finish("a", run, 9);
  finish("b", "20261124T120002000-bbbbbb", 9);
  const std::vector<FoundRun> runs = list_runs_of(root(), files);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].state.id, "20261124T120003000-cccccc");
  EXPECT_EQ(runs[1].state.id, "20261124T120002000-bbbbbb");
  EXPECT_EQ(runs[1].state.pipeline, "b");
  EXPECT_EQ(runs[1].target.name, "b");
  EXPECT_EQ(runs[2].state.status, RunStatus::succeeded);
  EXPECT_TRUE(runs[2].state.finished_at);
}

TEST_F(RunsTest, AreFoundByIdByBeginningAndAsTheLast) {
  begin("a", "20261124T120001000-aaaaaa", 1);
  begin("b", "20261125T120002000-bbbbbb", 2);
  EXPECT_EQ(find_run(root(), "20261124T120001000-aaaaaa", files).target.folder, target("a").folder);
  EXPECT_EQ(find_run(root(), "20261125", files).state.id, "20261125T120002000-bbbbbb");
  EXPECT_EQ(find_run(root(), "last", files).state.id, "20261125T120002000-bbbbbb");
  EXPECT_EQ(message_of("2026"),
            "error: 2 runs begin with '2026'\n"
            "hint: it could be 20261125T120002000-bbbbbb, 20261124T120001000-aaaaaa");
  EXPECT_EQ(message_of("x"), "error: there is no run 'x'\nhint: deployer runs list shows all of them");
  EXPECT_EQ(message_of(""), "error: there is no run ''\nhint: deployer runs list shows all of them");
}

TEST_F(RunsTest, AreRunningWhileTheirRunnerHoldsTheLock) {
  const std::optional<TargetLock> lock = take("a", "r1");
  append("a", "r1", 1, "run_started", {{"pipeline", "a"}, {"record", record_of_self().json()}});
  EXPECT_EQ(list_runs_of(root(), files).at(0).state.status, RunStatus::running);
  EXPECT_EQ(find_run(root(), "r1", files).state.status, RunStatus::running);
}

TEST_F(RunsTest, AreInterruptedWhenTheirRunnerHasDied) {
  const int status = in_a_process_of_its_own([&] {
    const std::optional<TargetLock> lock = take("a", "r1");
    append("a", "r1", 1, "run_started", {{"pipeline", "a"}, {"record", record_of_self().json()}});
    raise(SIGKILL);
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(list_runs_of(root(), files).at(0).state.status, RunStatus::interrupted);
  EXPECT_EQ(find_run(root(), "last", files).state.status, RunStatus::interrupted);
}

TEST_F(RunsTest, AreInterruptedUntilTheirRecoveryBeginsAndRunningThen) {
  in_a_process_of_its_own([&] {
    append("a", "r1", 1, "run_started", {{"pipeline", "a"}, {"record", record_of_self().json()}});
    raise(SIGKILL);
  });
  const std::optional<TargetLock> lock = take("a", "");
  ASSERT_TRUE(lock);
  EXPECT_EQ(find_run(root(), "r1", files).state.status, RunStatus::interrupted);
  append("a", "r1", 2, "recovery_started", {{"record", record_of_self().json()}});
  EXPECT_EQ(find_run(root(), "r1", files).state.status, RunStatus::running);
}

}  // namespace deployer
