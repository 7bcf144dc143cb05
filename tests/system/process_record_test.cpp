#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "support/folder.h"
#include "system/process.h"
#include "system/process_probe.h"

namespace deployer::test {
namespace {

/// A child of the test that does nothing until it is killed.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      ::execle("/bin/sleep", "sleep", "60", nullptr, environment_);
      ::_exit(127);
    }
    EXPECT_TRUE(soon([&] { return environment_of(*record_of(pid_), "SLEEPER") == "in the bed=here"; }));
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  ProcessRecord record() const { return record_of(pid_).value(); }

 private:
  static constexpr const char* environment_[] = {"SLEEPER=in the bed=here", "EMPTY=", nullptr};
  pid_t pid_;
};

TEST(ProcessRecord, GoesToJsonAndBack) {
  const ProcessRecord record{123, 456, "a-boot", "pid:[4026531836]"};
  EXPECT_EQ(dump(record.json()),
            R"({"pid":123,"start_time":456,"boot_id":"a-boot","pid_namespace":"pid:[4026531836]"})");
  EXPECT_EQ(ProcessRecord::from(record.json()), record);
  const ProcessRecord self = record_of_self();
  EXPECT_EQ(ProcessRecord::from(self.json()), self);
}

TEST(ProcessRecord, IsRefusedWhereThePidIsMissing) {
  try {
    ProcessRecord::from(Json::parse(R"({"start_time": 1})"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::invalid);
    EXPECT_THAT(error.message, testing::StartsWith("not the record of a process: "));
  }
}

TEST(ProcessRecord, IsAliveForThisProcess) {
  const ProcessRecord self = record_of_self();
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_EQ(self, record_of(::getpid()));
  EXPECT_EQ(is_alive(self), true);
}

TEST(ProcessRecord, IsDeadForAZombie) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    while (true) ::pause();
  }
  const ProcessRecord record = record_of(pid).value();
  EXPECT_EQ(is_alive(record), true);
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(is_alive(record), false);
  EXPECT_FALSE(record_of(pid));
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(is_alive(record), false);
}

TEST(ProcessRecord, IsNotMistakenForALaterProcessWithItsPid) {
  const Sleeper sleeper;
  ProcessRecord earlier = sleeper.record();
  earlier.start_time -= 1;
  EXPECT_EQ(is_alive(earlier), false);
  EXPECT_EQ(environment_of(earlier, "SLEEPER"), std::nullopt);
  EXPECT_EQ(end_processes({earlier}, Duration(10), Deadline::after(std::chrono::seconds(10))), 0);
  EXPECT_EQ(is_alive(sleeper.record()), true);
}

TEST(ProcessRecord, OfAnEarlierBootIsDeadAndOfAnotherPidNamespaceUnknown) {
  ProcessRecord record = record_of_self();
  record.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(is_alive(record), false);
  record = record_of_self();
  record.pid_namespace = "pid:[1]";
  EXPECT_EQ(is_alive(record), std::nullopt);
  EXPECT_EQ(end_processes({record}, Duration(10), Deadline::after(std::chrono::seconds(10))), 0);
}

TEST(ProcessRecord, ReadsOneVariableOfAnotherProcess) {
  const Sleeper sleeper;
  EXPECT_EQ(environment_of(sleeper.record(), "SLEEPER"), "in the bed=here");
  EXPECT_EQ(environment_of(sleeper.record(), "EMPTY"), "");
  EXPECT_EQ(environment_of(sleeper.record(), "SLEEP"), std::nullopt);
  EXPECT_EQ(environment_of(sleeper.record(), "PATH"), std::nullopt);
}

TEST(ProcessRecord, IsFoundByEnvironmentInASessionOfItsOwn) {
  const std::string mark = "mark-" + std::to_string(::getpid());
  Processes processes;
  processes.set_grace(Duration(100));
  Command command = shell("(setsid sleep 60 >/dev/null 2>&1 &)");
  command.env["DEPLOYER_TEST_MARK"] = mark;
  ASSERT_TRUE(processes.run(command, Deadline::after(std::chrono::seconds(10))).ok());
  const auto found = find_by_environment("DEPLOYER_TEST_MARK", mark);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(is_alive(found[0]), true);
  EXPECT_TRUE(find_by_environment("DEPLOYER_TEST_MARK", mark.substr(0, mark.size() - 1)).empty());
  EXPECT_EQ(end_processes(found, Duration(1000), Deadline::after(std::chrono::seconds(10))), 1);
  EXPECT_EQ(is_alive(found[0]), false);
  EXPECT_TRUE(find_by_environment("DEPLOYER_TEST_MARK", mark).empty());
  processes.end_all({});
}

TEST(ProcessRecord, EndsWithAllItsDescendantsAfterTheRunnerWasKilled) {
  const Folder folder;
  const std::string mark = "killed-" + std::to_string(::getpid());
  const pid_t runner = ::fork();
  ASSERT_GE(runner, 0);
  if (runner == 0) {
    Processes processes;
    Command command = shell("(setsid sh -c 'trap \"\" TERM; sleep 60 & echo $! > " + (folder / "daemon").string() +
                            "; wait; sleep 60' &); while :; do sleep 0.1; done");
    command.env["DEPLOYER_TEST_MARK"] = mark;
    processes.run(command, Deadline::never());
    ::_exit(0);
  }
  EXPECT_TRUE(
      soon([&] { return std::filesystem::exists(folder / "daemon") && !read_file(folder / "daemon").empty(); }));
  ::kill(runner, SIGKILL);
  ASSERT_EQ(::waitpid(runner, nullptr, 0), runner);
  const auto found = find_by_environment("DEPLOYER_TEST_MARK", mark);
  EXPECT_GE(found.size(), 3U);
  EXPECT_GE(end_processes(found, Duration(100), Deadline::after(std::chrono::seconds(10))), 3);
  EXPECT_TRUE(find_by_environment("DEPLOYER_TEST_MARK", mark).empty());
}

TEST(ProcessRecord, EndsWithinAShortDeadlineThoughItsGraceIsLonger) {
  const pid_t stubborn = ::fork();
  ASSERT_GE(stubborn, 0);
  if (stubborn == 0) {
    ::signal(SIGTERM, SIG_IGN);
    while (true) ::pause();
  }
  EXPECT_TRUE(soon([&] { return record_of(stubborn).has_value(); }));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(end_processes({record_of(stubborn).value()}, std::chrono::seconds(10), Deadline::after(Duration(1000))), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(::waitpid(stubborn, nullptr, 0), stubborn);
}

TEST(FindProgram, FindsWhatCanBeExecutedInThePath) {
  const Folder folder;
  folder.write("a/tool", "#!/bin/sh\n", 0644);
  folder.write("b/tool", "#!/bin/sh\n", 0755);
  const std::string path = "/nowhere:" + (folder / "a").string() + ":" + (folder / "b").string();
  EXPECT_EQ(find_program("tool", path), folder / "b/tool");
  EXPECT_EQ(find_program("other", path), std::nullopt);
  EXPECT_EQ(find_program("b", folder.path().string()), std::nullopt) << "a folder is no program";
  EXPECT_EQ(find_program((folder / "b/tool").string(), {}), folder / "b/tool");
  EXPECT_EQ(find_program((folder / "a/tool").string(), path), std::nullopt);
  EXPECT_EQ(find_program({}, path), std::nullopt);
}

}  // namespace
}  // namespace deployer::test
