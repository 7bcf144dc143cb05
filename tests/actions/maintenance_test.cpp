#include <gtest/gtest.h>

#include <filesystem>

#include "actions/harness.h"
#include "base/text.h"

namespace deployer::test {
namespace {

std::string content_of(const RunHarness& harness, const std::string& name) {
  const std::filesystem::path file = harness.project() / name;
  return std::filesystem::exists(file) ? read_file(file) : "(not there)";
}

bool is_there(const RunHarness& harness, const std::string& name) {
  return std::filesystem::exists(harness.project() / name);
}

std::vector<std::string> names_in(const RunHarness& harness) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(harness.project())) {
    names.push_back(entry.path().filename());
  }
  return names;
}

Step& add_undone(RunHarness& harness, const std::string& rollback, const std::string& id) {
  Step& step = harness.add_command("true", id);
  step.rollback.emplace();
  step.rollback->command.shell_text = rollback;
  return step;
}

bool warns_of(const RunHarness& harness, const std::string& text) {
  for (const std::string& line : harness.output()) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST(Maintenance, TakesExactlyOneWay) {
  RunHarness harness;
  harness.add("maintenance", "{}");
  EXPECT_EQ(harness.check(), "error: step 'maintenance': maintenance takes exactly one of file, command and database");
  harness.clear();
  harness.add("maintenance", "{file: a, command: 'true'}");
  EXPECT_EQ(harness.check(), "error: step 'maintenance': maintenance takes exactly one of file, command and database");
  EXPECT_EQ(RunHarness::complaints("maintenance", "{database: readonly}").size(), 1U);
}

TEST(MaintenanceByFile, HoldsUntilTheRunHasSucceeded) {
  RunHarness harness;
  harness.add("maintenance", "{file: flag}");
  harness.add_command("cp flag seen");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(content_of(harness, "seen"), "maintenance (run " + state.id + " of deployer)\n");
  EXPECT_FALSE(is_there(harness, "flag"));
}

TEST(MaintenanceByFile, EndsWithAStepThatSaysSo) {
  RunHarness harness;
  harness.add("maintenance", "{file: flag}");
  harness.add_command("test -e flag", "under");
  harness.add("maintenance", "{file: flag, active: false}", "end");
  harness.add_command("test ! -e flag", "after");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_FALSE(is_there(harness, "flag"));
  EXPECT_EQ(names_in(harness), std::vector<std::string>{"state"});
}

TEST(MaintenanceByFile, HoldsWhileWhatWasDoneUnderItIsUndone) {
  RunHarness harness;
  add_undone(harness, "test -e flag && touch before-it", "before");
  harness.add("maintenance", "{file: flag}");
  add_undone(harness, "test -e flag && touch under-it", "under");
  harness.add_command("exit 1", "fails");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_TRUE(is_there(harness, "under-it"));
  EXPECT_TRUE(is_there(harness, "before-it"));
  EXPECT_FALSE(is_there(harness, "flag"));
}

TEST(MaintenanceByFile, BeginsAgainBeforeWhatWasDoneUnderItIsUndone) {
  RunHarness harness;
  harness.add("maintenance", "{file: flag}");
  add_undone(harness, "test -e flag && touch under-it", "under");
  harness.add("maintenance", "{file: flag, active: false}", "end");
  harness.add_command("exit 1", "fails");
  EXPECT_EQ(harness.run().status, RunStatus::rolled_back);
  EXPECT_TRUE(is_there(harness, "under-it"));
  EXPECT_FALSE(is_there(harness, "flag"));
}

TEST(MaintenanceByFile, StaysOnWhileSomethingIsNotUndone) {
  RunHarness harness;
  harness.add("maintenance", "{file: flag}");
  add_undone(harness, "exit 1", "under");
  harness.add_command("exit 1", "fails");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_TRUE(is_there(harness, "flag"));
  const std::string runbook = join(state.runbook, "\n");
  EXPECT_NE(runbook.find("the maintenance stays on, because 'command' of 'under' is not undone"), std::string::npos)
      << runbook;
  EXPECT_NE(runbook.find("by hand: rm " + (harness.project() / "flag").string()), std::string::npos) << runbook;
}

TEST(MaintenanceByFile, LeavesAFileThatWasThereBefore) {
  RunHarness harness;
  harness.folder().write("flag", "mine");
  harness.add("maintenance", "{file: flag}");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(content_of(harness, "flag"), "mine");
  harness.add_command("exit 1");
  EXPECT_EQ(harness.run().status, RunStatus::rolled_back);
  EXPECT_EQ(content_of(harness, "flag"), "mine");
}

TEST(MaintenanceByFile, BringsBackAFileThatItHasRemoved) {
  RunHarness harness;
  harness.folder().write("flag", "mine");
  harness.add("maintenance", "{file: flag, active: false}");
  Step& step = harness.add_command("test ! -e flag && exit 1");
  EXPECT_EQ(harness.run().status, RunStatus::rolled_back);
  EXPECT_EQ(content_of(harness, "flag"), "mine");
  step.run.shell_text = "test ! -e flag";
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(names_in(harness), std::vector<std::string>{"state"});
}

TEST(MaintenanceByFile, LeavesWhatSomebodyElseHasWrittenThere) {
  RunHarness harness;
  harness.add("maintenance", "{file: flag}");
  harness.add_command("echo stay away > flag");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(content_of(harness, "flag"), "stay away\n");
  EXPECT_TRUE(warns_of(harness, "flag was written by somebody else meanwhile, and is left"));
}

TEST(MaintenanceByFile, FailsItsStepWhereItCannotBeWritten) {
  RunHarness harness;
  harness.folder().write("in-the-way", "");
  harness.add("maintenance", "{file: in-the-way/flag}");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_NE(state.error.find("in-the-way/flag"), std::string::npos) << state.error;
}

TEST(MaintenanceByFile, EndsAfterADeathAtEachOfItsPoints) {
  const auto prepare = [](RunHarness& harness) {
    harness.add("maintenance", "{file: flag}");
    harness.add_command("test -e flag", "under");
    harness.add("maintenance", "{file: flag, active: false}", "end");
    harness.add_command("test ! -e flag", "after");
  };
  RunHarness twin;
  prepare(twin);
  const std::vector<std::string> points = twin.points_of_a_run();
  RunHarness harness;
  prepare(harness);
  std::size_t undone = 0;
  for (std::size_t point = 1; point <= points.size(); ++point) {
    if (points[point - 1].find("maintenance") == std::string::npos) continue;
    const RunState state = harness.run_killed_at(point);
    const bool settled = state.status == RunStatus::succeeded || state.status == RunStatus::rolled_back;
    EXPECT_TRUE(settled) << points[point - 1] << ": " << join(state.runbook, "\n");
    if (state.status == RunStatus::rolled_back) ++undone;
    EXPECT_EQ(names_in(harness), std::vector<std::string>{"state"}) << points[point - 1];
  }
  EXPECT_EQ(undone, 4U);
}

TEST(MaintenanceByCommand, IsToldByAVariable) {
  RunHarness harness;
  harness.add("maintenance", "{command: 'echo $DEPLOYER_MAINTENANCE >> log'}");
  harness.add_command("echo work >> log");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(content_of(harness, "log"), "on\nwork\noff\n");
}

TEST(MaintenanceByCommand, IsTurnedOffWhenTheRunIsTakenBack) {
  RunHarness harness;
  harness.add("maintenance", "{command: ['/bin/sh', '-c', 'echo $DEPLOYER_MAINTENANCE >> log']}");
  add_undone(harness, "echo undo >> log", "under");
  harness.add_command("exit 1");
  EXPECT_EQ(harness.run().status, RunStatus::rolled_back);
  EXPECT_EQ(content_of(harness, "log"), "on\nundo\noff\n");
}

TEST(MaintenanceByCommand, IsTurnedOffWhereTurningItOnFailedHalfWay) {
  RunHarness harness;
  harness.add("maintenance", "{command: 'echo $DEPLOYER_MAINTENANCE >> log; test $DEPLOYER_MAINTENANCE = off'}");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(state.error, "step 'maintenance' failed: the command that turns it on exited with status 1");
  EXPECT_EQ(content_of(harness, "log"), "on\noff\n");
}

TEST(MaintenanceByCommand, IsTurnedOffBeforeItsStepIsTriedAgain) {
  RunHarness harness;
  Step& step = harness.add("maintenance",
                           "{command: 'echo $DEPLOYER_MAINTENANCE >> log; test -e second || "
                           "{ touch second; exit 1; }'}");
  step.retry.attempts = 2;
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(content_of(harness, "log"), "on\noff\non\noff\n");
}

TEST(MaintenanceByCommand, SaysHowToEndItByHandWhereItCannotBeEnded) {
  RunHarness harness;
  harness.add("maintenance", "{command: 'test $DEPLOYER_MAINTENANCE = on'}");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_TRUE(warns_of(harness,
                       "the maintenance by its command is still on; end it by hand: DEPLOYER_MAINTENANCE=off bash -c "
                       "'test $DEPLOYER_MAINTENANCE = on': the command that turns it off exited with status 1"));
}

}  // namespace
}  // namespace deployer::test
