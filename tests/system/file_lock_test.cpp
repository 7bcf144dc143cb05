#include "system/file_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "support/folder.h"

namespace deployer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Folder;

/// A process that holds a lock until it is killed.
class LockHolder {
 public:
  explicit LockHolder(const std::filesystem::path& file) {
    int ready[2];
    if (pipe(ready) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ == 0) {
      const std::optional<FileLock> lock = FileLock::try_take(file);
      const char answer = lock ? 'y' : 'n';
      (void)!write(ready[1], &answer, 1);
      while (true) pause();
    }
    char answer = '?';
    EXPECT_EQ(read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  ~LockHolder() { kill_9(); }
  void kill_9() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

TEST(FileLock, IsNotGivenTwiceInOneProcess) {
  const Folder folder;
  std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  ASSERT_TRUE(first);
  EXPECT_FALSE(FileLock::try_take(folder / "lock"));
  EXPECT_TRUE(FileLock::is_held(folder / "lock"));
  first.reset();
  EXPECT_FALSE(FileLock::is_held(folder / "lock"));
  EXPECT_TRUE(FileLock::try_take(folder / "lock"));
}

TEST(FileLock, MovesWithItsObject) {
  const Folder folder;
  std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  ASSERT_TRUE(first);
  {
    const FileLock moved = std::move(*first);
    first.reset();
    EXPECT_TRUE(FileLock::is_held(folder / "lock"));
  }
  EXPECT_FALSE(FileLock::is_held(folder / "lock"));
}

TEST(FileLock, IsTakenOnAFileThatMayOnlyBeRead) {
  const Folder folder;
  folder.write("lock", "", 0444);
  const std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  EXPECT_TRUE(first.has_value());
  EXPECT_FALSE(FileLock::try_take(folder / "lock").has_value());
}

TEST(FileLock, LookingAtItMakesNoFile) {
  const Folder folder;
  EXPECT_FALSE(FileLock::is_held(folder / "lock"));
  EXPECT_FALSE(std::filesystem::exists(folder / "lock"));
  EXPECT_FALSE(FileLock::is_held(folder / "none/lock"));
}

TEST(FileLock, ItsFileCanBeLockedByWhoeverCanReadIt) {
  const Folder folder;
  (void)FileLock::try_take(folder / "lock");
  struct stat data = {};
  ASSERT_EQ(stat((folder / "lock").c_str(), &data), 0);
  EXPECT_EQ(data.st_mode & 0777u, 0644u);
}

TEST(FileLock, AMissingFolderIsAnError) {
  const Folder folder;
  try {
    (void)FileLock::try_take(folder / "none/lock");
    FAIL() << "no error came";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::io);
    EXPECT_EQ(error.message,
              "cannot open the lock file " + (folder / "none/lock").string() + ": No such file or directory");
  }
}

TEST(FileLock, IsFreeWhenItsHolderWasKilled) {
  const Folder folder;
  LockHolder holder(folder / "lock");
  EXPECT_TRUE(FileLock::is_held(folder / "lock"));
  EXPECT_FALSE(FileLock::try_take(folder / "lock"));
  holder.kill_9();
  EXPECT_TRUE(FileLock::try_take(folder / "lock"));
}

TEST(FileLock, IsNotInheritedByAProgramThatIsStarted) {
  const Folder folder;
  std::optional<FileLock> lock = FileLock::try_take(folder / "lock");
  ASSERT_TRUE(lock);
  char program[] = "sleep";
  char length[] = "60";
  char* argv[] = {program, length, nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawnp(&child, "sleep", nullptr, nullptr, argv, environ), 0);
  lock.reset();
  EXPECT_TRUE(FileLock::take(folder / "lock", Deadline::after(seconds(5))));
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "the child ended too early to prove anything";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(FileLock, WaitsUntilItIsFree) {
  const Folder folder;
  std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  std::jthread releaser([&first] {
    std::this_thread::sleep_for(milliseconds(20));
    first.reset();
  });
  EXPECT_TRUE(FileLock::take(folder / "lock", Deadline::after(seconds(10))));
}

TEST(FileLock, WaitsNoLongerThanTheDeadline) {
  const Folder folder;
  const std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(FileLock::take(folder / "lock", Deadline::after(milliseconds(60))));
  const auto waited = std::chrono::steady_clock::now() - before;
  EXPECT_GE(waited, milliseconds(60));
  EXPECT_LT(waited, seconds(2));
}

TEST(FileLock, WaitingCanBeCancelled) {
  const Folder folder;
  const std::optional<FileLock> first = FileLock::try_take(folder / "lock");
  std::stop_source stop;
  std::jthread canceller([&stop] {
    std::this_thread::sleep_for(milliseconds(20));
    stop.request_stop();
  });
  try {
    (void)FileLock::take(folder / "lock", Deadline::never(stop.get_token()));
    FAIL() << "no error came";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::cancelled);
    EXPECT_EQ(error.message, "cancelled: waiting for the lock " + (folder / "lock").string());
  }
}

}  // namespace
}  // namespace deployer
