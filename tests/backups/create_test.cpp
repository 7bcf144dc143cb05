#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "backups/backup.h"
#include "backups/catalogue.h"
#include "backups/library.h"
#include "backups/restore.h"
#include "backups/verify.h"
#include "support/forgetful_disk.h"
#include "system/stream/stream.h"

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
using testing::AnyOf;
using testing::ElementsAre;
using Call = ForgetfulDisk::Call;
namespace fs = std::filesystem;

TEST(CreateBackup, MakesAFileAndItsManifestAndNothingElse) {
  Library library;
  BackupRequest request = library.request();
  request.tags = {"nightly"};
  request.run = "20261124T020000000-abcdef";
  request.revision = "9a385a344ba4";
  Files files;
  const Manifest manifest = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_EQ(manifest.name, "backup_20261124_020000");
  EXPECT_THAT(names_in(library.backups()),
              ElementsAre("backup_20261124_020000.json", "backup_20261124_020000.sqlite.zst"));
  EXPECT_EQ(manifest.file, library.backups() / "backup_20261124_020000.sqlite.zst");
  EXPECT_EQ(manifest.digest, sha256_hex(read_file(manifest.file)));
  EXPECT_EQ(manifest.bytes, fs::file_size(manifest.file));
  EXPECT_GT(manifest.bytes_raw, manifest.bytes);
  EXPECT_EQ(manifest.tables, library.rows());
  EXPECT_EQ(manifest.tables.at("books").rows, 20u);
  EXPECT_EQ(list(library.backups(), files).backups.at(0).json(), manifest.json());
}

TEST(CreateBackup, ABackupIsForItsOwnerAlone) {
  Library library;
  const Manifest manifest = library.back_up();
  EXPECT_EQ(Files().info(manifest.file)->mode, 0600u);
  EXPECT_EQ(Files().info(manifest.manifest_file())->mode, 0600u);
  EXPECT_EQ(Files().info(library.backups())->mode, 0700u);
}

TEST(CreateBackup, ASecondOneInTheSameSecondGetsANumber) {
  Library library;
  EXPECT_EQ(library.back_up().name, "backup_20261124_020000");
  EXPECT_EQ(library.back_up().name, "backup_20261124_020000-2");
  EXPECT_EQ(library.back_up().name, "backup_20261124_020000-3");
}

TEST(CreateBackup, ManyAtOnceGetANameEach) {
  Library library;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&library] {
      const auto session = library.open();
      Files files;
      EXPECT_NO_THROW(create(*session, library.request(), machine_of(files), soon_enough()));
    });
  }
  threads.clear();
  const Catalogue catalogue = list(library.backups(), Files());
  EXPECT_EQ(catalogue.backups.size(), 4u);
  EXPECT_EQ(names_in(library.backups()).size(), 8u);
}

TEST(CreateBackup, ThePathSaysNameAndFormat) {
  Library library;
  Files files;
  BackupRequest request = library.request();
  request.path = library / "own.sqlite";
  const Manifest plain = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_EQ(plain.name, "own");
  EXPECT_EQ(read_file(library / "own.sqlite").substr(0, 15), "SQLite format 3");
  EXPECT_EQ(plain.bytes, plain.bytes_raw);
  EXPECT_TRUE(verify(plain, files, soon_enough()).good());
  request.path = library / "other.sqlite.zst";
  const Manifest compressed = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_EQ(compressed.name, "other");
  EXPECT_LT(compressed.bytes, compressed.bytes_raw);
}

TEST(CreateBackup, APathInAnotherFormatIsRefusedWithAHint) {
  Library library;
  Files files;
  BackupRequest request = library.request();
  for (const char* name : {"own.sql", "own", ".sqlite", "own.sqlite.gz"}) {
    request.path = library / name;
    const Error error = error_of([&] { create(library.session(), request, machine_of(files), soon_enough()); });
    EXPECT_EQ(error.kind, ErrorKind::invalid);
    EXPECT_EQ(error.message, request.path.string() + " says no format of a backup by its suffix");
    EXPECT_EQ(error.hint, ".sqlite.zst is compressed, .sqlite is a plain copy");
  }
}

TEST(CreateBackup, ABackupNeverReplacesAFile) {
  Library library;
  Files files;
  BackupRequest request = library.request();
  request.path = library / "own.sqlite";
  library.folder().write("own.sqlite", "precious");
  const Error error = error_of([&] { create(library.session(), request, machine_of(files), soon_enough()); });
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_EQ(error.message, request.path.string() + " or its manifest is there already");
  EXPECT_TRUE(remove_leftovers(library.folder().path(), files).empty());
  EXPECT_EQ(read_file(library / "own.sqlite"), "precious");
}

TEST(CreateBackup, AFolderOfAPathThatIsNotThereIsNamed) {
  Library library;
  Files files;
  BackupRequest request = library.request();
  request.path = library / "none/own.sqlite";
  const Error error = error_of([&] { create(library.session(), request, machine_of(files), soon_enough()); });
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_EQ(error.message, "there is no folder " + (library / "none").string());
}

TEST(CreateBackup, SomeTablesAloneAreRefused) {
  Library library;
  Files files;
  BackupRequest request = library.request();
  request.tables = {"books"};
  const Error error = error_of([&] { create(library.session(), request, machine_of(files), soon_enough()); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, "a backup of some tables alone is not possible with this database");
  EXPECT_FALSE(fs::exists(library.backups()));
}

TEST(CreateBackup, IsReadBackAndDrilledWhereThatIsAskedFor) {
  Library library;
  const Manifest unchecked = library.back_up(Check::none);
  EXPECT_FALSE(unchecked.verified_at);
  const Manifest checked = library.back_up(Check::checksum);
  EXPECT_EQ(checked.verified_at, at_two());
  EXPECT_FALSE(checked.drilled_at);
  const Manifest drilled = library.back_up(Check::drill);
  EXPECT_EQ(drilled.drilled_at, at_two());
  EXPECT_TRUE(drilled.restore_ms);
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
  EXPECT_EQ(read_manifest(drilled.manifest_file(), Files()).json(), drilled.json());
}

TEST(CreateBackup, IsConsistentWhileWritersGoOn) {
  Library library(2000);
  library.run("CREATE TABLE ledger (id INTEGER PRIMARY KEY, amount INTEGER)");
  library.run("CREATE TABLE total (amount INTEGER)");
  library.run("INSERT INTO total VALUES (0)");
  std::atomic<bool> ended = false;
  std::atomic<int> written = 0;
  std::jthread writer([&] {
    const auto session = library.open();
    for (int i = 1; !ended; ++i) {
      session->begin(soon_enough());
      session->execute("INSERT INTO ledger (amount) VALUES (?)", {std::int64_t(i)}, soon_enough());
      session->execute("UPDATE total SET amount = amount + ?", {std::int64_t(i)}, soon_enough());
      session->commit(soon_enough());
      ++written;
    }
  });
  while (written == 0) std::this_thread::yield();
  const Manifest manifest = library.back_up(Check::drill);
  const int before_end = written;
  while (written == before_end) std::this_thread::yield();
  ended = true;
  writer.join();
  Files files;
  restore(library.session(), {manifest.file, manifest}, library.scratch(), machine_of(files), soon_enough());
  EXPECT_GT(library.number("SELECT count(*) FROM ledger"), 0);
  EXPECT_EQ(library.number("SELECT sum(amount) FROM ledger"), library.number("SELECT amount FROM total"));
  EXPECT_EQ(library.rows(), manifest.tables);
}

TEST(CreateBackup, TellsHowFarItIs) {
  Library library;
  std::vector<std::string> phases;
  BackupRequest request = library.request();
  request.check = Check::checksum;
  Files files;
  create(library.session(), request, machine_of(files), soon_enough(),
         [&](std::string_view phase, auto done, auto total) {
           EXPECT_LE(done, total);
           if (phases.empty() || phases.back() != phase) phases.emplace_back(phase);
         });
  EXPECT_THAT(phases, ElementsAre("copying", "compressing", "checking"));
}

TEST(CreateBackup, LeavesNothingWhenItIsCancelled) {
  Library library;
  for (const std::string_view at : {"copying", "compressing", "checking"}) {
    std::stop_source stop;
    BackupRequest request = library.request();
    request.check = Check::checksum;
    Files files;
    const Error error = error_of([&] {
      create(library.session(), request, machine_of(files), Deadline::never(stop.get_token()),
             [&](std::string_view phase, auto, auto) {
               if (phase == at) throw Error(ErrorKind::cancelled, "cancelled: " + std::string(phase));
             });
    });
    EXPECT_EQ(error.kind, ErrorKind::cancelled);
    EXPECT_THAT(names_in(library.backups()), ElementsAre());
  }
}

/// Makes a backup for each of its calls on the file system, that one failing. There is a good backup or none, and
/// nothing else but what the next sweep takes away.
void with_each_call_failing(int code) {
  Library library(5);
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " fails with " + std::to_string(code));
    fs::remove_all(library.backups());
    fs::create_directory(library.backups());
    ForgetfulDisk disk(library.backups());
    disk.fail(Call::any, n, code);
    Files files(disk);
    BackupRequest request = library.request();
    request.check = Check::checksum;
    bool made = false;
    try {
      create(library.session(), request, machine_of(files), soon_enough());
      made = true;
    } catch (const Error& error) {
      EXPECT_THAT(error.kind, AnyOf(ErrorKind::io, ErrorKind::no_space));
    }
    disk.repair();
    const bool reached = disk.count(Call::any) >= n;
    const Catalogue catalogue = list(library.backups(), files);
    EXPECT_THAT(catalogue.problems, ElementsAre());
    EXPECT_TRUE(!made || catalogue.backups.size() == 1);
    for (const Manifest& backup : catalogue.backups) EXPECT_TRUE(verify(backup, files, soon_enough()).good());
    remove_leftovers(library.backups(), files);
    EXPECT_EQ(names_in(library.backups()).size(), 2 * catalogue.backups.size());
    if (!reached) return;
  }
}

TEST(CreateBackup, IsGoodOrNotThereWhicheverCallFailsForWantOfRoom) { with_each_call_failing(ENOSPC); }
TEST(CreateBackup, IsGoodOrNotThereWhicheverCallFails) { with_each_call_failing(EIO); }

TEST(CreateBackup, LeavesNothingOnADiskThatStaysFull) {
  Library library;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    fs::create_directories(library.backups());
    ForgetfulDisk disk(library.backups());
    disk.fail_from(Call::write, n, ENOSPC);
    Files files(disk);
    bool failed = false;
    try {
      create(library.session(), library.request(), machine_of(files), soon_enough());
    } catch (const Error& error) {
      failed = true;
      EXPECT_EQ(error.kind, ErrorKind::no_space);
      EXPECT_THAT(names_in(library.backups()), ElementsAre());
    }
    if (!failed) return;
  }
}

TEST(CreateBackup, IsGoodOrALeftoverWheneverThePowerIsCut) {
  Library library(5);
  for (const auto unsynced : {ForgetfulDisk::Unsynced::lost, ForgetfulDisk::Unsynced::names_kept}) {
    bool done = false;
    for (std::uint64_t n = 1; !done; ++n) {
      SCOPED_TRACE("power cut at call " + std::to_string(n));
      fs::remove_all(library.backups());
      fs::create_directory(library.backups());
      ForgetfulDisk disk(library.backups());
      disk.cut_power_at(n);
      Files files(disk);
      try {
        create(library.session(), library.request(), machine_of(files), soon_enough());
        done = disk.count(Call::any) < n;
      } catch (const Error&) {
        done = false;
      }
      disk.lose_power(unsynced);
      const Catalogue catalogue = list(library.backups(), files);
      EXPECT_THAT(catalogue.problems, ElementsAre());
      for (const Manifest& backup : catalogue.backups) EXPECT_TRUE(verify(backup, files, soon_enough()).good());
      EXPECT_TRUE(!done || catalogue.backups.size() == 1);
      remove_leftovers(library.backups(), files);
      EXPECT_EQ(names_in(library.backups()).size(), 2 * catalogue.backups.size());
    }
  }
}

}  // namespace
}  // namespace deployer::backups
