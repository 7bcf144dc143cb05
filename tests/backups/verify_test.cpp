#include "backups/verify.h"

#include <gmock/gmock.h>

#include <fstream>

#include "backups/library.h"
#include "system/stream/stream.h"

namespace deployer::backups {
namespace {

using deployer::test::read_file;
using test::Library;
using test::machine_of;
using test::names_in;
using test::soon_enough;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

void overwrite(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

TEST(VerifyBackup, AGoodOneHasNoProblem) {
  Library library;
  EXPECT_THAT(verify(library.back_up(), Files(), soon_enough()).problems, ElementsAre());
}

TEST(VerifyBackup, FindsOneFlippedBitWhereverItIs) {
  Library library(3);
  const Manifest manifest = library.back_up();
  const std::string whole = read_file(manifest.file);
  for (std::size_t place = 0; place < whole.size(); place += 37) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    overwrite(manifest.file, damaged);
    EXPECT_FALSE(verify(manifest, Files(), soon_enough()).good()) << place;
  }
}

TEST(VerifyBackup, SaysWhatIsWrong) {
  Library library;
  const Manifest manifest = library.back_up();
  const std::string whole = read_file(manifest.file);
  overwrite(manifest.file, whole.substr(0, whole.size() / 2));
  EXPECT_THAT(verify(manifest, Files(), soon_enough()).problems,
              ElementsAre(manifest.name + ": backup file " + manifest.file.string() +
                          " is damaged: ends in the middle of a zstd frame"));
  overwrite(manifest.file, whole + whole);
  EXPECT_THAT(verify(manifest, Files(), soon_enough()).problems,
              Contains(manifest.name + ": its size is " + std::to_string(2 * whole.size()) + ", the manifest says " +
                       std::to_string(whole.size())));
  std::filesystem::remove(manifest.file);
  EXPECT_THAT(verify(manifest, Files(), soon_enough()).problems,
              ElementsAre(manifest.name + ": there is no backup file " + manifest.file.string()));
}

TEST(VerifyBackup, ADeadlineIsNoVerdict) {
  Library library;
  const Manifest manifest = library.back_up();
  EXPECT_EQ(test::error_of([&] { verify(manifest, Files(), Deadline::after(Duration(0))); }).kind,
            ErrorKind::timed_out);
}

TEST(DrillBackup, AGoodOneHasNoProblemAndLeavesNothing) {
  Library library;
  const Manifest manifest = library.back_up();
  Files files;
  EXPECT_THAT(drill(manifest, library.session().url(), library.scratch(), machine_of(files), soon_enough()).problems,
              ElementsAre());
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
}

/// Stores another database's file in place of a backup's, so that only a look into it can tell.
Manifest tampered(Library& library, const std::string& sql) {
  Manifest manifest = library.back_up();
  library.run(sql);
  Files files;
  BackupRequest request = library.request();
  request.now = test::at_two(1);
  const Manifest other = create(library.session(), request, machine_of(files), soon_enough());
  overwrite(manifest.file, read_file(other.file));
  manifest.bytes = other.bytes;
  manifest.bytes_raw = other.bytes_raw;
  manifest.digest = other.digest;
  EXPECT_TRUE(verify(manifest, files, soon_enough()).good());
  return manifest;
}

std::vector<std::string> problems_of(Library& library, const std::string& sql) {
  const Manifest manifest = tampered(library, sql);
  Files files;
  std::vector<std::string> problems =
      drill(manifest, library.session().url(), library.scratch(), machine_of(files), soon_enough()).problems;
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
  for (std::string& problem : problems) problem = problem.substr(manifest.name.size() + 2);
  return problems;
}

TEST(DrillBackup, FindsARowThatIsAnother) {
  Library library;
  EXPECT_THAT(problems_of(library, "UPDATE books SET price = price + 1 WHERE id = 7"),
              ElementsAre("the rows of table books are not those in the manifest"));
}

TEST(DrillBackup, FindsARowThatIsMissing) {
  Library library;
  EXPECT_THAT(problems_of(library, "DELETE FROM books WHERE id = 7"),
              ElementsAre("table books has 19 rows, the manifest says 20"));
}

TEST(DrillBackup, FindsATableThatIsMissingAndOneTooMany) {
  Library library;
  EXPECT_THAT(problems_of(library, "ALTER TABLE authors RENAME TO writers"),
              ElementsAre("the schema is not the one in the manifest", "table authors is missing",
                          "table writers is not in the manifest"));
}

TEST(DrillBackup, FindsAViewThatIsAnother) {
  Library library;
  EXPECT_THAT(problems_of(library, "DROP VIEW titles"), ElementsAre("the schema is not the one in the manifest"));
}

TEST(DrillBackup, FindsAFileThatIsNoDatabase) {
  Library library;
  Manifest manifest = library.back_up();
  const std::string text(8192, 'x');
  manifest.file = library.backups() / "other.sqlite";
  overwrite(manifest.file, text);
  manifest.bytes = manifest.bytes_raw = text.size();
  manifest.digest = sha256_hex(text);
  Files files;
  const Finding finding = drill(manifest, library.session().url(), library.scratch(), machine_of(files), soon_enough());
  EXPECT_FALSE(finding.good());
  EXPECT_THAT(finding.problems.at(0), HasSubstr("not a database"));
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
}

TEST(DrillBackup, FindsADamagedPageThatTheChecksumCovers) {
  Library library(200);
  BackupRequest request = library.request();
  request.path = library / "plain.sqlite";
  Files files;
  Manifest manifest = create(library.session(), request, machine_of(files), soon_enough());
  std::string bytes = read_file(manifest.file);
  for (std::size_t i = 0; i < 600; ++i) bytes[2 * 4096 + i] = '\xff';
  overwrite(manifest.file, bytes);
  manifest.digest = sha256_hex(bytes);
  EXPECT_FALSE(drill(manifest, library.session().url(), library.scratch(), machine_of(files), soon_enough()).good());
  EXPECT_THAT(names_in(library.scratch()), ElementsAre());
}

}  // namespace
}  // namespace deployer::backups
