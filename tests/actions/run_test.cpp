#include <gmock/gmock.h>

#include "actions/harness.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;

TEST(RunAction, BringsTheOutputsOfItsCommand) {
  RunHarness harness;
  harness.add_command("echo hello; echo url=http://a >>\"$DEPLOYER_OUTPUT\"", "greet");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::succeeded);
  EXPECT_EQ(step_of(state, "greet").outputs, (Json{{"url", "http://a"}}));
  EXPECT_THAT(harness.output(), ElementsAre("hello"));
}

TEST(RunAction, FailsWithTheStatusOfItsCommand) {
  RunHarness harness;
  harness.add_command("exit 3", "greet");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(step_of(state, "greet").error, "command exited with status 3");
}

TEST(RunAction, IsUndoneByItsRollbackAlsoWhenItFailedHalfWay) {
  RunHarness harness;
  Step& step = harness.add_command("touch half; false", "greet");
  step.rollback = UndoOverride{};
  step.rollback->command.shell_text = "rm half";
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_FALSE(std::filesystem::exists(harness.project() / "half"));
}

TEST(RunAction, NamesAShellThatIsNotThere) {
  RunHarness harness;
  harness.add_command("true", "greet").shell = {"no-such-shell"};
  EXPECT_EQ(harness.check(),
            "error: step 'greet' needs no-such-shell, which is not there\n"
            "hint: install it, or put its folder into PATH");
}

}  // namespace
}  // namespace deployer::test
