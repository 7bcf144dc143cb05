#include <gmock/gmock.h>

#include "base/error.h"
#include "engine/world.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Runner, AListenerThatThrowsStopsNothing) {
  World world;
  world.add("a");
  world.add_failing("b");
  world.listener = [](const Event&) { throw std::runtime_error("the page is gone"); };
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_THAT(world.log, ElementsAre("make a", "make b", "undo b", "undo a"));
  EXPECT_TRUE(world.journalled().finished);
}

TEST(Runner, AStopBeforeTheFirstStepTouchesNothing) {
  World world;
  world.add("a");
  world.stop().request(15);
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::cancelled);
  EXPECT_EQ(state.exit_status, 128 + 15);
  EXPECT_THAT(world.log, IsEmpty());
  EXPECT_EQ(state.verified, true);
}

TEST(Runner, AStopWhileAStepWaitsForItsNextAttemptRollsBackAndLeavesNoStepRunning) {
  World world;
  world.add("a");
  Step& step = world.add_failing("b");
  step.retry.attempts = 3;
  step.retry.delay = std::chrono::hours(1);
  world.listener = [&](const Event& event) {
    if (event.kind == "undo_finished" && event.step == "b") world.stop().request(2);
  };
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::cancelled);
  EXPECT_EQ(state.exit_status, 128 + 2);
  EXPECT_EQ(step_of(state, "b").status, StepStatus::failed);
  EXPECT_THAT(world.things, IsEmpty());
}

TEST(Runner, ABaselineThatCannotBeReadFailsTheRunBeforeItsFirstEffect) {
  World world;
  world.add("a");
  World::Script script;
  script.baseline = [](ActionContext&) -> Json {
    throw Error(ErrorKind::unavailable, "the server is down", "start it");
  };
  world.add("b", script);
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(state.exit_status, 1);
  EXPECT_THAT(world.log, IsEmpty());
  EXPECT_EQ(
      step_of(state, "a").error,
      "the state before the run, which step 'b' would bring back, cannot be read: the server is down (hint: start "
      "it)");
}

TEST(Runner, ABaselineDoesNotUseUpTheTimeOfTheStepThatComesFirst) {
  World world;
  World::Script script;
  script.baseline = [](ActionContext& context) {
    EXPECT_TRUE(context.deadline().sleep(std::chrono::milliseconds(150)));
    return Json("slow");
  };
  world.add("a", script).timeout = std::chrono::milliseconds(100);
  EXPECT_EQ(world.run().status, RunStatus::succeeded);
}

TEST(Runner, AStepThatIsSkippedHasNoBaselineAndIsSeenByNoCheck) {
  World world;
  World::Script skipped;
  skipped.baseline = [](ActionContext&) -> Json { throw Error(ErrorKind::unavailable, "the server is down"); };
  world.add("backup", skipped);
  World::Script script;
  std::size_t seen = 0;
  script.check = [&](ActionContext& context) { seen = context.pipeline().steps.size(); };
  world.add("migrate", script);
  world.request().skip = {"backup"};
  world.check();
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(world.run().status, RunStatus::succeeded);
}

TEST(Runner, WhatIsLeftByOnFailureStopIsToldThoughARequiredHookFails) {
  World world;
  world.add("a");
  world.add_failing("b");
  world.pipeline().on_failure = OnFailure::stop;
  Hook hook;
  hook.command.argv = {"false"};
  hook.required = true;
  world.pipeline().hooks["on-failure"] = {hook};
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::failed);
  EXPECT_EQ(state.exit_status, 3);
  EXPECT_THAT(state.runbook, ElementsAre("a: 'make a' is left", "b: 'make b' is left"));
  EXPECT_THAT(state.warnings, ElementsAre(HasSubstr("exited with status 1")));
  EXPECT_TRUE(world.journalled().finished);
}

TEST(Runner, AContinuedStepWhoseUndoFailsOnceIsUndoneWithTheRun) {
  World world;
  world.add("a");
  World::Script script;
  script.fails = true;
  int tries = 0;
  script.undo = [&](ActionContext&, const UndoRecord&) {
    if (++tries <= 3) throw Error(ErrorKind::failed, "not yet");
  };
  world.add("b", script).continue_on_error = true;
  world.add("c");
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_THAT(world.log, ElementsAre("make a", "make b", "undo b", "undo a"));
}

}  // namespace
}  // namespace deployer::test
