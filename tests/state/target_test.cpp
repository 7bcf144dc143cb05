#include "state/target.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/error.h"
#include "state/child_process.h"
#include "support/folder.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

using test::Folder;
using test::read_file;
namespace fs = std::filesystem;

LockOwner owner_named(const std::string& run) {
  return {run, "web1", record_of_self().json(), "2026-11-24T12:00:00.000Z"};
}

Deadline at_once() { return Deadline::after(Duration(0)); }

}  // namespace

class TargetLockTest : public testing::Test {
 protected:
  Target target() const {
    return target_of(folder / "state", "sqlite:/srv/app.db", folder / "app.db", "production", "deploy");
  }
  std::optional<TargetLock> take(const std::string& run, const Deadline& deadline = at_once(),
                                 const std::function<void(const LockOwner&)>& waiting = {}) {
    return TargetLock::take(target(), owner_named(run), files, deadline, waiting);
  }

  Folder folder;
  Files files;
};

namespace {

/// A process that holds the lock until it is killed.
class Holder {
 public:
  Holder(const Target& target, const std::string& run) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    child_ = fork();
    if (child_ == 0) {
      Files files;
      const auto lock = TargetLock::take(target, owner_named(run), files, at_once());
      const char answer = lock ? 'y' : 'n';
      if (write(ends[1], &answer, 1) == 1) pause();
      _exit(1);
    }
    char answer = 0;
    close(ends[1]);
    holds_ = read(ends[0], &answer, 1) == 1 && answer == 'y';
    close(ends[0]);
  }
  ~Holder() { end(); }
  void end() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  pid_t pid() const { return child_; }
  bool holds() const { return holds_; }

 private:
  pid_t child_ = 0;
  bool holds_ = false;
};

}  // namespace

TEST(TargetOf, IsTheDatabaseWithALockBesideItsFile) {
  const Target target = target_of("/state", "sqlite:/srv/app.db", "/srv/app.db", "", "deploy");
  EXPECT_EQ(target.identity, "sqlite:/srv/app.db");
  EXPECT_EQ(target.name, "sqlite:/srv/app.db");
  EXPECT_EQ(target.folder.parent_path(), "/state");
  EXPECT_EQ(target.folder.filename().string().find("sqlite-srv-app-db-"), 0u);
  EXPECT_EQ(target.lock_files, std::vector<fs::path>{"/srv/app.db.deployer-lock"});
}

TEST(TargetOf, TakesANameAsALockBesideTheDatabases) {
  const Target one = target_of("/state", "sqlite:/srv/a.db", "/srv/a.db", "production", "deploy");
  const Target two = target_of("/state", "sqlite:/srv/b.db", "/srv/b.db", "production", "other");
  EXPECT_EQ(one.name, "production");
  EXPECT_NE(one.folder, two.folder);
  ASSERT_EQ(one.lock_files.size(), 2u);
  EXPECT_EQ(one.lock_files[1], two.lock_files[1]);
  EXPECT_EQ(one.lock_files[1].parent_path(), "/state/locks");
}

TEST(TargetOf, IsTheLocksNameElseThePipelinesWhereThereIsNoDatabase) {
  const Target named = target_of("/state", "", "", "production", "deploy");
  EXPECT_EQ(named.identity, "production");
  const Target unnamed = target_of("/state", "", "", "", "deploy");
  EXPECT_EQ(unnamed.identity, "deploy");
  EXPECT_EQ(unnamed.name, "deploy");
  ASSERT_EQ(unnamed.lock_files.size(), 1u);
  EXPECT_NE(named.lock_files[0], unnamed.lock_files[0]);
}

TEST(TargetOf, KeepsNamesApartThatLookAlikeOnceTheyAreFileNames) {
  EXPECT_NE(target_of("/state", "", "", "a b", "").folder, target_of("/state", "", "", "a/b", "").folder);
  EXPECT_NE(target_of("/state", "", "", "é", "").folder, target_of("/state", "", "", "ü", "").folder);
  const std::string longest(5000, 'x');
  EXPECT_LT(target_of("/state", "", "", longest, "").folder.filename().string().size(), 80u);
}

TEST(StateRoot, IsTheFolderThatIsConfigured) {
  EXPECT_EQ(state_root("/srv/state/", {}), "/srv/state/");
  EXPECT_EQ(state_root("state", {}), fs::current_path() / "state");
}

TEST(StateRoot, IsTheUsersWhereTheSystemsCannotBeWritten) {
  // Who may write it is not who the test runs as everywhere; nobody may nowhere.
  EXPECT_EQ(in_a_process_of_its_own([] {
              if (getuid() == 0) {
                ASSERT_EQ(setuid(65534), 0);
              }
              EXPECT_EQ(state_root("auto", {{"HOME", "/home/ann"}}), "/home/ann/.local/state/deployer");
              EXPECT_EQ(state_root("auto", {{"HOME", "/home/ann"}, {"XDG_STATE_HOME", "/x"}}), "/x/deployer");
              EXPECT_EQ(state_root("auto", {{"HOME", "/home/ann"}, {"XDG_STATE_HOME", "relative"}}),
                        "/home/ann/.local/state/deployer");
              try {
                state_root("auto", {});
                ADD_FAILURE() << "there was a place";
              } catch (const Error& error) {
                EXPECT_EQ(error.message,
                          "there is no place for the state folder: /var/lib/deployer cannot be written, and HOME is "
                          "not set");
                EXPECT_EQ(error.hint, "set `state` in etc/deployer.yml, or DEPLOYER_STATE");
              }
            }),
            0);
}

TEST_F(TargetLockTest, IsFreeUntilItIsTakenAndAfterItsEnd) {
  EXPECT_FALSE(TargetLock::holder(target()));
  EXPECT_FALSE(files.exists(folder / "state"));
  {
    const std::optional<TargetLock> lock = take("r1");
    ASSERT_TRUE(lock);
    const std::optional<LockOwner> holder = TargetLock::holder(target());
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->run, "r1");
    EXPECT_EQ(holder->host, "web1");
    EXPECT_EQ(holder->since, "2026-11-24T12:00:00.000Z");
    EXPECT_EQ(ProcessRecord::from(holder->record), record_of_self());
    EXPECT_FALSE(take("r2"));
    EXPECT_EQ(TargetLock::holder(target())->run, "r1");
  }
  EXPECT_FALSE(TargetLock::holder(target()));
  EXPECT_EQ(read_file(folder / "app.db.deployer-lock"), "");
  EXPECT_TRUE(take("r2"));
}

TEST_F(TargetLockTest, ShutsOutAnotherProcessAndNamesIt) {
  const Holder other(target(), "r1");
  ASSERT_TRUE(other.holds());
  EXPECT_FALSE(take("r2"));
  const std::optional<LockOwner> holder = TargetLock::holder(target());
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->run, "r1");
  EXPECT_EQ(ProcessRecord::from(holder->record).pid, other.pid());
}

TEST_F(TargetLockTest, EndsWithTheDeathOfItsHolder) {
  Holder other(target(), "r1");
  ASSERT_TRUE(other.holds());
  other.end();
  EXPECT_FALSE(TargetLock::holder(target()));
  const std::optional<TargetLock> lock = take("r2");
  ASSERT_TRUE(lock);
  EXPECT_EQ(TargetLock::holder(target())->run, "r2");
}

TEST_F(TargetLockTest, IsSharedByEverybodyWhoUsesItsName) {
  const std::optional<TargetLock> lock = take("r1");
  ASSERT_TRUE(lock);
  const Target other = target_of(folder / "state", "sqlite:/srv/b.db", folder / "b.db", "production", "other");
  EXPECT_FALSE(TargetLock::take(other, owner_named("r2"), files, at_once()));
  EXPECT_EQ(TargetLock::holder(other)->run, "r1");
  const Target unrelated = target_of(folder / "state", "sqlite:/srv/b.db", folder / "b.db", "", "other");
  EXPECT_TRUE(TargetLock::take(unrelated, owner_named("r2"), files, at_once()));
}

TEST_F(TargetLockTest, IsWaitedForAndSaysOnceForWhom) {
  Holder other(target(), "r1");
  ASSERT_TRUE(other.holds());
  std::vector<std::string> waited_for;
  const std::optional<TargetLock> lock =
      take("r2", Deadline::after(std::chrono::seconds(30)), [&](const LockOwner& owner) {
        waited_for.push_back(owner.run);
        other.end();
      });
  EXPECT_TRUE(lock);
  EXPECT_EQ(waited_for, std::vector<std::string>{"r1"});
}

TEST_F(TargetLockTest, StopsWaitingAtItsDeadlineAndWhenItIsTold) {
  const Holder other(target(), "r1");
  ASSERT_TRUE(other.holds());
  EXPECT_FALSE(take("r2", Deadline::after(Duration(60))));
  std::stop_source stop;
  EXPECT_THROW(take("r2", Deadline::never(stop.get_token()), [&](const LockOwner&) { stop.request_stop(); }), Error);
}

TEST_F(TargetLockTest, IsNotInheritedByAChild) {
  std::optional<TargetLock> lock = take("r1");
  ASSERT_TRUE(lock);
  Processes processes;
  std::string out;
  processes.run({{"/bin/sh", "-c", "ls -l /proc/self/fd"}, {}, {}, {}, {}}, Deadline::after(std::chrono::seconds(30)),
                [&](OutputStream, std::string_view text) { out += text; });
  EXPECT_NE(out, "");
  EXPECT_EQ(out.find("deployer-lock"), std::string::npos) << out;
}

TEST_F(TargetLockTest, IsTakenOnADiskThatDoesNotTakeItsOwnersName) {
  EXPECT_TRUE(take("r1"));
  EXPECT_EQ(in_a_process_of_its_own([&] {
              signal(SIGXFSZ, SIG_IGN);
              const rlimit none = {0, 0};
              ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
              const std::optional<TargetLock> lock = take("r2");
              ASSERT_TRUE(lock);
              EXPECT_EQ(TargetLock::holder(target())->run, "");
            }),
            0);
}

TEST_F(TargetLockTest, NeedsTheFolderOfTheDatabase) {
  const Target nowhere = target_of(folder / "state", "sqlite:/x", folder / "missing/app.db", "", "deploy");
  try {
    TargetLock::take(nowhere, owner_named("r1"), files, at_once());
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "cannot open the lock file " + (folder / "missing/app.db.deployer-lock").string() +
                                 ": No such file or directory");
  }
}

TEST_F(TargetLockTest, MakesItsTargetKnown) {
  EXPECT_TRUE(known_targets(folder / "state", files).empty());
  const Target made = target();
  take("r1");
  const std::vector<Target> known = known_targets(folder / "state", files);
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].identity, made.identity);
  EXPECT_EQ(known[0].name, made.name);
  EXPECT_EQ(known[0].folder, made.folder);
  EXPECT_EQ(known[0].lock_files, made.lock_files);
}

TEST_F(TargetLockTest, IsKnownInAStateFolderThatWasMoved) {
  take("r1");
  fs::rename(folder / "state", folder / "moved");
  const std::vector<Target> known = known_targets(folder / "moved", files);
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].folder.parent_path(), folder / "moved");
  EXPECT_EQ(known[0].lock_files[0], folder / "app.db.deployer-lock");
  EXPECT_EQ(known[0].lock_files[1].parent_path(), folder / "moved/locks");
}

TEST_F(TargetLockTest, NamesADescriptionThatIsNone) {
  const fs::path file = folder.write("state/x/target.json", "{\"identity\": 3}");
  try {
    known_targets(folder / "state", files);
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.message, file.string() + " does not describe a target");
  }
}

}  // namespace deployer
