#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

#include "backups/library.h"
#include "backups/restore.h"
#include "backups/server_library.h"
#include "database/url.h"
#include "system/machine.h"

namespace deployer::backups {
namespace {

using test::error_of;
using test::machine_of;
using test::ServerLibrary;
using test::soon_enough;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// What a migration and other writers did to it.
void change_much(ServerLibrary& library) {
  library.run("INSERT INTO books (author, title) VALUES (1, 'new')");
  library.run("DELETE FROM loans");
  library.run("ALTER TABLE visits ADD COLUMN who INT");
  library.run("DROP VIEW cheap");
  library.run("CREATE VIEW newer AS SELECT id FROM authors");
  library.run("DROP TRIGGER note");
  library.run("CREATE TRIGGER other BEFORE DELETE ON books FOR EACH ROW SET @a = 1");
  library.run("DROP FUNCTION twice");
  library.run("CREATE PROCEDURE newer_too() SELECT 1");
  library.run("ALTER EVENT nightly DISABLE");
}

TEST(RestoreOnServer, BringsBackTablesRowsAndAllElse) {
  ServerLibrary library("restore_all");
  const std::string before = library.state();
  const Manifest manifest = library.back_up();
  change_much(library);
  EXPECT_NE(library.state(), before);
  const Restored restored = library.restore(manifest);
  EXPECT_EQ(library.state(), before);
  EXPECT_TRUE(restored.compared);
  EXPECT_EQ(restored.tables, 5U);
  EXPECT_EQ(restored.rows, 7U);
  EXPECT_EQ(restored.bytes, manifest.bytes_raw);
  EXPECT_THAT(restored.held, IsEmpty());
  EXPECT_FALSE(library.has_schema("restore_all_deployer"));
  EXPECT_FALSE(library.has_schema("restore_all_deployer_old"));
  // They work, in their order.
  library.run("INSERT INTO books (author, title) VALUES (1, 'x')");
  EXPECT_EQ(library.text("SELECT title FROM books ORDER BY id DESC LIMIT 1"), "X!");
  EXPECT_EQ(library.text("SELECT what FROM audit"), "one; x");
  EXPECT_EQ(library.text("SELECT status FROM information_schema.events WHERE event_schema = 'restore_all'"), "ENABLED");
  EXPECT_THROW(library.run("INSERT INTO books (author) VALUES (99)"), Error);
}

TEST(RestoreOnServer, GivesNoNumberOutAgain) {
  ServerLibrary library("restore_counters");
  const Manifest manifest = library.back_up();
  library.run("INSERT INTO authors VALUES (50, 'Cy', NULL, NULL)");
  library.text("SELECT SETVAL(tickets, 100)");
  library.restore(manifest);
  library.run("INSERT INTO authors (name) VALUES ('Di')");
  EXPECT_EQ(library.text("SELECT MAX(id) FROM authors"), "51");
  EXPECT_EQ(library.text("SELECT NEXTVAL(tickets)"), "101");
}

TEST(RestoreOnServer, HoldsTablesThatTheBackupDoesNotHave) {
  ServerLibrary library("restore_held");
  const Manifest manifest = library.back_up();
  const std::string before = library.state();
  // A foreign key by a name of the backup's, as after a table was renamed.
  library.run("ALTER TABLE books DROP FOREIGN KEY fk_author");
  library.run(
      "CREATE TABLE reviews (id INT PRIMARY KEY, book INT, "
      "CONSTRAINT fk_author FOREIGN KEY (book) REFERENCES books (id))");
  library.run("INSERT INTO reviews VALUES (1, 1)");
  library.run("CREATE TRIGGER on_reviews BEFORE INSERT ON reviews FOR EACH ROW SET @a = 1");
  const Restored restored = library.restore(manifest);
  EXPECT_EQ(library.state(), before);
  ASSERT_EQ(restored.held.size(), 1U);
  EXPECT_THAT(restored.held[0], StartsWith("reviews as restore_held_deployer._deployer_held_"));
  const std::string held = restored.held[0].substr(std::string("reviews as ").size());
  EXPECT_EQ(library.text("SELECT book FROM " + held), "1");
  // And further restores leave it there.
  library.run("CREATE TABLE more (id INT)");
  EXPECT_THAT(library.restore(manifest).held, ElementsAre(StartsWith("more as ")));
  EXPECT_EQ(library.text("SELECT book FROM " + held), "1");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'restore_held_deployer'"),
            "3");  // both, and the mark
  EXPECT_EQ(library.state(), before);
}

TEST(RestoreOnServer, TakesSomeTablesAndWhatIsTiedToThem) {
  ServerLibrary library("restore_some");
  const Manifest manifest = library.back_up();
  library.run("UPDATE authors SET name = 'Zoe'");
  library.run("UPDATE books SET title = 'changed'");
  library.run("INSERT INTO visits VALUES (8)");
  library.run("CREATE TABLE newer (id INT)");
  library.run("DROP VIEW cheap");
  RestoreOptions options;
  options.tables = {"books"};
  const Restored restored = library.restore(manifest, options);
  EXPECT_EQ(library.text("SELECT GROUP_CONCAT(name ORDER BY id) FROM authors"), "Ada,Bo; 'x'");
  EXPECT_EQ(library.text("SELECT title FROM books WHERE id = 1"), "One");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM visits"), "2");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM newer"), "0");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM information_schema.views WHERE table_schema = 'restore_some'"), "0");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = 'restore_some'"),
            "2");
  EXPECT_THAT(restored.held, IsEmpty());
  options.tables = {"nothing"};
  EXPECT_EQ(error_of([&] { library.restore(manifest, options); }).message,
            "there is no table nothing, neither here nor in the backup");
  EXPECT_FALSE(library.has_schema("restore_some_deployer"));
}

TEST(RestoreOnServer, TakesAlongATableOfDeployersOwn) {
  ServerLibrary library("restore_own");
  library.run("CREATE TABLE deployer_migrations (revision VARCHAR(50))");
  library.run("CREATE TABLE deployer_journal (n INT)");
  library.run("INSERT INTO deployer_migrations VALUES ('second')");
  library.run("INSERT INTO deployer_journal VALUES (1)");
  const Manifest manifest = library.back_up();
  RestoreOptions options;
  options.own_table = "deployer_migrations";
  options.fill = [](database::Session& aside) {
    aside.execute("CREATE TABLE deployer_migrations (revision VARCHAR(50))", soon_enough());
    aside.execute("INSERT INTO deployer_migrations VALUES ('first')", soon_enough());
  };
  library.restore(manifest, options);
  EXPECT_EQ(library.text("SELECT GROUP_CONCAT(revision) FROM deployer_migrations"), "first");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM deployer_journal"), "1");
  library.run("UPDATE deployer_migrations SET revision = 'third'");
  library.restore(manifest);
  EXPECT_EQ(library.text("SELECT GROUP_CONCAT(revision) FROM deployer_migrations"), "third");
}

TEST(RestoreOnServer, TouchesNothingForABackupThatIsNotWhatItsManifestSays) {
  ServerLibrary library("restore_bad");
  Manifest manifest = library.back_up();
  const std::string before = library.state();
  const Manifest good = manifest;
  manifest.tables["books"].rows = 3;
  EXPECT_EQ(
      error_of([&] { library.restore(manifest); }).message,
      "cannot restore backup_20261124_020000.sql.zst: backup_20261124_020000: table books has 2 rows, the manifest "
      "says 3");
  manifest = good;
  manifest.fingerprint = "other";
  EXPECT_THAT(error_of([&] { library.restore(manifest); }).message,
              HasSubstr("the schema is not the one in the manifest"));
  manifest = good;
  std::filesystem::resize_file(manifest.file, manifest.bytes - 4);
  EXPECT_THAT(error_of([&] { library.restore(manifest); }).summary(), HasSubstr("is damaged"));
  EXPECT_EQ(library.state(), before);
  EXPECT_FALSE(library.has_schema("restore_bad_deployer"));
  EXPECT_FALSE(library.has_schema("restore_bad_deployer_old"));
}

TEST(RestoreOnServer, RefusesAHostileDumpBeforeAnythingIsTouched) {
  ServerLibrary library("restore_hostile");
  const std::string before = library.state();
  for (const char* statement : {"USE restore_hostile; DROP TABLE books;", "DROP TABLE restore_hostile.audit;",
                                "INSERT INTO t VALUES (restore_hostile.twice(1));"}) {
    std::ofstream(library.folder() / "bad.sql") << "CREATE TABLE t (a INT);\n" << statement << "\n";
    const Error error = error_of([&] { library.restore(Source{library.folder() / "bad.sql", std::nullopt}); });
    EXPECT_EQ(error.kind, ErrorKind::failed);
    EXPECT_THAT(error.message, StartsWith("cannot restore bad.sql: line 2 of the dump: "));
  }
  EXPECT_EQ(library.state(), before);
  EXPECT_FALSE(library.has_schema("restore_hostile_deployer"));
}

TEST(RestoreOnServer, TakesAPlainDumpOfAnyOrigin) {
  ServerLibrary library("restore_plain");
  std::ofstream(library.folder() / "x.sql") << "CREATE TABLE books (a INT);\nINSERT INTO books VALUES (1),(2);\n";
  ASSERT_EQ(std::system(("gzip -k " + (library.folder() / "x.sql").string()).c_str()), 0);
  for (const char* name : {"x.sql", "x.sql.gz"}) {
    const Restored restored = library.restore(Source{library.folder() / name, std::nullopt});
    EXPECT_FALSE(restored.compared);
    EXPECT_EQ(library.text("SELECT SUM(a) FROM books"), "3");
    library.run("DELETE FROM books");
  }
  std::filesystem::resize_file(library.folder() / "x.sql.gz", 60);
  EXPECT_THAT(error_of([&] {
                library.restore(Source{library.folder() / "x.sql.gz", std::nullopt});
              }).summary(),
              HasSubstr("is damaged"));
}

TEST(RestoreOnServer, NamesThePrivilegeThatIsMissing) {
  ServerLibrary library("restore_grants");
  const Manifest manifest = library.back_up();
  const std::string before = library.state();
  library.run("CREATE OR REPLACE USER keeper@localhost");
  library.run("GRANT ALL ON `restore\\_grants`.* TO keeper@localhost");
  {
    const auto session = library.open("keeper");
    const Error error = error_of([&] {
      restore(*session, {manifest.file, manifest}, library.folder(), machine_of(library.files), soon_enough());
    });
    EXPECT_THAT(error.message, HasSubstr("cannot load a backup beside restore_grants: Access denied"));
    EXPECT_EQ(error.hint,
              "GRANT ALL PRIVILEGES ON `restore\\_grants\\_deployer`.* TO …; "
              "GRANT ALL PRIVILEGES ON `restore\\_grants\\_deployer\\_old`.* TO …");
  }
  library.run("GRANT ALL PRIVILEGES ON `restore\\_grants\\_deployer`.* TO keeper@localhost");
  library.run("GRANT SELECT ON mysql.proc TO keeper@localhost");
  library.run("GRANT ALL PRIVILEGES ON `restore\\_grants\\_deployer\\_old`.* TO keeper@localhost");
  change_much(library);
  // Without SUPER, with a trigger, a view and routines that belong to root.
  const auto session = library.open("keeper");
  restore(*session, {manifest.file, manifest}, library.folder(), machine_of(library.files), soon_enough());
  EXPECT_EQ(library.state(), before);
  EXPECT_EQ(library.text("SELECT definer FROM information_schema.triggers WHERE trigger_name = 'note' AND "
                         "trigger_schema = 'restore_grants'"),
            "keeper@localhost");
}

TEST(RestoreOnServer, LeavesASchemaOfSomebodyElseAlone) {
  ServerLibrary library("restore_taken");
  const Manifest manifest = library.back_up();
  library.run("CREATE DATABASE restore_taken_deployer");
  library.run("CREATE TABLE restore_taken_deployer.mine (a INT)");
  EXPECT_EQ(error_of([&] { library.restore(manifest); }).message,
            "the schema restore_taken_deployer is needed for the restore, and there are tables in it that are not "
            "deployer's");
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM restore_taken_deployer.mine"), "0");
  library.run("DROP DATABASE restore_taken_deployer");
}

TEST(RestoreOnServer, RefusesWhereAnotherSchemaPointsIn) {
  ServerLibrary library("restore_pointed");
  const Manifest manifest = library.back_up();
  library.run("CREATE DATABASE restore_pointer");
  library.run("CREATE TABLE restore_pointer.p (b INT, FOREIGN KEY (b) REFERENCES restore_pointed.books (id))");
  const std::string before = library.state();
  EXPECT_EQ(
      error_of([&] { library.restore(manifest); }).message,
      "table books cannot be restored: a foreign key of restore_pointer.p points at it, and would point at the old "
      "one");
  EXPECT_EQ(library.state(), before);
  EXPECT_FALSE(library.has_schema("restore_pointed_deployer"));
  library.run("DROP DATABASE restore_pointer");
}

TEST(RestoreOnServer, WaitsForAnOpenTransactionWithItsTriggersInPlace) {
  ServerLibrary library("restore_waits");
  const Manifest manifest = library.back_up();
  const std::string before = library.state();
  const auto other = library.open();
  other->begin(soon_enough());
  other->execute("INSERT INTO visits VALUES (9)", soon_enough());
  other->execute("UPDATE authors SET name = 'open'", soon_enough());
  const Error error = error_of([&] {
    restore(library.session(), {manifest.file, manifest}, library.folder(), machine_of(library.files),
            Deadline::after(std::chrono::milliseconds(3000)));
  });
  EXPECT_EQ(error.kind, ErrorKind::timed_out);
  EXPECT_EQ(library.text("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = 'restore_waits'"),
            "2");
  EXPECT_FALSE(library.has_schema("restore_waits_deployer"));
  std::thread ends([&] {
    const auto watch = library.open();
    const std::string waits =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'";
    while (database::as_integer(watch->query(waits, soon_enough()).rows.at(0).at(0)) == 0) std::this_thread::yield();
    other->commit(soon_enough());
  });
  library.restore(manifest);
  ends.join();
  EXPECT_EQ(library.state(), before);
}

TEST(RestoreOnServer, ShowsAReaderTheOldTablesOrTheNewOnes) {
  ServerLibrary library("restore_readers");
  library.run("UPDATE books SET title = 'old'");
  library.run("UPDATE authors SET name = 'old'");
  const Manifest manifest = library.back_up();
  library.run("UPDATE books SET title = 'new'");
  library.run("UPDATE authors SET name = 'new'");
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::string> half;
  std::thread reader([&] {
    const auto session = library.open();
    while (!stop) {
      const database::Rows rows = session->query(
          "SELECT GROUP_CONCAT(DISTINCT b.title), GROUP_CONCAT(DISTINCT a.name) FROM books b JOIN authors a ON a.id = "
          "b.author",
          soon_enough());
      if (rows.rows.at(0).at(0) != rows.rows.at(0).at(1)) half.push_back(database::as_text(rows.rows[0][0]));
      ++reads;
    }
  });
  while (reads < 5) std::this_thread::yield();
  library.restore(manifest);
  const int then = reads;
  while (reads < then + 5) std::this_thread::yield();
  stop = true;
  reader.join();
  EXPECT_THAT(half, IsEmpty());
  EXPECT_EQ(library.text("SELECT GROUP_CONCAT(DISTINCT title) FROM books"), "old");
}

/// A process that restores, killed as soon as `now` gives 1 in the database; false if it had ended before.
bool kill_restore_when(ServerLibrary& library, const Manifest& manifest, const std::string& now) {
  const pid_t child = fork();
  if (child == 0) {
    const auto session = library.open();
    Files files;
    restore(*session, {manifest.file, manifest}, library.folder(), machine_of(files), soon_enough());
    _exit(0);
  }
  int status = 0;
  while (library.text(now) != "1") {
    if (waitpid(child, &status, WNOHANG) == child) return false;
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

std::string table_stands_in(const std::string& schema, const std::string& table) {
  return "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '" + schema + "' AND table_name = '" +
         table + "'";
}

TEST(RestoreOnServer, KilledAnywhereLeavesTheOldTablesOrTheNewOnes) {
  ServerLibrary library("restore_killed");
  const std::string good = library.state();
  const Manifest manifest = library.back_up();
  change_much(library);
  library.run("CREATE TABLE extra (a INT)");
  const std::string aside = "restore_killed_deployer";
  // A transaction of somebody else keeps the RENAME waiting where that is to be seen.
  const auto other = library.open();
  int killed = 0;
  for (const auto& [now, hold] : std::vector<std::pair<std::string, bool>>{
           {"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '" + aside + "'", false},
           {table_stands_in(aside, "books"), false},
           {"SELECT COUNT(*) FROM information_schema.views WHERE table_schema = '" + aside + "'", false},
           {table_stands_in(aside, "_deployer_swap"), true},
           {"SELECT COUNT(*) = 0 FROM information_schema.triggers WHERE trigger_schema = 'restore_killed'", true},
           {table_stands_in(aside, "_deployer_swapped"), false},
           {table_stands_in("restore_killed_deployer_old", "audit"), false}}) {
    const std::string changed = library.state();
    if (hold) {
      other->begin(soon_enough());
      other->execute("INSERT INTO audit VALUES ('held')", soon_enough());
    }
    killed += kill_restore_when(library, manifest, now) ? 1 : 0;
    if (hold) other->rollback();
    settle_restore(library.session(), soon_enough());
    const std::string then = library.state();
    EXPECT_TRUE(then == good || then == changed) << now;
    EXPECT_FALSE(library.has_schema("restore_killed_deployer_old")) << now;
    library.restore(manifest);
    EXPECT_EQ(library.state(), good) << now;
    change_much(library);
    library.run("CREATE TABLE extra (a INT)");
  }
  EXPECT_GE(killed, 4);
}

TEST(RestoreOnServer, GoesOnAfterTheServerWasKilled) {
  deployer::test::MariaDb server;
  ServerLibrary library("restore_crash", server);
  const std::string good = library.state();
  const Manifest manifest = library.back_up();
  change_much(library);
  const std::string changed = library.state();
  std::optional<Error> error;
  std::thread restorer([&] {
    const auto session = library.open();
    Files files;
    try {
      restore(*session, {manifest.file, manifest}, library.folder(), machine_of(files), soon_enough());
    } catch (const Error& failure) {
      error = failure;
    }
  });
  while (library.text(table_stands_in("restore_crash_deployer", "books")) != "1") std::this_thread::yield();
  server.restart();
  restorer.join();
  library.reconnect();
  settle_restore(library.session(), soon_enough());
  EXPECT_EQ(library.state(), error ? changed : good);
  EXPECT_FALSE(library.has_schema("restore_crash_deployer"));
  library.restore(manifest);
  EXPECT_EQ(library.state(), good);
}

TEST(RestoreOnServer, TouchesNothingWhereItDoesNotFitAside) {
  deployer::test::MariaDb server({.tcp = false, .extra = "--max-heap-table-size=16384"});
  ServerLibrary library("restore_full", server);
  const std::string before = library.state();
  std::ofstream dump(library.folder() / "full.sql");
  dump << "CREATE TABLE books (a CHAR(200)) ENGINE=MEMORY;\n";
  for (int i = 0; i < 500; ++i) dump << "INSERT INTO books VALUES ('x');\n";
  dump.close();
  const Error error = error_of([&] { library.restore(Source{library.folder() / "full.sql", std::nullopt}); });
  EXPECT_EQ(error.kind, ErrorKind::no_space);
  EXPECT_THAT(error.message, HasSubstr("The table 'books' is full"));
  EXPECT_EQ(library.state(), before);
  EXPECT_FALSE(library.has_schema("restore_full_deployer"));
}

TEST(RestoreOnServer, LoadsIntoAnEmptySchema) {
  ServerLibrary library("restore_from");
  const Manifest manifest = library.back_up();
  const database::Url url = *database::parse_url(deployer::test::shared_mariadb().new_database("restore_into"));
  const auto empty = database::open(url, "/", database::Access::existing, soon_enough());
  const Restored restored = restore_into(*empty, {manifest.file, manifest}, machine_of(library.files), soon_enough());
  EXPECT_TRUE(restored.compared);
  EXPECT_EQ(empty->dialect().introspect(*empty, soon_enough()).fingerprint(), manifest.fingerprint);
  EXPECT_EQ(error_of([&] {
              restore_into(*empty, {manifest.file, manifest}, machine_of(library.files), soon_enough());
            }).message,
            "cannot restore backup_20261124_020000.sql.zst: the schema restore_into is not empty");
}

}  // namespace
}  // namespace deployer::backups
