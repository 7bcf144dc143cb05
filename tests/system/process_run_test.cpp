#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "support/folder.h"
#include "system/process.h"
#include "system/process_probe.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ProcessRun, TellsAMissingProgramByName) {
  Processes processes;
  const Exit exit = processes.run(command_of({"no-such-program"}), Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.kind, Exit::Kind::not_started);
  EXPECT_EQ(exit.code, ENOENT);
  EXPECT_EQ(exit.text(), "could not be started: no-such-program: No such file or directory");
  EXPECT_FALSE(exit.ok());
}

TEST(ProcessRun, TellsAMissingProgramThatWasNamedByItsPath) {
  Processes processes;
  const Exit exit = processes.run(command_of({"/no/such/program"}), Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.text(), "could not be started: /no/such/program: No such file or directory");
}

TEST(ProcessRun, TellsAFileThatIsNotExecutable) {
  const Folder folder;
  const auto file = folder.write("tool", "#!/bin/sh\n", 0644);
  Processes processes;
  const Exit exit = processes.run(command_of({file.string()}), Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.kind, Exit::Kind::not_started);
  EXPECT_EQ(exit.code, EACCES);
  EXPECT_EQ(exit.text(), "could not be started: " + file.string() + ": Permission denied");
}

TEST(ProcessRun, TellsAFileThatIsNotExecutableInThePath) {
  const Folder folder;
  folder.write("tool", "#!/bin/sh\n", 0644);
  Command command = command_of({"tool"});
  command.env["PATH"] = folder.path().string();
  Processes processes;
  EXPECT_EQ(processes.run(command, Deadline::after(std::chrono::seconds(10))).text(),
            "could not be started: tool: Permission denied");
}

TEST(ProcessRun, TellsAMissingInterpreter) {
  const Folder folder;
  const auto file = folder.write("tool", "#!/no/such/shell -e\n", 0755);
  Processes processes;
  EXPECT_EQ(processes.run(command_of({file.string()}), Deadline::after(std::chrono::seconds(10))).text(),
            "could not be started: " + file.string() + ": interpreter /no/such/shell: No such file or directory");
}

TEST(ProcessRun, TellsAFileThatIsNoProgram) {
  const Folder folder;
  const auto file = folder.write("tool", "echo hello\n", 0755);
  Processes processes;
  EXPECT_EQ(processes.run(command_of({file.string()}), Deadline::after(std::chrono::seconds(10))).text(),
            "could not be started: " + file.string() + ": Exec format error");
}

TEST(ProcessRun, TellsABadFolderApartFromABadProgram) {
  Processes processes;
  Command command = command_of({"/bin/true"});
  command.directory = "/no/such/folder";
  const Exit exit = processes.run(command, Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.kind, Exit::Kind::not_started);
  EXPECT_EQ(exit.code, ENOENT);
  EXPECT_EQ(exit.text(), "could not be started: working directory /no/such/folder: No such file or directory");
}

TEST(ProcessRun, LooksTheProgramUpInThePathOfTheCommandOnly) {
  const Folder folder;
  folder.write("deployer-tool", "#!/bin/sh\necho found in $PWD\n", 0755);
  Processes processes;
  Command command = command_of({"deployer-tool"});
  command.directory = folder.path();
  command.env = {{"PATH", "/nowhere:."}};
  const auto captured = processes.capture(command, Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(captured.out, "found in " + folder.path().string() + "\n");
  command.env.clear();
  EXPECT_EQ(processes.run(command, Deadline::after(std::chrono::seconds(10))).code, ENOENT);
}

TEST(ProcessRun, GivesTheExitStatusAsItIs) {
  Processes processes;
  const Exit exit = processes.run(shell("exit 72"), Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.kind, Exit::Kind::exited);
  EXPECT_EQ(exit.code, 72);
  EXPECT_EQ(exit.text(), "exited with status 72");
  EXPECT_TRUE(processes.run(shell("exit 0"), Deadline::after(std::chrono::seconds(10))).ok());
  EXPECT_EQ(processes.run(shell("exit 127"), Deadline::after(std::chrono::seconds(10))).text(),
            "exited with status 127");
}

TEST(ProcessRun, TellsWhichSignalKilledAChild) {
  Processes processes;
  const Exit exit = processes.run(shell("kill -9 $$"), Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(exit.kind, Exit::Kind::signalled);
  EXPECT_EQ(exit.code, 9);
  EXPECT_EQ(exit.text(), "was killed by signal 9 (Killed)");
}

TEST(ProcessRun, RefusesANulByteInAnArgument) {
  Processes processes;
  try {
    processes.run(command_of({"/bin/echo", std::string("a\0b", 3)}), Deadline::after(std::chrono::seconds(10)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "an argument of /bin/echo holds a NUL byte");
  }
}

TEST(ProcessRun, GivesTheChildNoDescriptorButTheThreeAndThoseToKeep) {
  const int leaked = ::open("/dev/null", O_RDONLY);
  const int kept = ::memfd_create("kept", MFD_CLOEXEC);
  ASSERT_GE(leaked, 0);
  ASSERT_GE(kept, 0);
  ASSERT_EQ(::write(kept, "for you", 7), 7);
  Processes processes;
  Command command = command_of({"/bin/ls", "/proc/self/fd"});
  // ls itself opens the folder, as the lowest free number.
  EXPECT_EQ(processes.capture(command, Deadline::after(std::chrono::seconds(10))).out, "0\n1\n2\n3\n");
  command = shell("cat /proc/self/fd/" + std::to_string(kept) + "; ls /proc/self/fd | wc -l");
  command.keep_fds = {kept};
  EXPECT_EQ(processes.capture(command, Deadline::after(std::chrono::seconds(10))).out, "for you5\n");
  EXPECT_NE(::fcntl(kept, F_GETFD) & FD_CLOEXEC, 0) << "the runner's own flag was changed";
  ::close(leaked);
  ::close(kept);
}

TEST(ProcessRun, GivesExactlyTheEnvironmentOfTheCommand) {
  ASSERT_EQ(::setenv("DEPLOYER_TEST_OWN", "secret", 1), 0);
  Processes processes;
  Command command = command_of({"/usr/bin/env"});
  command.env = {{"A", "1"}, {"B", "two\nlines = x"}, {"C", ""}};
  EXPECT_EQ(processes.capture(command, Deadline::after(std::chrono::seconds(10))).out, "A=1\nB=two\nlines = x\nC=\n");
  ::unsetenv("DEPLOYER_TEST_OWN");
}

TEST(ProcessRun, ResetsMaskAndDispositionsOfSignals) {
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto pipe_before = ::signal(SIGPIPE, SIG_IGN);
  const auto user_before = ::signal(SIGUSR1, SIG_IGN);
  Processes processes;
  const auto status = processes.capture(command_of({"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}),
                                        Deadline::after(std::chrono::seconds(10)));
  const Exit terminated = processes.run(shell("kill -TERM $$; sleep 10"), Deadline::after(std::chrono::seconds(10)));
  ::signal(SIGPIPE, pipe_before);
  ::signal(SIGUSR1, user_before);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(status.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  EXPECT_EQ(terminated.text(), "was killed by signal 15 (Terminated)");
}

TEST(ProcessRun, PutsTheChildInASessionAndGroupOfItsOwn) {
  Processes processes;
  const auto captured = processes.capture(shell("set -- $(cut -d' ' -f5,6 /proc/$$/stat); echo $(($1-$$)) $(($2-$$))"),
                                          Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(captured.out, "0 0\n");
}

TEST(ProcessRun, CallsOnProcessBeforeTheProgramBegins) {
  const Folder folder;
  Processes processes;
  bool was_there = true;
  std::optional<bool> lived;
  const Exit exit = processes.run(shell("echo begun > " + (folder / "mark").string()),
                                  Deadline::after(std::chrono::seconds(10)), {}, [&](const ProcessRecord& record) {
                                    was_there = std::filesystem::exists(folder / "mark");
                                    lived = is_alive(record);
                                    EXPECT_EQ(record_of(record.pid), record);
                                  });
  EXPECT_TRUE(exit.ok());
  EXPECT_FALSE(was_there);
  EXPECT_EQ(lived, true);
  EXPECT_EQ(read_file(folder / "mark"), "begun\n");
}

TEST(ProcessRun, NeverBeginsTheProgramIfOnProcessThrows) {
  const Folder folder;
  Processes processes;
  ProcessRecord child;
  EXPECT_THROW(
      processes.run(shell("echo begun > " + (folder / "mark").string()), Deadline::after(std::chrono::seconds(10)), {},
                    [&](const ProcessRecord& record) {
                      child = record;
                      throw std::runtime_error("the journal is full");
                    }),
      std::runtime_error);
  EXPECT_EQ(is_alive(child), false);
  EXPECT_FALSE(std::filesystem::exists(folder / "mark"));
}

TEST(ProcessRun, NeverBeginsTheProgramIfTheRunnerIsKilledBefore) {
  const Folder folder;
  const pid_t runner = ::fork();
  ASSERT_GE(runner, 0);
  if (runner == 0) {
    Processes processes;
    processes.run(shell("echo begun > " + (folder / "mark").string()), Deadline::never(), {},
                  [&](const ProcessRecord& record) {
                    std::ofstream(folder / "pid") << record.pid << std::flush;
                    ::kill(::getpid(), SIGKILL);
                  });
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(runner, &status, 0), runner);
  ASSERT_TRUE(WIFSIGNALED(status));
  const pid_t child = std::stoi(read_file(folder / "pid"));
  EXPECT_TRUE(soon([&] { return !record_of(child); }));
  EXPECT_FALSE(std::filesystem::exists(folder / "mark"));
}

TEST(ProcessRun, NoticesAChildThatIsKilledBeforeItBegins) {
  Processes processes;
  const Exit exit =
      processes.run(shell("exit 0"), Deadline::after(std::chrono::seconds(10)), {}, [](const ProcessRecord& record) {
        ::kill(record.pid, SIGKILL);
        EXPECT_TRUE(soon([&] { return !record_of(record.pid); }));
      });
  EXPECT_EQ(exit.text(), "was killed by signal 9 (Killed)");
}

TEST(ProcessRun, StartsNothingWhenItIsAlreadyTooLate) {
  const Folder folder;
  Processes processes;
  const Command command = shell("echo begun > " + (folder / "mark").string());
  EXPECT_EQ(processes.run(command, Deadline::after(Duration(0))).text(), "timed out");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(processes.run(command, Deadline::never(stop.get_token())).text(), "was cancelled");
  EXPECT_FALSE(std::filesystem::exists(folder / "mark"));
}

}  // namespace
}  // namespace deployer::test
