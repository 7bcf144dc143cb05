// Rehearsals of a schema of a real MariaDB server, in a sandbox: what they prove, and that nothing of them reaches the
// server itself, by its own binary log.
#include <gtest/gtest.h>

#include <cstdlib>

#include "database/dialect.h"
#include "migrations/rehearsal.h"
#include "server_project.h"
#include "support/mariadb.h"
#include "system/process.h"

namespace deployer::migrations {
namespace {

namespace fs = std::filesystem;

/// The server that all tests here share: with a binary log, so that nothing is written to it unseen.
test::MariaDb& logged_server() {
  static test::MariaDb server(test::MariaDb::Options{false, "--log-bin --server-id=1 --binlog-format=ROW"});
  return server;
}

class ServerRehearsal : public ::testing::Test {
 protected:
  ServerRehearsal() {
    static int number = 0;
    schema_ = "prod_" + std::to_string(++number);
    live_ = ServerProject::connect(logged_server().new_database(schema_));
    run_script(*live_,
               "CREATE TABLE authors (id INT PRIMARY KEY, name VARCHAR(50), rating FLOAT, photo BLOB);"
               "CREATE TABLE books (id INT PRIMARY KEY AUTO_INCREMENT, author INT, title VARCHAR(50),"
               "  FOREIGN KEY (author) REFERENCES authors (id) ON DELETE CASCADE);"
               "INSERT INTO authors VALUES (1, 'Ada', 0.1, x'00ff'), (2, 'Bea', 3.3333333, NULL);"
               "INSERT INTO books (author, title) VALUES (1, 'a'), (1, 'b'), (2, 'c');"
               "CREATE TRIGGER upper BEFORE INSERT ON books FOR EACH ROW SET NEW.title = UPPER(NEW.title);"
               "CREATE VIEW titles AS SELECT title FROM books;");
  }

  /// Everything that rehearsing may not touch.
  std::string log_position() {
    const auto looking =
        ServerProject::connect("mariadb://root@localhost/" + schema_ + "?socket=" + logged_server().socket(), false);
    return first_value(*looking,
                       "SELECT CONCAT(@@gtid_binlog_pos, ' ', @@sql_mode, ' ', @@event_scheduler, ' ', "
                       "(SELECT COUNT(*) FROM mysql.global_priv), ' ', @@max_connections)") +
           logged_server().client("", "SHOW MASTER STATUS");
  }

  std::vector<Rehearsed> rehearsed(std::uint64_t limit = std::uint64_t{1} << 30U) {
    const Graph graph = project_.server_graph();
    const std::string before = log_position();
    // Beside the templates of other tests of this machine, as the runs of one project share theirs.
    const fs::path scratch = fs::temp_directory_path() / ("deployer-test-sandboxes-" + std::to_string(geteuid())) /
                             (schema_ + "-" + std::to_string(getpid()));
    std::vector<Rehearsed> results;
    try {
      results = rehearse(*live_, graph, graph.plan_upgrade("heads", project_.ids(*live_)), project_.history,
                         project_.options, {scratch, {project_.files, processes_, std::getenv("PATH")}, limit},
                         Deadline::after(std::chrono::minutes(2)));
    } catch (...) {
      EXPECT_EQ(log_position(), before);
      EXPECT_FALSE(fs::exists(scratch));
      throw;
    }
    EXPECT_EQ(log_position(), before) << "the server is untouched";
    EXPECT_FALSE(fs::exists(scratch));
    return results;
  }

  using Losses = std::vector<std::string>;
  ServerProject project_;
  Processes processes_;
  std::string schema_;
  std::unique_ptr<database::Session> live_;
};

TEST_F(ServerRehearsal, ProvesWhatBringsEverythingBackAndFindsWhatDoesNot) {
  project_.revision("a0", "", {"CREATE TABLE old (i INT);", "DROP TABLE old;"});
  project_.apply(*live_, "a0");
  project_.revision("a1", "a0",
                    {"ALTER TABLE books ADD COLUMN lang CHAR(2) NOT NULL DEFAULT 'en';\nUPDATE books SET lang = 'de' "
                     "WHERE id = 2;\nCREATE TABLE loans (id INT PRIMARY KEY, book INT);",
                     "DROP TABLE loans;\nALTER TABLE books DROP COLUMN lang;"});
  project_.revision(
      "b1", "a1",
      {"ALTER TABLE authors DROP COLUMN rating;", "ALTER TABLE authors ADD COLUMN rating FLOAT AFTER name;"});
  project_.revision("c1", "b1", {"DELETE FROM authors WHERE id = 1;", ""});
  project_.revision("d1", "c1", {"CREATE TABLE x (i INT);", "DROP TABLE y;"});
  project_.revision("e1", "d1", {"INSERT INTO x VALUES (1);", "DELETE FROM x;"});
  const std::vector<Rehearsed> results = rehearsed();
  ASSERT_EQ(results.size(), 5U);
  EXPECT_TRUE(results[0].proved()) << results[0].why_unproved();
  EXPECT_TRUE(results[1].reversible);
  EXPECT_EQ(results[1].lost, Losses{"table authors: the values of rating are others"});
  EXPECT_EQ(results[2].lost, (Losses{"table authors: of 2 rows 1 are there afterwards",
                                     "table books: of 3 rows 1 are there afterwards"}));
  EXPECT_FALSE(results[3].reversible);
  EXPECT_NE(results[3].down_error.find("y"), std::string::npos) << results[3].down_error;
  EXPECT_TRUE(results[4].proved()) << "begins with what d1 leads to: " << results[4].why_unproved();
}

TEST_F(ServerRehearsal, ThrowsAwayWhatFailsHalfWay) {
  project_.revision("a1", "", {"DROP TABLE books;\nDROP TABLE nowhere;", ""});
  try {
    rehearsed();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const RehearsalFailed& failure) {
    EXPECT_EQ(failure.revision, "a1");
    EXPECT_NE(failure.message.find("a1.sql:7"), std::string::npos) << failure.message;
  }
  EXPECT_EQ(first_value(*live_, "SELECT COUNT(*) FROM books"), "3");
}

TEST_F(ServerRehearsal, LetsNothingOutOfTheSandbox) {
  logged_server().client("", "CREATE DATABASE IF NOT EXISTS others; CREATE TABLE IF NOT EXISTS others.t (i INT)");
  const std::string own = schema_;
  project_.revision("a1", "",
                    {"SET GLOBAL max_connections = 17;\nSET GLOBAL event_scheduler = ON;\n"
                     "CREATE USER IF NOT EXISTS intruder@localhost;\nGRANT ALL ON *.* TO intruder@localhost;\n"
                     "CREATE EVENT often ON SCHEDULE EVERY 1 SECOND DO INSERT INTO " +
                         own +
                         ".authors (id) VALUES (RAND() * 1000000);\n"
                         "DELETE FROM " +
                         own + ".books;\nDROP TABLE " + own +
                         ".books;\nSELECT SLEEP(1.2);\n"
                         "DROP EVENT often;",
                     "", false});
  EXPECT_EQ(rehearsed().at(0).revision, "a1");
  project_.revision("b1", "a1", {"DROP TABLE others.t;", ""});
  EXPECT_THROW(rehearsed(), RehearsalFailed) << "no other schema is in the sandbox";
  project_.file("b1.sql", "-- revision: b1\n-- revises: a1\n-- b\n-- migrate:up\nUSE others;\nDROP TABLE t;\n");
  EXPECT_THROW(rehearsed(), Error);
  EXPECT_EQ(first_value(*live_, "SELECT COUNT(*) FROM books"), "3");
  EXPECT_EQ(first_value(*live_, "SELECT COUNT(*) FROM authors"), "2");
  EXPECT_EQ(first_value(*live_, "SELECT COUNT(*) FROM others.t"), "0");
}

TEST_F(ServerRehearsal, ProvesNothingAboveItsLimit) {
  project_.revision("a0", "", {"CREATE TABLE old (i INT);", "DROP TABLE old;"});
  project_.apply(*live_, "a0");
  project_.revision("a1", "a0", {"CREATE TABLE x (i INT);", "DROP TABLE x;"});
  const Rehearsed result = rehearsed(1).at(0);
  EXPECT_TRUE(result.reversible);
  EXPECT_EQ(result.lost, Losses{});
  EXPECT_FALSE(result.proved());
  EXPECT_TRUE(result.why_unproved().ends_with("more than migrations.rehearse_limit (1 B), so no rows were there"))
      << result.why_unproved();
}

}  // namespace
}  // namespace deployer::migrations
