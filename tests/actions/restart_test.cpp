#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "actions/harness.h"
#include "actions/restart/service_record.h"
#include "base/text.h"

namespace deployer::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// A service that tells, once it is up, which release it is and with which settings; it stays until it is ended.
constexpr const char* service_script = R"(#!/bin/sh
echo "release $1 ${SETTING-none} ${DEPLOYER_RUN_ID-}"
echo "$1" >"$2/up"
exec sleep 1000
)";

class Restart : public testing::Test {
 protected:
  void SetUp() override { prepare(harness_); }

  static void prepare(RunHarness& harness) { harness.folder().write("service", service_script, 0755); }

  static std::string with(const std::string& release, const std::string& more = {}) {
    return "{daemon: {name: app, command: [./service, '" + release +
           "', .], working_directory: ., pid_file: app.pid, " + "log: app.log" + more + "}, ready_within: 200ms}";
  }
  static void add(RunHarness& harness, const std::string& release, const std::string& more = {}) {
    harness.add("restart", with(release, more));
  }
  void deploy(const std::string& release, const std::string& more = {}) {
    harness_.clear();
    add(harness_, release, more);
    const RunState state = harness_.run();
    ASSERT_EQ(state.status, RunStatus::succeeded) << state.error;
  }
  /// A later step that fails.
  static void fail(RunHarness& harness) { harness.add_command("false", "fail"); }

  static pid_t pid(const RunHarness& harness) {
    return static_cast<pid_t>(std::stol(read_file(harness.project() / "app.pid")));
  }
  static std::string command_line(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
  }
  static std::string log(const RunHarness& harness) { return read_file(harness.project() / "app.log"); }
  static std::string up(const RunHarness& harness) { return read_file(harness.project() / "up"); }
  static bool runs(pid_t pid) {
    const auto record = record_of(pid);
    return record && is_alive(*record).value_or(false);
  }
  static Json record(const RunHarness& harness) {
    return Json::parse(read_file(harness.state_folder() / "services" / "app.json"));
  }
  /// How many processes of the services that this harness's folder knows run.
  static std::size_t running(const RunHarness& harness) {
    std::size_t count = 0;
    for (const ProcessRecord& process : find_by_environment("DEPLOYER_SERVICE", "app")) {
      std::error_code error;
      const auto cwd = std::filesystem::read_symlink("/proc/" + std::to_string(process.pid) + "/cwd", error);
      if (cwd == harness.project()) ++count;
    }
    return count;
  }

  RunHarness harness_;
};

TEST_F(Restart, StartsADaemonThatOutlivesTheRun) {
  deploy("1", ", env: {SETTING: blue}");
  EXPECT_TRUE(runs(pid(harness_)));
  EXPECT_EQ(up(harness_), "1\n");
  EXPECT_EQ(log(harness_), "release 1 blue \n");
  EXPECT_EQ(record(harness_).at("process").at("pid"), pid(harness_));
}

TEST_F(Restart, PutsANewProcessInPlaceOfTheOld) {
  deploy("1");
  const pid_t old = pid(harness_);
  deploy("2");
  EXPECT_FALSE(runs(old));
  EXPECT_NE(pid(harness_), old);
  EXPECT_EQ(up(harness_), "2\n");
  EXPECT_EQ(log(harness_), "release 1 none \nrelease 2 none \n");
  EXPECT_EQ(running(harness_), 1U);
}

TEST_F(Restart, BringsTheOldServiceBackByItsOldCommandAndEnvironment) {
  deploy("1", ", env: {SETTING: blue}");
  harness_.clear();
  add(harness_, "2", ", env: {SETTING: green}");
  fail(harness_);
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_EQ(up(harness_), "1\n");
  EXPECT_EQ(log(harness_), "release 1 blue \nrelease 2 green \nrelease 1 blue \n");
  EXPECT_EQ(running(harness_), 1U);
  EXPECT_EQ(record(harness_).at("process").at("pid"), pid(harness_));
}

TEST_F(Restart, LeavesStoppedWhatWasStopped) {
  add(harness_, "1");
  fail(harness_);
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_EQ(running(harness_), 0U);
  EXPECT_FALSE(std::filesystem::exists(harness_.project() / "app.pid"));
  EXPECT_FALSE(std::filesystem::exists(harness_.state_folder() / "services" / "app.json"));
}

TEST_F(Restart, ASecretIsKeptByItsNameAndReadAnew) {
  harness_.redactor().add("SETTING", "top-secret");
  harness_.pipeline().env["SETTING"] = "top-secret";
  deploy("1");
  EXPECT_EQ(record(harness_).at("env").at("SETTING"), (Json{{"secret", "SETTING"}}));
  harness_.clear();
  add(harness_, "2");
  fail(harness_);
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_THAT(log(harness_), HasSubstr("release 2 top-secret \nrelease 1 top-secret \n"));
}

TEST_F(Restart, ASecretInTheCommandIsRefused) {
  harness_.redactor().add("TOKEN", "top-secret");
  add(harness_, "top-secret");
  EXPECT_EQ(harness_.check(),
            "error: step 'restart': the command of the daemon holds a secret\n"
            "hint: every user sees a process's arguments; give it by env");
}

TEST_F(Restart, ADaemonThatEndsAtOnceFailsTheStepWithItsLastWords) {
  harness_.folder().write("service", "#!/bin/sh\necho no database >&2\nexit 1\n", 0755);
  add(harness_, "1");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(step_of(state, "restart").error,
            "the service app ended right after its start: no database (hint: its log is " +
                (harness_.project() / "app.log").string() + "; its command must stay in the foreground)");
}

TEST_F(Restart, AProgramThatIsNotThereFailsTheStep) {
  harness_.add("restart",
               "{daemon: {name: app, command: [./no-such-program], working_directory: .}, ready_within: 200ms}");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_THAT(step_of(state, "restart").error, StartsWith("the service app "));
}

TEST_F(Restart, TheOldServiceComesBackWhenTheNewOneDoesNotStart) {
  deploy("1");
  harness_.folder().write("broken", "#!/bin/sh\nexit 1\n", 0755);
  harness_.clear();
  harness_.add("restart",
               "{daemon: {name: app, command: [./broken], working_directory: ., pid_file: app.pid, log: app.log},"
               " ready_within: 200ms}");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(up(harness_), "1\n");
  EXPECT_EQ(running(harness_), 1U);
}

TEST_F(Restart, APidFileOfADeadProcessIsNoService) {
  harness_.folder().write("app.pid", "999999999\n");
  deploy("1");
  EXPECT_TRUE(runs(pid(harness_)));
}

TEST_F(Restart, ANumberThatSomebodyElseHasNowIsLeftAlone) {
  const pid_t stranger = fork();
  if (stranger == 0) {
    execlp("sleep", "sleep", "1000", nullptr);
    _exit(127);
  }
  const auto file = harness_.folder().write("app.pid", std::to_string(stranger) + "\n");
  std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  deploy("1");
  EXPECT_TRUE(runs(stranger));
  EXPECT_NE(pid(harness_), stranger);
  kill(stranger, SIGKILL);
}

TEST_F(Restart, AServiceThatSomebodyElseStartedIsTakenOverAndBroughtBack) {
  const pid_t stranger = fork();
  if (stranger == 0) {
    if (chdir(harness_.project().c_str()) != 0) _exit(127);
    execlp("sleep", "sleep", "1000", nullptr);
    _exit(127);
  }
  while (command_line(stranger) != "sleep 1000 ") usleep(1000);
  harness_.folder().write("app.pid", std::to_string(stranger) + "\n");
  add(harness_, "2");
  fail(harness_);
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_FALSE(runs(stranger));
  EXPECT_EQ(up(harness_), "2\n");
  EXPECT_THAT(command_line(pid(harness_)), HasSubstr("sleep 1000"));
  EXPECT_EQ(running(harness_), 1U);
}

TEST_F(Restart, AServiceThatDiedBeforehandStaysStoppedAfterTheRollback) {
  deploy("1");
  kill(pid(harness_), SIGKILL);
  while (runs(pid(harness_))) usleep(1000);
  harness_.clear();
  add(harness_, "2");
  fail(harness_);
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_EQ(running(harness_), 0U);
}

TEST_F(Restart, AFailedAttemptIsUndoneBeforeTheNext) {
  deploy("1");
  harness_.folder().write("moody", "#!/bin/sh\ntest -e tried && exec ./service 2 .\ntouch tried\nexit 1\n", 0755);
  harness_.clear();
  Step& step = harness_.add("restart",
                            "{daemon: {name: app, command: [./moody], working_directory: ., pid_file: app.pid,"
                            " log: app.log}, ready_within: 200ms}");
  step.retry.attempts = 2;
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(log(harness_), "release 1 none \nrelease 1 none \nrelease 2 none \n");
  EXPECT_EQ(running(harness_), 1U);
}

class RestartKilled : public Restart, public testing::WithParamInterface<const char*> {};

TEST_P(RestartKilled, EndsWithTheOldServiceRunning) {
  const RunState state = killed_at(GetParam(), harness_, [](RunHarness& harness) {
    prepare(harness);
    harness.clear();
    add(harness, "1");
    ASSERT_EQ(harness.run().status, RunStatus::succeeded);
    harness.clear();
    add(harness, "2");
    fail(harness);
  });
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(up(harness_), "1\n");
  EXPECT_EQ(running(harness_), 1U);
  EXPECT_EQ(record(harness_).at("process").at("pid"), pid(harness_));
}

INSTANTIATE_TEST_SUITE_P(AtEachEffect, RestartKilled,
                         testing::Values("effect.before stop app", "effect.after stop app", "effect.before start app",
                                         "effect.after start app", "undo.after start app", "settle.before restart"),
                         [](const auto& point) {
                           std::string name(point.param);
                           for (char& letter : name)
                             letter = std::isalnum(static_cast<unsigned char>(letter)) ? letter : '_';
                           return name;
                         });

TEST(RestartByCommand, RunsItAgainOnTheOldCode) {
  RunHarness harness;
  harness.folder().write("code", "1");
  Step& change = harness.add_command("printf 2 >code", "change");
  change.rollback = UndoOverride{};
  change.rollback->command.shell_text = "printf 1 >code";
  harness.add("restart", "command: 'cat code >>started'");
  harness.add_command("false", "fail");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(read_file(harness.project() / "started"), "21");
}

TEST(RestartBySystemd, IsRefusedWhereThereIsNoSystemctl) {
  RunHarness harness;
  harness.pipeline().env["PATH"] = harness.project().string();
  harness.add("restart", "systemd: book-library");
  EXPECT_EQ(harness.check(),
            "error: step 'restart' needs systemctl, which is not there\n"
            "hint: install it: apt-get install systemd");
}

TEST(RestartBySystemd, NamesUnitsThatCanBe) {
  EXPECT_EQ(RunHarness::complaints("restart", "systemd: []"), std::vector<std::string>{"'systemd': it names no unit"});
  EXPECT_EQ(RunHarness::complaints("restart", "systemd: [app, 'a b']"),
            std::vector<std::string>{"'systemd': 'a b' is no name of a unit"});
}

TEST(RestartWays, AreExactlyOne) {
  RunHarness harness;
  harness.add("restart", "{}");
  EXPECT_EQ(harness.check(), "error: step 'restart': restart takes exactly one of systemd, daemon and command");
}

}  // namespace
}  // namespace deployer::test
