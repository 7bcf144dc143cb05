#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "support/folder.h"
#include "system/process.h"
#include "system/process_probe.h"

namespace deployer::test {
namespace {

/// A command of a run's step.
Command step_command(const std::string& step, const std::string& script) {
  Command command = shell(script);
  command.env["DEPLOYER_RUN_ID"] = "test-" + std::to_string(::getpid());
  command.env["DEPLOYER_STEP"] = step;
  return command;
}

/// Runs a command until it has written `ready` into the folder, then takes the time-out for it.
class Ready {
 public:
  const Folder folder;
  std::string path(const std::string& name) const { return (folder / name).string(); }
  pid_t pid(const std::string& name) const { return std::stoi(read_file(folder / name)); }
  bool is_there(const std::string& name) const {
    return std::filesystem::exists(folder / name) && !read_file(folder / name).empty();
  }
  /// Cancels the command when all these files are there.
  Exit cancelled_once_there(Processes& processes, const Command& command, const std::vector<std::string>& names) const {
    std::stop_source stop;
    std::thread other([&] {
      EXPECT_TRUE(soon([&] {
        return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return is_there(name); });
      }));
      stop.request_stop();
    });
    const Exit exit = processes.run(command, Deadline::after(std::chrono::seconds(30), stop.get_token()));
    other.join();
    return exit;
  }
};

TEST(ProcessTree, EndsAtItsDeadline) {
  Processes processes;
  const Exit exit = processes.run(command_of({"/bin/sleep", "60"}), Deadline::after(Duration(30)));
  EXPECT_EQ(exit.kind, Exit::Kind::timed_out);
  EXPECT_EQ(exit.text(), "timed out");
}

TEST(ProcessTree, IsCancelledFromAnotherThread) {
  const Ready ready;
  Processes processes;
  const Exit exit =
      ready.cancelled_once_there(processes, shell("echo $$ > " + ready.path("ready") + "; exec sleep 60"), {"ready"});
  EXPECT_EQ(exit.kind, Exit::Kind::cancelled);
  EXPECT_EQ(exit.text(), "was cancelled");
  EXPECT_FALSE(record_of(ready.pid("ready")));
}

TEST(ProcessTree, MayCleanUpAtTermAndItsLastWordsAreHeard) {
  Processes processes;
  std::string words;
  bool asked = false;
  std::stop_source stop;
  const Exit exit = processes.run(
      shell("trap 'head -c 200000 /dev/zero; echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"),
      Deadline::never(stop.get_token()), [&](OutputStream stream, std::string_view bytes) {
        if (stream == OutputStream::out) words += bytes;
        if (!asked) stop.request_stop();
        asked = true;
      });
  EXPECT_EQ(exit.kind, Exit::Kind::cancelled);
  EXPECT_EQ(words.size(), 3U + 200000 + 4);
  EXPECT_EQ(words.substr(words.size() - 4), "bye\n");
}

TEST(ProcessTree, KillsAGrandchildThatIgnoresTermAfterTheGrace) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(150));
  const auto script =
      "sh -c 'trap \"\" TERM; echo $$ > " + ready.path("child") + "; while :; do sleep 0.05; done' & wait";
  const auto begin = std::chrono::steady_clock::now();
  const Exit exit = ready.cancelled_once_there(processes, shell(script), {"child"});
  EXPECT_EQ(exit.kind, Exit::Kind::cancelled);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Duration(150));
  EXPECT_FALSE(record_of(ready.pid("child")));
}

TEST(ProcessTree, EndsAStoppedProcessByTerm) {
  const Ready ready;
  Processes processes;
  const auto begin = std::chrono::steady_clock::now();
  ready.cancelled_once_there(processes, shell("sleep 60 & kill -STOP $!; echo $! > " + ready.path("child") + "; wait"),
                             {"child"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "it took the whole grace";
  EXPECT_FALSE(record_of(ready.pid("child")));
}

TEST(ProcessTree, EndsADaemonInASessionOfItsOwnAtATimeOut) {
  for (const bool named : {true, false}) {
    const Ready ready;
    Processes processes;
    processes.set_grace(Duration(100));
    const std::string daemon =
        "(setsid sh -c 'echo $$ > " + ready.path("daemon") + "; exec sleep 60' >/dev/null 2>&1 &); sleep 60";
    const Exit exit =
        ready.cancelled_once_there(processes, named ? step_command("daemon", daemon) : shell(daemon), {"daemon"});
    EXPECT_EQ(exit.kind, Exit::Kind::cancelled);
    EXPECT_FALSE(record_of(ready.pid("daemon"))) << "named: " << named;
  }
}

TEST(ProcessTree, EndsAShellThatForksWithoutPause) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(20));
  const std::string loop =
      "trap '' TERM; echo $$ > " + ready.path("ready") + "; while :; do (setsid sleep 60 &); sleep 0.002; done";
  ready.cancelled_once_there(processes, step_command("forks", loop), {"ready"});
  EXPECT_TRUE(find_by_environment("DEPLOYER_STEP", "forks").empty());
}

TEST(ProcessTree, SparesAServiceThatWasHandedOver) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(100));
  processes.set_keep_variable("DEPLOYER_SERVICE");
  const std::string script = "(DEPLOYER_SERVICE=web setsid sh -c 'echo $$ > " + ready.path("service") +
                             "; env -u DEPLOYER_SERVICE sleep 60; :' >/dev/null 2>&1 &);"
                             "(setsid sh -c 'echo $$ > " +
                             ready.path("stray") + "; exec sleep 60' >/dev/null 2>&1 &); sleep 60";
  ready.cancelled_once_there(processes, step_command("service", script), {"service", "stray"});
  EXPECT_FALSE(record_of(ready.pid("stray")));
  const auto service = record_of(ready.pid("service"));
  ASSERT_TRUE(service);
  EXPECT_EQ(processes.end_all("DEPLOYER_SERVICE"), 0);
  EXPECT_EQ(is_alive(*service), true);
  // The worker that it started without the variable was spared with it.
  const auto family = find_by_environment("DEPLOYER_STEP", "service");
  EXPECT_EQ(family.size(), 2U);
  EXPECT_EQ(end_processes(family, Duration(100), Deadline::after(std::chrono::seconds(10)), "DEPLOYER_SERVICE"), 0);
  EXPECT_EQ(is_alive(*service), true);
  EXPECT_EQ(processes.end_all({}), 2);
  EXPECT_EQ(is_alive(*service), false);
}

TEST(ProcessTree, EndsACommandThatIsMarkedAsAServiceItself) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(100));
  processes.set_keep_variable("DEPLOYER_SERVICE");
  Command command = shell("echo $$ > " + ready.path("ready") + "; exec sleep 60");
  command.env["DEPLOYER_SERVICE"] = "web";
  EXPECT_EQ(ready.cancelled_once_there(processes, command, {"ready"}).kind, Exit::Kind::cancelled);
  EXPECT_FALSE(record_of(ready.pid("ready")));
}

TEST(ProcessTree, LeavesAStepsBackgroundAloneUntilTheEnd) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(100));
  const auto captured = processes.capture(
      step_command("background", "(setsid sleep 60 >/dev/null 2>&1 & echo $!); sleep 60 >/dev/null & echo $!"),
      Deadline::after(std::chrono::seconds(30)));
  ASSERT_TRUE(captured.exit.ok());
  std::istringstream pids(captured.out);
  pid_t daemon = 0;
  pid_t background = 0;
  pids >> daemon >> background;
  EXPECT_TRUE(record_of(daemon));
  EXPECT_TRUE(record_of(background));
  EXPECT_EQ(processes.end_all({}), 2);
  EXPECT_FALSE(record_of(daemon));
  EXPECT_FALSE(record_of(background));
  EXPECT_EQ(::waitpid(daemon, nullptr, WNOHANG), -1) << "it was left as a zombie";
  EXPECT_EQ(errno, ECHILD);
}

TEST(ProcessTree, LeavesChildrenOfTheProgramThatRunDidNotStartAlone) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    while (true) ::pause();
  }
  Processes processes;
  EXPECT_EQ(processes.end_all({}), 0);
  processes.run(command_of({"/bin/sleep", "60"}), Deadline::after(Duration(10)));
  EXPECT_TRUE(record_of(child));
  ::kill(child, SIGKILL);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(ProcessTree, OfOneThreadIsNotDisturbedByThoseOfOthers) {
  const Ready ready;
  Processes processes;
  processes.set_grace(Duration(100));
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::string me = std::to_string(i);
      const std::string daemon =
          "(setsid sh -c 'echo $$ > " + ready.path("daemon" + me) + "; exec sleep 60' >/dev/null 2>&1 &); ";
      if (i % 4 == 0) {
        const Exit exit = ready.cancelled_once_there(processes, step_command("step-" + me, daemon + "sleep 60"),
                                                     {"daemon" + me, "daemon1", "daemon2", "daemon3"});
        if (exit.kind == Exit::Kind::cancelled) ready.folder.write("gone" + me, "x");
        if (exit.kind == Exit::Kind::cancelled && !record_of(ready.pid("daemon" + me))) ++good;
        return;
      }
      const std::string wait = "while ! [ -s " + ready.path("gone0") + " ]; do sleep 0.01; done; echo done " + me;
      const auto captured =
          processes.capture(step_command("step-" + me, daemon + wait), Deadline::after(std::chrono::seconds(30)));
      if (captured.exit.ok() && captured.out == "done " + me + "\n" && record_of(ready.pid("daemon" + me))) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(processes.end_all({}), 6);
}

TEST(ProcessTree, ManyCommandsAtOnceLeaveNoDescriptorBehind) {
  const auto count_open = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = count_open();
  {
    Processes processes;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&processes] {
        for (int k = 0; k < 10; ++k) {
          EXPECT_EQ(processes.capture(shell("echo hi; exit 3"), Deadline::after(std::chrono::seconds(30))).out, "hi\n");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(count_open(), before);
}

}  // namespace
}  // namespace deployer::test
