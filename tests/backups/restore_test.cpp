#include "backups/restore.h"

#include <gmock/gmock.h>

#include <fstream>

#include "backups/catalogue.h"
#include "backups/library.h"
#include "backups/marks.h"
#include "system/stream/stream.h"

namespace deployer::backups {
namespace {

using deployer::test::read_file;
using test::error_of;
using test::Library;
using test::machine_of;
using test::names_in;
using test::soon_enough;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

Restored restore_by_name(Library& library, const std::string& name) {
  Files files;
  return restore(library.session(), find_source(name, library.backups(), library.session(), files), library.scratch(),
                 machine_of(files), soon_enough());
}

std::string compressed(const std::string& bytes) {
  std::string out;
  FunctionSink sink([&out](std::string_view piece) { out += piece; });
  ZstdCompressor compressor(sink);
  compressor.write(bytes);
  compressor.finish();
  return out;
}

TEST(RestoreBackup, BringsBackSchemaAndRows) {
  Library library;
  BackupRequest request = library.request();
  request.revision = "9a385a344ba4";
  Files files;
  const Manifest manifest = create(library.session(), request, machine_of(files), soon_enough());
  library.run("DELETE FROM books");
  library.run("ALTER TABLE authors ADD COLUMN born TEXT");
  library.run("CREATE TABLE reviews (id INTEGER PRIMARY KEY)");
  const Restored restored = restore_by_name(library, manifest.name);
  EXPECT_EQ(library.rows(), manifest.tables);
  EXPECT_EQ(library.session().dialect().introspect(library.session(), soon_enough()).fingerprint(),
            manifest.fingerprint);
  EXPECT_TRUE(restored.compared);
  EXPECT_EQ(restored.revision, "9a385a344ba4");
  EXPECT_EQ(restored.tables, 2u);
  EXPECT_EQ(restored.rows, 22u);
  EXPECT_EQ(restored.bytes, manifest.bytes_raw);
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
}

TEST(RestoreBackup, IsSeenAtOnceByWhoHasTheDatabaseOpen) {
  Library library;
  const Manifest manifest = library.back_up();
  const auto service = library.open();
  library.run("DELETE FROM books WHERE id > 5");
  ASSERT_EQ(database::as_integer(service->query("SELECT count(*) FROM books", soon_enough()).rows[0][0]), 5);
  restore_by_name(library, manifest.name);
  EXPECT_EQ(database::as_integer(service->query("SELECT count(*) FROM books", soon_enough()).rows[0][0]), 20);
  service->execute("INSERT INTO authors VALUES (3, 'Alan')", soon_enough());
  EXPECT_EQ(library.number("SELECT count(*) FROM authors"), 3);
  EXPECT_EQ(database::as_text(service->query("PRAGMA journal_mode", soon_enough()).rows[0][0]), "wal");
}

TEST(RestoreBackup, ADamagedOneTouchesNothing) {
  Library library;
  const Manifest manifest = library.back_up();
  std::string bytes = read_file(manifest.file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(manifest.file, std::ios::binary) << bytes;
  library.run("DELETE FROM books");
  const auto before = library.rows();
  EXPECT_THAT(error_of([&] { restore_by_name(library, manifest.name); }).message,
              HasSubstr("backup file " + manifest.file.string() + " is damaged"));
  EXPECT_EQ(library.rows(), before);
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
}

TEST(RestoreBackup, OneWhoseRowsAreNotThoseOfTheManifestTouchesNothing) {
  Library library;
  Manifest manifest = library.back_up();
  manifest.tables["books"].sum = std::string(32, '0');
  Files files;
  publish(manifest, files);
  library.run("DELETE FROM books");
  const Error error = error_of([&] { restore_by_name(library, manifest.name); });
  EXPECT_EQ(error.kind, ErrorKind::failed);
  EXPECT_EQ(error.message, "cannot restore " + manifest.name + ".sqlite.zst: " + manifest.name +
                               ": the rows of table books are not those in the manifest");
  EXPECT_EQ(library.number("SELECT count(*) FROM books"), 0);
}

TEST(RestoreBackup, TakesAFileOfAnyOriginIfItIsWhole) {
  Library library;
  Files files;
  const Manifest manifest = library.back_up();
  library.run("PRAGMA wal_checkpoint(TRUNCATE)");
  // As `cp` makes it: still marked as being in WAL mode.
  const std::string bytes = read_file(library.database());
  library.folder().write("from elsewhere.sqlite", bytes);
  library.folder().write("packed.sqlite.zst", compressed(bytes));
  for (const char* name : {"from elsewhere.sqlite", "packed.sqlite.zst"}) {
    library.run("DELETE FROM books");
    const Restored restored = restore_by_name(library, library / name);
    EXPECT_FALSE(restored.compared);
    EXPECT_EQ(library.rows(), manifest.tables) << name;
  }
}

TEST(RestoreBackup, RefusesWhatIsNoDatabase) {
  Library library;
  library.folder().write("text.sqlite", std::string(5000, 'x'));
  library.folder().write("empty.sqlite", "");
  library.folder().write("half.sqlite", read_file(library.back_up().file).substr(0, 100));
  EXPECT_THAT(error_of([&] { restore_by_name(library, library / "text.sqlite"); }).message,
              HasSubstr("not a database"));
  EXPECT_EQ(error_of([&] { restore_by_name(library, library / "empty.sqlite"); }).message,
            "cannot restore empty.sqlite: it is empty");
  EXPECT_NO_FATAL_FAILURE(error_of([&] { restore_by_name(library, library / "half.sqlite"); }));
  EXPECT_EQ(library.number("SELECT count(*) FROM books"), 20);
}

TEST(RestoreBackup, RefusesAnotherFormat) {
  Library library;
  library.folder().write("dump.sql.gz", "x");
  const Error error = error_of([&] { restore_by_name(library, library / "dump.sql.gz"); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message,
            (library / "dump.sql.gz").string() + " is in no format that can be restored into this database");
  EXPECT_EQ(error.hint, "it takes .sqlite and .sqlite.zst");
}

TEST(FindSource, TakesAPathAndANameWithOrWithoutItsSuffixes) {
  Library library;
  const Manifest manifest = library.back_up();
  const Files files;
  for (const std::string& name : {manifest.name, manifest.name + ".sqlite.zst", manifest.file.string()}) {
    const Source source = find_source(name, library.backups(), library.session(), files);
    EXPECT_EQ(source.file, manifest.file);
    EXPECT_EQ(source.manifest->json(), manifest.json());
  }
}

TEST(FindSource, TwoThatMatchAreRefusedNamingBoth) {
  Library library;
  const Manifest manifest = library.back_up();
  std::ofstream(library.backups() / (manifest.name + ".sqlite")) << "x";
  const Files files;
  const Error error = error_of([&] { find_source(manifest.name, library.backups(), library.session(), files); });
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_EQ(error.message, manifest.name + " may be " + manifest.name + ".sqlite and " + manifest.name + ".sqlite.zst");
  // The manifest is of the other one.
  EXPECT_FALSE(find_source(manifest.name + ".sqlite", library.backups(), library.session(), files).manifest);
}

TEST(FindSource, AnUnknownNameIsNotFound) {
  Library library;
  const Error error = error_of([&] { find_source("none", library.backups(), library.session(), Files()); });
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_EQ(error.message, "there is no backup none in " + library.backups().string());
}

TEST(FindSource, WhatAnInterruptedBackupLeftIsRefused) {
  Library library;
  Files files;
  files.make_folder(library.backups());
  files.publish(library.backups() / "b.sqlite", read_file(library.back_up().file));
  files.publish(with_suffix(library.backups() / "b.sqlite", writing_suffix), "");
  EXPECT_EQ(error_of([&] { find_source("b", library.backups(), library.session(), files); }).message,
            (library.backups() / "b.sqlite").string() + " is what an interrupted backup or removal left");
}

}  // namespace
}  // namespace deployer::backups
