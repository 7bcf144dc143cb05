#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <rapidcheck/detail/Configuration.h>

#include <algorithm>

#include "base/error.h"
#include "engine/world.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Rollback, TakesBackInReverseWhateverStepsFail) {
  // Each case syncs a journal some thirty times.
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = 15;
  const auto property = [](const std::vector<bool>& fails, bool continued) {
    World world;
    std::vector<std::string> expected_made;
    std::optional<std::size_t> end;
    for (std::size_t i = 0; i < std::min<std::size_t>(fails.size(), 5); ++i) {
      const std::string id = "s" + std::to_string(i);
      World::Script script;
      script.fails = fails[i];
      world.add(id, script).continue_on_error = continued;
      if (end) continue;
      if (!fails[i]) expected_made.push_back(id);
      if (fails[i] && !continued) {
        expected_made.push_back(id);
        end = i;
      }
    }
    const RunState state = world.run();
    RC_ASSERT(state.status == (end ? RunStatus::rolled_back : RunStatus::succeeded));
    RC_ASSERT(state.exit_status == (end ? 1 : 0));
    if (end) {
      RC_ASSERT(world.things.empty());
      std::vector<std::string> undone;
      for (const std::string& line : world.log) {
        if (line.starts_with("undo ")) undone.push_back(line.substr(5));
      }
      std::reverse(undone.begin(), undone.end());
      RC_ASSERT(undone == expected_made);
      RC_ASSERT(state.verified == true);
    } else {
      RC_ASSERT(world.things == std::set<std::string>(expected_made.begin(), expected_made.end()));
    }
    // The same events, also twice, give the same state as the run had.
    std::vector<Event> events = world.journal_events();
    const Json once = to_json(fold(events));
    RC_ASSERT(once == to_json(state));
    events.insert(events.end(), events.begin(), events.end());
    RC_ASSERT(to_json(fold(events)) == once);
  };
  const rc::detail::TestResult result = rc::detail::checkTestable(property, rc::detail::TestMetadata(), params);
  EXPECT_TRUE(result.is<rc::detail::SuccessResult>()) << testing::PrintToString(result);
}

TEST(Rollback, RunsARollbackCommandOnceForAllEffectsOfAnAttempt) {
  World world;
  World::Script script;
  script.run = [&](ActionContext& context) {
    world.make(context, "one");
    world.make(context, "two");
  };
  Step& step = world.add("a", script);
  step.rollback = UndoOverride{};
  step.rollback->command.shell_text = "echo undone >> undone";
  world.add_failing("b");
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(Files().read(world.folder() / "undone"), "undone\n");
  for (const EffectState& effect : state.effects) EXPECT_EQ(effect.status, EffectState::Status::undone);
}

TEST(Rollback, ASecondSignalLeavesItToRecoverWhichClaimsNothingThatItDidNotSee) {
  World world;
  World::Script script;
  script.settle = [&](ActionContext& context) {
    world.stop().request(15);
    world.stop().request(15);
    context.deadline().check("settling");
  };
  world.add("a", script);
  world.add_failing("b");
  const RunState state = world.run();
  EXPECT_EQ(state.status, RunStatus::interrupted);
  EXPECT_EQ(state.exit_status, 3);
  EXPECT_THAT(world.things, IsEmpty());
  EXPECT_EQ(state.runbook.front(), "the rollback was cut short by a signal");

  // Every effect is undone, but not all is as it was.
  world.things.insert("a");
  world.pipeline().steps.clear();
  world.add("a");
  world.add("b");
  const RunState wrong = world.recover();
  EXPECT_EQ(wrong.status, RunStatus::rollback_failed);
  EXPECT_THAT(wrong.runbook, ElementsAre("a: it is still there", "when that is mended: deployer recover"));
  world.things.clear();
  const RunState right = world.recover();
  EXPECT_EQ(right.status, RunStatus::rolled_back);
  EXPECT_EQ(right.verified, true);
}

TEST(Rollback, AServerThatIsDownIsWaitedForThenTheRunIsInterrupted) {
  World world;
  world.request().undo_grace = std::chrono::milliseconds(50);
  World::Script script;
  bool down = true;
  script.undo = [&](ActionContext&, const UndoRecord&) {
    if (down) throw Error(ErrorKind::unavailable, "the server is down");
  };
  world.add("a", script);
  world.add_failing("b");
  EXPECT_EQ(world.run().status, RunStatus::interrupted);
  down = false;
  EXPECT_EQ(world.recover().status, RunStatus::rolled_back);
  EXPECT_THAT(world.things, IsEmpty());
}

/// An interrupted run whose undo record holds `secret` in a path.
void interrupt_with(World& world, const std::string& path, std::string& undone) {
  World::Script script;
  script.record = {{"path", path}};
  script.undo = [&](ActionContext&, const UndoRecord& record) {
    if (world.stop().stop().stop_requested()) throw Error(ErrorKind::cancelled, "cut short");
    undone = record.data.value("path", "");
  };
  world.add("a", script);
  World::Script failing;
  failing.run = [&](ActionContext&) {
    world.stop().request(15);
    world.stop().request(15);
    throw Error(ErrorKind::failed, "it fails");
  };
  world.add("b", failing);
}

TEST(Rollback, ASecretInAnUndoRecordIsJournalledByNameAndReadAnew) {
  World world;
  world.redactor().add("TOKEN", "hunter22");
  std::string undone;
  interrupt_with(world, "/srv/hunter22/app", undone);
  EXPECT_EQ(world.run().status, RunStatus::interrupted);
  const RunState kept = world.journalled();
  ASSERT_EQ(kept.effects.size(), 1U);
  EXPECT_EQ(kept.effects[0].undo, (Json{{"path", "/srv/***TOKEN***/app"}}));
  const RunState state = world.recover([](Redactor& redactor) { redactor.add("TOKEN", "hunter22"); });
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_EQ(undone, "/srv/hunter22/app");
}

TEST(Rollback, AnUndoRecordWhoseSecretHasGoneIsNotActedOn) {
  World world;
  world.redactor().add("URL password", "hunter22");
  std::string undone;
  interrupt_with(world, "/srv/hunter22/app", undone);
  EXPECT_EQ(world.run().status, RunStatus::interrupted);
  const RunState state = world.recover();
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_EQ(state.exit_status, 3);
  EXPECT_EQ(undone, "");
  EXPECT_THAT(state.runbook.front(),
              HasSubstr("'make a' could not be undone: what is to be undone holds a secret, which "
                        "the journal does not keep"));
}

}  // namespace
}  // namespace deployer::test
