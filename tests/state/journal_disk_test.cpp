#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "state/child_process.h"
#include "state/journal.h"
#include "state/journal_events.h"
#include "support/folder.h"
#include "support/forgetful_disk.h"
#include "system/fault.h"
#include "system/files.h"

namespace deployer {

namespace {

using test::Folder;
using test::ForgetfulDisk;

void write_to(const char* file, const std::string& text) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << file;
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size())) << file;
  ::close(fd);
}

/// Puts a small disk over `folder`, for this process only. False where neither root nor a user may mount.
bool mount_small_disk(const std::filesystem::path& folder, const char* size) {
  const unsigned user = getuid();
  const unsigned group = getgid();
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write_to("/proc/self/setgroups", "deny");
    write_to("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    write_to("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return mount("none", folder.c_str(), "tmpfs", 0, size) == 0;
}

Event fat_event(std::size_t bytes) { return event_of("r1", "fact", "", {{"name", std::string(bytes, 'x')}}); }

/// Appends until the disk is full; the error of the one that did not fit.
Error fill(Journal& journal, std::int64_t& taken) {
  for (int i = 0; i < 1000; ++i) {
    std::vector<Event> events = {fat_event(100'000), fat_event(100'000)};
    try {
      journal.append(events);
      taken += 2;
    } catch (const Error& error) {
      EXPECT_FALSE(events[0].seq);
      return error;
    }
  }
  return Error(ErrorKind::internal, "the disk never became full");
}

}  // namespace

TEST(JournalDisk, FreesItsBallastOnAFullDiskSoThatARollbackCanBeJournalled) {
  const Folder folder;
  EXPECT_EQ(in_a_process_of_its_own([&] {
              // Where no disk can be mounted, one file may not grow over its limit: that is all a full disk can be
              // then.
              const bool mounted = mount_small_disk(folder.path(), "size=13m");
              if (!mounted) {
                signal(SIGXFSZ, SIG_IGN);
                const rlimit limit = {4 << 20, RLIM_INFINITY};
                ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
              }
              Files files;
              const Redactor redactor;
              FaultPoints faults;
              Journal journal = Journal::open(folder.path(), files, redactor, faults);
              std::int64_t taken = 0;
              const Error error = fill(journal, taken);
              ASSERT_EQ(error.kind, mounted ? ErrorKind::no_space : ErrorKind::io) << error.message;
              EXPECT_EQ(error.message.find("cannot write the journal " + (folder / "journal.db").string() + ": "), 0u)
                  << error.message;
              EXPECT_EQ(static_cast<std::int64_t>(journal.events("r1").size()), taken);
              // Where a file may not grow, there was no ballast to begin with.
              EXPECT_EQ(journal.free_ballast(), mounted);
              const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
              ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
              std::vector<Event> events = {event_of("r1", "rollback_started"), fat_event(100'000)};
              journal.append(events);
              EXPECT_EQ(events[0].seq, taken + 1);
              EXPECT_EQ(journal.events("r1", taken).size(), 2u);
            }),
            0);
}

TEST(JournalDisk, IsOpenedOnADiskThatHasNoRoomForItsBallastAndSaysSo) {
  const Folder folder;
  EXPECT_EQ(in_a_process_of_its_own([&] {
              ForgetfulDisk disk(folder.path());
              disk.fail_from(ForgetfulDisk::Call::fallocate, 1, ENOSPC);
              Files files(disk);
              const Redactor redactor;
              FaultPoints faults;
              Journal journal = Journal::open(folder / "target", files, redactor, faults);
              EXPECT_FALSE(files.exists(folder / "target/ballast"));
              EXPECT_FALSE(journal.take_ballast());
              std::vector<Event> events = {event_of("r1", "run_started")};
              journal.append(events);
              disk.repair();
              EXPECT_TRUE(journal.take_ballast());
            }),
            0);
}

TEST(JournalDisk, TellsWhenItsFolderCannotBeMade) {
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.fail_from(ForgetfulDisk::Call::mkdir, 1, EROFS);
  Files files(disk);
  const Redactor redactor;
  FaultPoints faults;
  EXPECT_THROW(Journal::open(folder / "target", files, redactor, faults), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "target"));
}

}  // namespace deployer
