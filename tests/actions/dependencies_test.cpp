#include <gmock/gmock.h>

#include <cstdlib>

#include "actions/harness.h"
#include "base/text.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

/// Writes wheels of a distribution `leaf` with two versions, by Python's zipfile.
constexpr const char* wheel_script = R"(
import base64, hashlib, sys, zipfile
for version in ("1.0", "2.0"):
    info = f"leaf-{version}.dist-info"
    files = {"leaf.py": f"version = '{version}'\n",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: leaf\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    lines = []
    with zipfile.ZipFile(f"{sys.argv[1]}/leaf-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text)}\n")
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(lines) + f"{info}/RECORD,,\n")
)";

class Dependencies : public testing::Test {
 protected:
  void SetUp() override { prepare(harness_); }

  static void prepare(RunHarness& harness) {
    harness.folder().write("wheels/make.py", wheel_script);
    const std::string wheels = (harness.project() / "wheels").string();
    ASSERT_EQ(std::system(("python3 '" + wheels + "/make.py' '" + wheels + "'").c_str()), 0);
  }
  static Step& add(RunHarness& harness, const std::string& version) {
    harness.folder().write("app/requirements.txt", "leaf==" + version + "\n");
    return harness.add("dependencies", "{directory: app, environment: venv, find_links: wheels}");
  }
  static constexpr const char* previous = "venv-20200101T000000000-abcdef";
  /// An environment of an earlier run, in use; that it is empty makes no difference to the switch.
  static void put_previous(const RunHarness& harness) {
    std::filesystem::create_directories(harness.project() / previous);
    std::filesystem::create_symlink(previous, harness.project() / "venv");
  }
  static std::vector<std::string> folders(const RunHarness& harness) {
    std::vector<std::string> names;
    for (const std::string& name : Files().list(harness.project())) {
      if (name.starts_with("venv")) names.push_back(name);
    }
    return names;
  }
  /// What the environment in use says its version of `leaf` is.
  static std::string version(const RunHarness& harness) {
    const std::string out = (harness.project() / "out").string();
    const std::string python = (harness.project() / "venv/bin/python").string();
    if (std::system((python + " -c 'import leaf; print(leaf.version)' >" + out + " 2>&1").c_str()) != 0) return "none";
    return std::string(trim(read_file(out)));
  }

  RunHarness harness_;
};

TEST_F(Dependencies, BuildsAnEnvironmentWithoutANetworkAndSwitchesToIt) {
  add(harness_, "1.0");
  const RunState state = harness_.run();
  ASSERT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(step_of(state, "dependencies").outputs, (Json{{"path", (harness_.project() / "venv").string()}}));
  EXPECT_EQ(version(harness_), "1.0");
  EXPECT_THAT(folders(harness_), ElementsAre("venv", "venv-" + state.id));
}

TEST_F(Dependencies, SwitchesBackAndRemovesTheNewOneWhenTheRunFails) {
  put_previous(harness_);
  add(harness_, "2.0");
  harness_.add_command("venv/bin/python -c 'import leaf; print(leaf.version)'; false", "fail");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_THAT(harness_.output(), testing::Contains("2.0"));
  EXPECT_EQ(std::filesystem::read_symlink(harness_.project() / "venv"), previous);
  EXPECT_THAT(folders(harness_), ElementsAre("venv", previous));
}

TEST_F(Dependencies, LeaveNothingWhereThereWasNothing) {
  add(harness_, "1.0");
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_THAT(folders(harness_), SizeIs(0));
}

TEST_F(Dependencies, LeaveNothingOfAVersionThatCannotBeInstalled) {
  add(harness_, "3.0");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_THAT(step_of(state, "dependencies").error, StartsWith("pip install exited with status 1: "));
  EXPECT_THAT(step_of(state, "dependencies").error, HasSubstr("leaf==3.0"));
  EXPECT_THAT(folders(harness_), SizeIs(0));
}

TEST_F(Dependencies, KeepThePreviousEnvironmentAndNoOlderOne) {
  std::filesystem::create_directories(harness_.project() / "venv-20190101T000000000-abcdef-2");
  std::filesystem::create_directories(harness_.project() / "venv-mine");
  put_previous(harness_);
  add(harness_, "2.0");
  const std::string run = harness_.run().id;
  EXPECT_THAT(folders(harness_), ElementsAre("venv", previous, "venv-" + run, "venv-mine"));
}

TEST_F(Dependencies, ARealFolderIsNotReplaced) {
  std::filesystem::create_directories(harness_.project() / "venv");
  add(harness_, "1.0");
  const std::string path = (harness_.project() / "venv").string();
  EXPECT_EQ(harness_.check(), "error: " + path +
                                  " is a folder, and would have to be a link\nhint: move it away once: mv " + path +
                                  " " + path + "-before");
}

TEST_F(Dependencies, ALinkThatSomebodyElseMovedIsLeftAndTold) {
  add(harness_, "1.0");
  harness_.add_command("ln -sfn elsewhere venv; false", "fail");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_EQ(std::filesystem::read_symlink(harness_.project() / "venv"), "elsewhere");
  EXPECT_THAT(join(state.runbook, "\n"), HasSubstr("venv points to elsewhere, which this run did not do"));
}

TEST_F(Dependencies, NeedALockFile) {
  harness_.add("dependencies", "{directory: app, environment: venv}");
  EXPECT_EQ(step_of(harness_.run(), "dependencies").error,
            "no manager fits: there is no " + (harness_.project() / "app/requirements.txt").string() +
                " (hint: manager: auto knows pip's requirements.txt; else give a command)");
}

TEST_F(Dependencies, NameAPythonThatIsNotThere) {
  harness_.add("dependencies", "{directory: app, python: no-such-python}");
  EXPECT_EQ(harness_.check(),
            "error: step 'dependencies' needs no-such-python, which is not there\n"
            "hint: install it: apt-get install python3");
}

TEST_F(Dependencies, ACommandIsUndoneByTheStepsRollback) {
  Step& step = harness_.add("dependencies", "{command: 'touch installed; false', directory: .}");
  step.rollback = UndoOverride{};
  step.rollback->command.shell_text = "rm installed";
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_FALSE(std::filesystem::exists(harness_.project() / "installed"));
}

TEST_F(Dependencies, KilledWhileTheyInstallLeaveNothingOfTheNewEnvironment) {
  put_previous(harness_);
  add(harness_, "2.0");
  int children = 0;
  const RunState state =
      harness_.run_killed_on([&](const Event& event) { return event.kind == "child_started" && ++children == 2; });
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(std::filesystem::read_symlink(harness_.project() / "venv"), previous);
  EXPECT_THAT(folders(harness_), ElementsAre("venv", previous));
}

TEST_F(Dependencies, KilledAfterTheSwitchEndWithThePreviousEnvironment) {
  put_previous(harness_);
  add(harness_, "2.0");
  int done = 0;
  const RunState state =
      harness_.run_killed_on([&](const Event& event) { return event.kind == "effect_done" && ++done == 2; });
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(std::filesystem::read_symlink(harness_.project() / "venv"), previous);
  EXPECT_THAT(folders(harness_), ElementsAre("venv", previous));
}

}  // namespace
}  // namespace deployer::test
