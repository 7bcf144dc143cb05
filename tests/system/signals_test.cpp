#include "system/signals.h"

#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <utility>
#include <vector>

#include "system/process_probe.h"

namespace deployer::test {
namespace {

/// What a child of the test did, since signals are of the whole process.
int status_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

class SeenSignals {
 public:
  void add(int number, int count) {
    const std::scoped_lock lock(mutex_);
    seen_.emplace_back(number, count);
  }
  std::vector<std::pair<int, int>> get() {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<int, int>> seen_;
};

TEST(Signals, TellsEachSignalInAThreadOfItsOwnAndCounts) {
  const int status = status_of_child([] {
    SeenSignals seen;
    const pthread_t here = ::pthread_self();
    bool same_thread = false;
    const Signals signals([&](int number, int count) {
      if (::pthread_equal(here, ::pthread_self()) != 0) same_thread = true;
      seen.add(number, count);
    });
    std::size_t expected = 0;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGINT}) {
      ::kill(::getpid(), number);
      ++expected;
      if (!soon([&] { return seen.get().size() == expected; })) return 1;
    }
    const std::vector<std::pair<int, int>> all = {{SIGINT, 1}, {SIGTERM, 2}, {SIGHUP, 3}, {SIGINT, 4}};
    if (seen.get() != all) return 2;
    return same_thread ? 3 : 0;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Signals, LetsABrokenPipeBeAnError) {
  const int status = status_of_child([] {
    const Signals signals([](int, int) {});
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    ::close(ends[0]);
    return ::write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 2;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Signals, LeavesTheSignalsAsTheyWere) {
  const int status = status_of_child([] {
    sigset_t before;
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    {
      const Signals signals([](int, int) {});
    }
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int number = 1; number < NSIG; ++number) {
      if (sigismember(&before, number) != sigismember(&after, number)) return 1;
    }
    struct sigaction action = {};
    if (::sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return 2;
    ::kill(::getpid(), SIGTERM);
    return 3;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Signals, LeavesAnIgnoredHangUpIgnored) {
  const int status = status_of_child([] {
    ::signal(SIGHUP, SIG_IGN);
    SeenSignals seen;
    const Signals signals([&](int number, int count) { seen.add(number, count); });
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGTERM);
    if (!soon([&] { return !seen.get().empty(); })) return 1;
    return seen.get() == std::vector<std::pair<int, int>>{{SIGTERM, 1}} ? 0 : 2;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Signals, DoesNotReachChildrenOfTheProgram) {
  const int status = status_of_child([] {
    const Signals signals([](int, int) {});
    Processes processes;
    const Exit exit = processes.run(shell("kill -TERM $$; sleep 10"), Deadline::after(std::chrono::seconds(20)));
    return exit.text() == "was killed by signal 15 (Terminated)" ? 0 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace deployer::test
