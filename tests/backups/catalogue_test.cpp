#include "backups/catalogue.h"

#include <gmock/gmock.h>

#include <fstream>

#include "backups/library.h"
#include "backups/marks.h"
#include "backups/new_file.h"
#include "backups/verify.h"
#include "support/forgetful_disk.h"

namespace deployer::backups {
namespace {

using deployer::test::ForgetfulDisk;
using deployer::test::read_file;
using test::at_two;
using test::error_of;
using test::Library;
using test::machine_of;
using test::names_in;
using test::soon_enough;
using testing::ElementsAre;
using Call = ForgetfulDisk::Call;
namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<Manifest>& backups) {
  std::vector<std::string> names;
  for (const Manifest& backup : backups) names.push_back(backup.name);
  return names;
}

Manifest back_up_later(Library& library, std::int64_t seconds) {
  BackupRequest request = library.request();
  request.now = at_two(seconds);
  Files files;
  return create(library.session(), request, machine_of(files), soon_enough());
}

TEST(Catalogue, ListsTheNewestFirst) {
  Library library;
  back_up_later(library, 60);
  back_up_later(library, 0);
  back_up_later(library, 120);
  EXPECT_THAT(names_of(list(library.backups(), Files()).backups),
              ElementsAre("backup_20261124_020200", "backup_20261124_020100", "backup_20261124_020000"));
  EXPECT_THAT(list(library / "none", Files()).backups, ElementsAre());
}

TEST(Catalogue, TellsWhatIsWrongAndListsTheRest) {
  Library library;
  const Manifest good = back_up_later(library, 0);
  const Manifest gone = back_up_later(library, 1);
  const Manifest cut = back_up_later(library, 2);
  fs::remove(gone.file);
  fs::resize_file(cut.file, 10);
  std::ofstream(library.backups() / "notes.json") << "[]";
  const Catalogue catalogue = list(library.backups(), Files());
  EXPECT_THAT(names_of(catalogue.backups), ElementsAre(good.name));
  ASSERT_EQ(catalogue.problems.size(), 3u);
  EXPECT_EQ(catalogue.problems[0], "backup " + gone.name + ": its file " + gone.file.string() + " is gone");
  EXPECT_EQ(catalogue.problems[1],
            "backup " + cut.name + ": its file has 10 bytes, the manifest says " + std::to_string(cut.bytes));
}

TEST(Catalogue, ShowsOneByNameFileOrPath) {
  Library library;
  const Manifest manifest = library.back_up();
  const Files files;
  EXPECT_EQ(show(library.backups(), manifest.name, files).json(), manifest.json());
  EXPECT_EQ(show(library.backups(), manifest.name + ".sqlite.zst", files).json(), manifest.json());
  EXPECT_EQ(show(library.backups(), manifest.file.string(), files).json(), manifest.json());
  EXPECT_EQ(error_of([&] { show(library.backups(), "none", files); }).message,
            "there is no backup none in " + library.backups().string());
}

TEST(Catalogue, TheNewestGoodOneIsTheNewestThatIsNotDamaged) {
  Library library;
  const Manifest older = back_up_later(library, 0);
  const Manifest newer = back_up_later(library, 60);
  const Files files;
  EXPECT_EQ(newest_good(list(library.backups(), files).backups, files, soon_enough()), newer.name);
  std::string bytes = read_file(newer.file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(newer.file, std::ios::binary) << bytes;
  EXPECT_EQ(newest_good(list(library.backups(), files).backups, files, soon_enough()), older.name);
  EXPECT_EQ(newest_good({}, files, soon_enough()), std::nullopt);
}

TEST(RemoveBackup, TakesFileAndManifest) {
  Library library;
  const Manifest manifest = library.back_up();
  Files files;
  remove(manifest, files);
  EXPECT_THAT(names_in(library.backups()), ElementsAre());
  EXPECT_NO_THROW(remove(manifest, files));
}

/// After a removal that broke off: it is still a good backup or none at all, and a sweep and a second removal end it.
void expect_whole_or_none(const Library& library, const Manifest& manifest, Files& files) {
  const Catalogue catalogue = list(library.backups(), files);
  EXPECT_THAT(catalogue.problems, ElementsAre());
  for (const Manifest& backup : catalogue.backups) EXPECT_TRUE(verify(backup, files, soon_enough()).good());
  remove_leftovers(library.backups(), files);
  EXPECT_EQ(names_in(library.backups()).size(), 2 * catalogue.backups.size());
  remove(manifest, files);
  EXPECT_THAT(names_in(library.backups()), ElementsAre());
}

TEST(RemoveBackup, LeavesAGoodOneOrNoneWhicheverCallFailsAndWheneverThePowerIsCut) {
  Library library(3);
  library.back_up();
  const fs::path kept = library / "kept";
  fs::rename(library.backups(), kept);
  const Manifest manifest = [&] {
    Manifest at = read_manifest(kept / "backup_20261124_020000.json", Files());
    at.file = library.backups() / at.file.filename();
    return at;
  }();
  for (const bool power : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE((power ? "power cut at call " : "failing call ") + std::to_string(n));
      fs::remove_all(library.backups());
      fs::copy(kept, library.backups());
      ForgetfulDisk disk(library.backups());
      if (power) {
        disk.cut_power_at(n);
      } else {
        disk.fail(Call::any, n, EIO);
      }
      Files files(disk);
      try {
        remove(manifest, files);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind, ErrorKind::io);
      }
      const bool reached = disk.count(Call::any) >= n;
      if (power) disk.lose_power();
      disk.repair();
      expect_whole_or_none(library, manifest, files);
      if (!reached) break;
    }
  }
}

TEST(RemoveLeftovers, LeavesWhatNobodyMarked) {
  Library library;
  const Manifest manifest = library.back_up();
  for (const char* name : {"mine.sqlite", "mine.sqlite.zst", "other.part", "notes.txt"}) {
    std::ofstream(library.backups() / name) << "x";
  }
  Files files;
  EXPECT_THAT(remove_leftovers(library.backups(), files), ElementsAre());
  EXPECT_EQ(names_in(library.backups()).size(), 6u);
  EXPECT_THAT(remove_leftovers(library / "none", files), ElementsAre());
}

TEST(RemoveLeftovers, LeavesWhatALivingProcessIsWriting) {
  Library library;
  Files files;
  files.make_folder(library.backups());
  const fs::path file = library.backups() / "b.sqlite";
  {
    std::optional<NewFile> writing = NewFile::claim(file, library.backups() / "b.json", files);
    ASSERT_TRUE(writing);
    writing->write("half");
    EXPECT_FALSE(NewFile::claim(file, library.backups() / "b.json", files));
    EXPECT_THAT(remove_leftovers(library.backups(), files), ElementsAre());
    EXPECT_THAT(names_in(library.backups()), ElementsAre("b.sqlite.part", "b.sqlite.writing.part"));
  }
  EXPECT_THAT(names_in(library.backups()), ElementsAre());
}

TEST(RemoveLeftovers, TakesWhatAKilledWriterLeft) {
  Library library;
  Files files;
  const Manifest manifest = library.back_up();
  for (const char* name : {"b.sqlite.zst", "b.sqlite.zst.writing.part", "b.sqlite.zst.copy.part",
                           "b.sqlite.zst.copy.part-journal", "b.json.part", "c.sqlite.part", "c.sqlite.writing.part"}) {
    std::ofstream(library.backups() / name) << "x";
  }
  // Killed after its manifest was there: only the mark is left over.
  std::ofstream(with_suffix(manifest.file, writing_suffix)) << "";
  EXPECT_EQ(remove_leftovers(library.backups(), files).size(), 8u);
  EXPECT_THAT(names_in(library.backups()), ElementsAre(manifest.name + ".json", manifest.name + ".sqlite.zst"));
  EXPECT_TRUE(verify(manifest, files, soon_enough()).good());
}

TEST(RemoveLeftovers, TakesNoBackupFileWhileAManifestCannotBeRead) {
  Library library;
  Files files;
  const Manifest manifest = library.back_up();
  std::ofstream(manifest.manifest_file()) << "{broken";
  std::ofstream(with_suffix(manifest.file, writing_suffix)) << "";
  EXPECT_THAT(remove_leftovers(library.backups(), files), ElementsAre());
  EXPECT_TRUE(fs::exists(manifest.file));
}

}  // namespace
}  // namespace deployer::backups
