#include "system/files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/error.h"
#include "support/folder.h"
#include "support/forgetful_disk.h"

namespace deployer {
namespace {

using test::Folder;
using test::ForgetfulDisk;
using test::read_file;
using testing::AnyOf;
using testing::ElementsAre;
using Call = ForgetfulDisk::Call;
namespace fs = std::filesystem;

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error came";
  return Error(ErrorKind::internal, "none");
}

/// The names of everything in a folder, with what is in its folders.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

using Act = std::function<void(Files&, const fs::path&)>;
using Check = std::function<void(const fs::path&)>;

/// Runs `act` on a fresh folder once for each call it makes, that call failing; `check` sees what is left.
/// How many calls there were.
std::uint64_t with_each_call_failing(int code, const Act& prepare, const Act& act, const Check& check) {
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " fails with " + std::to_string(code));
    const Folder folder;
    Files real;
    prepare(real, folder.path());
    ForgetfulDisk disk(folder.path());
    disk.fail(Call::any, n, code);
    Files files(disk);
    bool failed = false;
    try {
      act(files, folder.path());
    } catch (const Error& error) {
      failed = true;
      EXPECT_EQ(error.kind, code == ENOSPC ? ErrorKind::no_space : ErrorKind::io);
    }
    check(folder.path());
    if (disk.count(Call::any) < n) {
      EXPECT_FALSE(failed);
      return n - 1;
    }
  }
}

/// Runs `act` once for each call it makes, the power cut there, and once with the cut right after it came back.
void with_power_cut_at_each_call(const Act& prepare, const Act& act, const Check& check, const Check& check_done) {
  for (const auto unsynced : {ForgetfulDisk::Unsynced::lost, ForgetfulDisk::Unsynced::names_kept}) {
    bool done = false;
    for (std::uint64_t n = 1; !done; ++n) {
      SCOPED_TRACE("power cut at call " + std::to_string(n));
      const Folder folder;
      Files real;
      prepare(real, folder.path());
      ForgetfulDisk disk(folder.path());
      disk.cut_power_at(n);
      Files files(disk);
      try {
        act(files, folder.path());
        done = disk.count(Call::any) < n;
      } catch (const Error&) {
        done = false;
      }
      disk.lose_power(unsynced);
      check(folder.path());
      if (done) check_done(folder.path());
    }
  }
}

void nothing(Files&, const fs::path&) {}
void old_file(Files& files, const fs::path& folder) { files.publish(folder / "a", "old"); }
void new_file(Files& files, const fs::path& folder) { files.publish(folder / "a", "new content"); }

TEST(Files, ReadsWhatWasPublished) {
  const Folder folder;
  Files files;
  files.publish(folder / "a", std::string("x\0y", 3), 0600);
  EXPECT_EQ(files.read(folder / "a"), std::string("x\0y", 3));
  EXPECT_EQ(files.info(folder / "a")->mode, 0600u);
  EXPECT_EQ(files.info(folder / "a")->bytes, 3u);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a"});
}

TEST(Files, AMissingFileIsNotFound) {
  const Folder folder;
  const Error error = error_of([&] { (void)Files().read(folder / "a"); });
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_EQ(error.message, "cannot open " + (folder / "a").string() + ": No such file or directory");
  EXPECT_FALSE(Files().exists(folder / "a"));
}

TEST(Files, AFileOverTheLimitIsRefused) {
  const Folder folder;
  const fs::path file = folder.write("a", "12345");
  EXPECT_EQ(Files().read(file, 5), "12345");
  const Error error = error_of([&] { (void)Files().read(file, 4); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, file.string() + " is larger than 4 bytes");
}

TEST(Files, ReadingAFolderIsAnErrorThatNamesIt) {
  const Folder folder;
  EXPECT_EQ(error_of([&] { (void)Files().read(folder.path()); }).message,
            "cannot read " + folder.path().string() + ": Is a directory");
}

TEST(Files, ListsTheNamesOfAFolderSorted) {
  const Folder folder;
  folder.write("b", "");
  folder.write("a", "");
  EXPECT_THAT(Files().list(folder.path()), ElementsAre("a", "b"));
  EXPECT_THAT(Files().list(folder / "none"), ElementsAre());
}

TEST(Files, InfoDoesNotFollowALink) {
  const Folder folder;
  fs::create_symlink("nowhere", folder / "link");
  EXPECT_TRUE(Files().info(folder / "link")->is_link);
  EXPECT_EQ(Files().read_link(folder / "link"), fs::path("nowhere"));
  EXPECT_EQ(Files().read_link(folder.path()), std::nullopt);
}

TEST(Files, TheFreeSpaceOfAPlaceThatIsNotThereYetIsThatOfItsParent) {
  const Folder folder;
  EXPECT_GT(Files().free_space(folder / "not" / "yet"), 0u);
}

TEST(Files, AWriteThatTakesAFewBytesAtATimeIsGoneOnWith) {
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.write_at_most(3);
  Files files(disk);
  files.publish(folder / "a", "0123456789");
  EXPECT_EQ(read_file(folder / "a"), "0123456789");
  EXPECT_EQ(disk.count(Call::write), 4u);
}

TEST(Files, PublishLeavesTheOldContentOrTheNewWhicheverCallFails) {
  for (const int code : {ENOSPC, EIO}) {
    const std::uint64_t calls = with_each_call_failing(code, old_file, new_file, [](const fs::path& folder) {
      EXPECT_THAT(read_file(folder / "a"), AnyOf("old", "new content"));
      EXPECT_THAT(names_in(folder), ElementsAre("a"));
    });
    EXPECT_EQ(calls, 8u) << "open, write, fsync, close, rename; open, fsync, close of the folder";
  }
}

TEST(Files, PublishOfANewFileLeavesNothingWhereItFailedBeforeTheRename) {
  for (const Call call : {Call::open, Call::write, Call::fsync, Call::close, Call::rename}) {
    const Folder folder;
    ForgetfulDisk disk(folder.path());
    disk.fail(call, 1, ENOSPC);
    Files files(disk);
    EXPECT_EQ(error_of([&] { new_file(files, folder.path()); }).kind, ErrorKind::no_space);
    EXPECT_THAT(names_in(folder.path()), ElementsAre());
  }
}

TEST(Files, PublishLeavesTheOldContentOrTheNewWheneverThePowerIsCut) {
  with_power_cut_at_each_call(
      old_file, new_file,
      [](const fs::path& folder) { EXPECT_THAT(read_file(folder / "a"), AnyOf("old", "new content")); },
      [](const fs::path& folder) { EXPECT_EQ(read_file(folder / "a"), "new content"); });
}

TEST(Files, WhatACrashLeftBesideAFileIsReplaced) {
  const Folder folder;
  folder.write("a.part", "half", 0777);
  Files files;
  new_file(files, folder.path());
  EXPECT_EQ(read_file(folder / "a"), "new content");
  EXPECT_EQ(files.info(folder / "a")->mode & 0111, 0u);
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(Files, ALinkThatSomebodyPutWhereThePartIsWrittenIsNotFollowed) {
  const Folder folder;
  folder.write("victim", "kept");
  fs::create_symlink(folder / "victim", folder / "a.part");
  Files files;
  new_file(files, folder.path());
  EXPECT_EQ(read_file(folder / "victim"), "kept");
}

TEST(Files, APublicationThatIsNotCommittedLeavesNothing) {
  const Folder folder;
  Files files;
  {
    Files::Publication publication = files.begin(folder / "a");
    publication.write("half");
    EXPECT_THAT(names_in(folder.path()), ElementsAre("a.part"));
    const Files::Publication moved = std::move(publication);
    EXPECT_EQ(moved.bytes(), 4u);
  }
  EXPECT_THAT(names_in(folder.path()), ElementsAre());
}

TEST(Files, ANewNameIsGivenToOneOfTwo) {
  const Folder folder;
  Files files;
  {
    std::optional<Files::Publication> first = files.begin_new(folder / "a");
    ASSERT_TRUE(first);
    EXPECT_FALSE(files.begin_new(folder / "a"));
    first->write("first");
    first->commit();
  }
  EXPECT_FALSE(files.begin_new(folder / "a"));
  EXPECT_EQ(read_file(folder / "a"), "first");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(Files, WhatFailedNamesTheFileAndTheReason) {
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.fail(Call::write, 1, ENOSPC);
  Files files(disk);
  EXPECT_EQ(error_of([&] { new_file(files, folder.path()); }).message,
            "cannot write " + (folder / "a").string() + ": No space left on device");
}

TEST(Files, AFailedSyncIsNotTriedAgain) {
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.fail(Call::fsync, 1, EIO);
  Files files(disk);
  EXPECT_EQ(error_of([&] { new_file(files, folder.path()); }).message,
            "cannot sync " + (folder / "a").string() + ": Input/output error");
  EXPECT_EQ(disk.count(Call::fsync), 1u);
}

TEST(Files, MakesAFolderWithItsParentsAndTheyLast) {
  const auto make = [](Files& files, const fs::path& folder) { files.make_folder(folder / "x/y/z", 0700); };
  with_power_cut_at_each_call(
      nothing, make, [](const fs::path&) {},
      [](const fs::path& folder) { EXPECT_THAT(names_in(folder), ElementsAre("x", "x/y", "x/y/z")); });
}

TEST(Files, AFolderThatCouldNotBeMadeIsMadeByTheNextCallAndLasts) {
  with_each_call_failing(
      EIO, nothing,
      [](Files& files, const fs::path& folder) {
        try {
          files.make_folder(folder / "x/y");
        } catch (const Error&) {
          files.make_folder(folder / "x/y");
          throw;
        }
      },
      [](const fs::path& folder) { EXPECT_THAT(names_in(folder), ElementsAre("x", "x/y")); });
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.fail(Call::fsync, 1, EIO);
  Files files(disk);
  EXPECT_THROW(files.make_folder(folder / "x"), Error);
  files.make_folder(folder / "x");
  disk.lose_power();
  EXPECT_THAT(names_in(folder.path()), ElementsAre("x"));
}

TEST(Files, AFileInTheWayOfAFolderIsAnError) {
  const Folder folder;
  folder.write("x", "");
  EXPECT_EQ(error_of([&] { Files().make_folder(folder / "x"); }).message,
            "cannot make the folder " + (folder / "x").string() + ": File exists");
}

TEST(Files, ARenameThatCameBackLasts) {
  const auto prepare = [](Files& files, const fs::path& folder) {
    files.make_folder(folder / "from");
    files.make_folder(folder / "to");
    files.publish(folder / "from/a", "text");
  };
  const auto act = [](Files& files, const fs::path& folder) { files.rename(folder / "from/a", folder / "to/b"); };
  const auto somewhere = [](const fs::path& folder) {
    EXPECT_TRUE(fs::exists(folder / "from/a") || fs::exists(folder / "to/b"));
  };
  with_power_cut_at_each_call(prepare, act, somewhere, [](const fs::path& folder) {
    EXPECT_THAT(names_in(folder), ElementsAre("from", "to", "to/b"));
    EXPECT_EQ(read_file(folder / "to/b"), "text");
  });
  with_each_call_failing(ENOSPC, prepare, act, somewhere);
}

TEST(Files, ARenameThatFailsNamesBothPaths) {
  const Folder folder;
  const Error error = error_of([&] { Files().rename(folder / "a", folder / "b"); });
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_EQ(error.message, "cannot rename " + (folder / "a").string() + " to " + (folder / "b").string() +
                               ": No such file or directory");
}

TEST(Files, ALinkIsTheOldOneOrTheNewOneWhateverFails) {
  const auto prepare = [](Files& files, const fs::path& folder) { files.switch_link(folder / "current", "1"); };
  const auto act = [](Files& files, const fs::path& folder) { files.switch_link(folder / "current", "2"); };
  const auto old_or_new = [](const fs::path& folder) {
    EXPECT_THAT(fs::read_symlink(folder / "current").string(), AnyOf("1", "2"));
  };
  for (const int code : {ENOSPC, EIO}) {
    with_each_call_failing(code, prepare, act, [&](const fs::path& folder) {
      old_or_new(folder);
      EXPECT_THAT(names_in(folder), ElementsAre("current"));
    });
  }
  with_power_cut_at_each_call(prepare, act, old_or_new,
                              [](const fs::path& folder) { EXPECT_EQ(fs::read_symlink(folder / "current"), "2"); });
}

TEST(Files, ALinkIsNotSwitchedOverAFolder) {
  const Folder folder;
  fs::create_directory(folder / "current");
  Files files;
  EXPECT_EQ(error_of([&] { files.switch_link(folder / "current", "2"); }).message,
            "cannot switch the link " + (folder / "current").string() + ": Is a directory");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("current"));
}

TEST(Files, RoomIsReallyTakenOrNoFileIsThere) {
  const auto act = [](Files& files, const fs::path& folder) { files.reserve(folder / "ballast", 100'000); };
  const auto check = [](const fs::path& folder) {
    struct stat data = {};
    if (!fs::exists(folder / "ballast")) return;
    ASSERT_EQ(::stat((folder / "ballast").c_str(), &data), 0);
    EXPECT_EQ(data.st_size, 100'000);
    EXPECT_GE(data.st_blocks * 512, 100'000);
  };
  EXPECT_EQ(with_each_call_failing(ENOSPC, nothing, act,
                                   [&](const fs::path& folder) {
                                     check(folder);
                                     EXPECT_THAT(names_in(folder), AnyOf(ElementsAre(), ElementsAre("ballast")));
                                   }),
            8u);
  with_power_cut_at_each_call(
      nothing, act, [](const fs::path&) {},
      [](const fs::path& folder) { EXPECT_EQ(fs::file_size(folder / "ballast"), 100'000u); });
}

TEST(Files, RoomIsTakenByWritingWhereTheFileSystemCannotReserve) {
  const Folder folder;
  ForgetfulDisk disk(folder.path());
  disk.fail(Call::fallocate, 1, EOPNOTSUPP);
  Files files(disk);
  files.reserve(folder / "ballast", 100'000);
  EXPECT_EQ(fs::file_size(folder / "ballast"), 100'000u);
}

TEST(Files, WhatIsRemovedStaysAwayAndRemovingNothingIsFine) {
  const auto act = [](Files& files, const fs::path& folder) { files.remove(folder / "a"); };
  with_power_cut_at_each_call(
      old_file, act, [](const fs::path&) {},
      [](const fs::path& folder) { EXPECT_THAT(names_in(folder), ElementsAre()); });
  const Folder folder;
  EXPECT_NO_THROW(Files().remove(folder / "a"));
  EXPECT_NO_THROW(Files().remove_folder(folder / "a"));
}

TEST(Files, AFolderIsRemovedWithAllThatIsInItButNotWhatItsLinksPointTo) {
  const Folder folder;
  folder.write("kept/a", "kept");
  folder.write("gone/x/y", "");
  folder.write("gone/z", "");
  fs::create_directory_symlink(folder / "kept", folder / "gone/link");
  Files files;
  files.remove_folder(folder / "gone");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("kept", "kept/a"));
  fs::create_directory_symlink(folder / "kept", folder / "link");
  EXPECT_EQ(error_of([&] { files.remove_folder(folder / "link"); }).message,
            "cannot remove the folder " + (folder / "link").string() + ": Not a directory");
  EXPECT_TRUE(fs::exists(folder / "kept/a"));
}

TEST(Files, AFolderWhoseRemovalFailedIsRemovedByTheNext) {
  const auto prepare = [](Files& files, const fs::path& folder) {
    files.make_folder(folder / "gone/x");
    files.publish(folder / "gone/x/a", "");
    files.publish(folder / "gone/b", "");
  };
  with_each_call_failing(
      EIO, prepare,
      [](Files& files, const fs::path& folder) {
        try {
          files.remove_folder(folder / "gone");
        } catch (const Error&) {
          files.remove_folder(folder / "gone");
          throw;
        }
      },
      [](const fs::path& folder) { EXPECT_THAT(names_in(folder), ElementsAre()); });
}

TEST(Files, AFileSystemOfThisMachineIsNoneOverANetwork) {
  EXPECT_EQ(network_file_system("/proc/self"), std::nullopt);
  EXPECT_EQ(network_file_system("/dev/shm/not/there"), std::nullopt);
}

}  // namespace
}  // namespace deployer
