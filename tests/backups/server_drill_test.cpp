#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "backups/library.h"
#include "backups/server_library.h"
#include "backups/stored_file.h"
#include "backups/verify.h"
#include "database/url.h"
#include "system/machine.h"

namespace deployer::backups {
namespace {

using test::machine_of;
using test::ServerLibrary;
using test::soon_enough;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

Finding drilled(ServerLibrary& library, const Manifest& manifest) {
  return drill(manifest, *database::parse_url(library.url()), library.folder() / "scratch", machine_of(library.files),
               soon_enough());
}

/// A server of its own, whose binary log tells whether it was touched.
deployer::test::MariaDb& logging_server() {
  static deployer::test::MariaDb server({.tcp = false, .extra = "--log-bin=log --server-id=1 --binlog-format=ROW"});
  return server;
}

std::string log_end(ServerLibrary& library) {
  const auto rows = library.session().query("SHOW MASTER STATUS", soon_enough());
  return database::as_text(rows.rows.at(0).at(0)) + ":" + database::as_text(rows.rows.at(0).at(1));
}

TEST(DrillOnServer, ComparesEveryTableAndLeavesTheServerUntouched) {
  ServerLibrary library("drilled", logging_server());
  Manifest manifest = library.back_up();
  const std::string log = log_end(library);
  const Finding finding = drilled(library, manifest);
  EXPECT_THAT(finding.problems, IsEmpty());
  EXPECT_THAT(finding.unchecked, IsEmpty());
  EXPECT_GT(finding.restore.count(), 0);
  manifest.tables["books"].rows = 3;
  EXPECT_THAT(drilled(library, manifest).problems,
              ElementsAre("backup_20261124_020000: table books has 2 rows, the manifest says 3"));
  EXPECT_EQ(log_end(library), log);
  // The next one starts faster by it.
  EXPECT_THAT(test::names_in(library.folder() / "scratch"), ElementsAre(StartsWith("sandbox-template-")));
}

TEST(DrillOnServer, NamesWhatNeedsAnotherSchema) {
  ServerLibrary library("drill_far", logging_server());
  library.run("CREATE DATABASE drill_other");
  library.run("CREATE TABLE drill_other.t (a INT)");
  library.run("CREATE VIEW far AS SELECT a FROM drill_other.t");
  library.run("CREATE VIEW farther AS SELECT a FROM far");
  library.run("CREATE PROCEDURE away() INSERT INTO drill_other.t VALUES (1)");
  const Finding finding = drilled(library, library.back_up());
  EXPECT_THAT(finding.problems, IsEmpty());
  EXPECT_THAT(finding.unchecked,
              ElementsAre("view far needs schema drill_other", "view farther needs what could not be checked",
                          "procedure away needs schema drill_other"));
  library.run("DROP DATABASE drill_other");
}

TEST(DrillOnServer, KeepsHostileDumpsFromProduction) {
  ServerLibrary library("drill_hostile", logging_server());
  const std::string log = log_end(library);
  for (const char* dump : {
           "CREATE TABLE t (a INT);\nUSE drill_hostile;\nDROP TABLE books;\n",
           "DROP TABLE drill_hostile.books;\n",
           "CREATE USER evil@localhost;\n",
           "SET GLOBAL read_only = 1;\n",
           "CREATE TABLE t (a INT);\nCREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM drill_hostile.books;\n",
           "CREATE TABLE t (a INT);\nCREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW DELETE FROM drill_hostile.books;\n"
           "INSERT INTO t VALUES (1);\n",
       }) {
    Manifest manifest;
    manifest.name = "hostile";
    manifest.engine = std::string(library.session().dialect().name());
    manifest.file = library.folder() / "hostile.sql";
    std::ofstream(manifest.file) << dump << "-- Dump completed\n";
    EXPECT_FALSE(drilled(library, manifest).good()) << dump;
  }
  EXPECT_EQ(log_end(library), log);
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM books"), "2");
}

}  // namespace
}  // namespace deployer::backups
