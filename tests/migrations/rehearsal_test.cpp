#include "migrations/rehearsal.h"

#include <gtest/gtest.h>

#include "database/dialect.h"
#include "project.h"
#include "system/process.h"

namespace deployer::migrations {
namespace {

class RehearsalTest : public ::testing::Test {
 protected:
  RehearsalTest() {
    session_->execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, isbn TEXT)", Deadline::never());
    session_->execute("INSERT INTO books VALUES (1, 'a', '111'), (2, 'b', '222'), (3, 'c', NULL)", Deadline::never());
  }

  std::vector<Rehearsed> rehearsed(const Deadline& deadline = Deadline::never()) {
    const std::string before = picture();
    const Graph graph = project_.graph();
    std::vector<Rehearsed> results;
    try {
      results = rehearse(*session_, graph, graph.plan_upgrade("heads", {}), project_.history, project_.options,
                         {project_.path("scratch/run-1"), {project_.files, processes_, ""}, limit_}, deadline);
    } catch (...) {
      EXPECT_FALSE(std::filesystem::exists(project_.path("scratch/run-1")));
      EXPECT_EQ(picture(), before);
      throw;
    }
    EXPECT_FALSE(std::filesystem::exists(project_.path("scratch/run-1")));
    EXPECT_EQ(picture(), before) << "the live database is as it was";
    return results;
  }

  std::string picture() {
    return session_->dialect().introspect(*session_, Deadline::never()).fingerprint() +
           first_value(*session_, "SELECT group_concat(quote(id) || quote(title) || quote(isbn)) FROM books") +
           first_value(*session_, "SELECT COUNT(*) FROM sqlite_schema");
  }

  using Losses = std::vector<std::string>;
  Project project_;
  Processes processes_;
  std::uint64_t limit_ = std::uint64_t{1} << 30U;
  std::unique_ptr<database::Session> session_ = project_.session();
};

TEST_F(RehearsalTest, ProvesADownSectionThatBringsEverythingBack) {
  project_.revision("a1", "",
                    {"ALTER TABLE books ADD COLUMN lang TEXT DEFAULT 'en';\nCREATE TABLE loans (id INTEGER);",
                     "DROP TABLE loans;\nALTER TABLE books DROP COLUMN lang;"});
  project_.revision(
      "b1", "a1", {"UPDATE books SET lang = datetime('now', 'subsec') || random();", "UPDATE books SET lang = 'en';"});
  project_.revision("c1", "b1", {"INSERT INTO loans VALUES (1);", "DELETE FROM loans;"});
  const std::vector<Rehearsed> results = rehearsed();
  ASSERT_EQ(results.size(), 3U);
  for (const Rehearsed& result : results) {
    EXPECT_TRUE(result.proved()) << result.revision << ": "
                                 << (result.lost.empty() ? result.down_error : result.lost[0]);
  }
  EXPECT_EQ(results[0].revision, "a1");
}

TEST_F(RehearsalTest, FindsADownThatBringsBackTheShapeButNotTheRows) {
  project_.revision("a1", "", {"ALTER TABLE books DROP COLUMN isbn;", "ALTER TABLE books ADD COLUMN isbn TEXT;"});
  project_.revision("b1", "a1", {"DELETE FROM books WHERE id = 2;", ""});
  project_.revision("c1", "b1",
                    {"UPDATE books SET title = upper(title);", "UPDATE books SET title = lower(title) || ' ';"});
  project_.revision("d1", "c1", {"CREATE TABLE x (i);", "DROP TABLE x;"});
  const std::vector<Rehearsed> results = rehearsed();
  ASSERT_EQ(results.size(), 4U);
  EXPECT_FALSE(results[0].proved());
  EXPECT_TRUE(results[0].reversible);
  EXPECT_EQ(results[0].lost, Losses{"table books: the values of isbn are others"});
  EXPECT_EQ(results[1].lost, Losses{"table books: of 3 rows 2 are there afterwards"});
  EXPECT_EQ(results[2].lost, Losses{"table books: the values of title are others"});
  EXPECT_TRUE(results[3].proved()) << "what is lost before does not count here";
}

TEST_F(RehearsalTest, FindsADownThatDoesNotBringBackTheShape) {
  project_.revision(
      "a1", "",
      {"ALTER TABLE books DROP COLUMN isbn;\nCREATE TABLE x (i);\nCREATE INDEX by_title ON books (title);",
       "DROP INDEX by_title;"});
  const std::vector<Rehearsed> results = rehearsed();
  EXPECT_EQ(results[0].lost[0], "table books: column isbn is not brought back");
  EXPECT_EQ(results[0].lost[1], "table x is left over");
  EXPECT_EQ(results[0].lost[2].substr(0, 15), "up again fails:");
}

TEST_F(RehearsalTest, GoesOnBehindADownThatFails) {
  project_.revision("a1", "", {"CREATE TABLE x (i);", "DROP TABLE y;"});
  project_.revision("b1", "a1", {"INSERT INTO x VALUES (1);", "DELETE FROM x;"});
  const std::vector<Rehearsed> results = rehearsed();
  EXPECT_FALSE(results[0].reversible);
  EXPECT_EQ(results[0].down_error, "down section of a1:1: no such table: y");
  EXPECT_TRUE(results[1].proved());
}

TEST_F(RehearsalTest, LeavesIrreversibleRevisionsUp) {
  project_.revision("a1", "", {"CREATE TABLE x (i);", "", false});
  project_.revision("b1", "a1", {"VACUUM;", ""}, {"transaction: none"});
  const std::vector<Rehearsed> results = rehearsed();
  EXPECT_FALSE(results[0].reversible);
  EXPECT_FALSE(results[0].proved());
  EXPECT_TRUE(results[1].proved()) << "nothing to undo";
}

TEST_F(RehearsalTest, FailsWhereAnUpSectionFails) {
  project_.revision("a1", "", {"CREATE TABLE x (i);", "DROP TABLE x;"});
  project_.revision("b1", "a1", {"INSERT INTO y VALUES (1);", ""});
  EXPECT_EQ(error_text([&] { rehearsed(); }), "error: the rehearsal of revision 'b1' failed: " +
                                                  (project_.folder() / "b1.sql").string() + ":6: no such table: y");
}

TEST_F(RehearsalTest, StopsAtItsDeadline) {
  project_.revision(
      "a1", "",
      {"CREATE TABLE x (i);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO x "
       "SELECT i FROM n;",
       ""});
  try {
    rehearsed(Deadline::after(std::chrono::milliseconds(300)));
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::timed_out);
  }
}

TEST_F(RehearsalTest, SeesTheRowsOfAWriteAheadLog) {
  session_->query("PRAGMA journal_mode = WAL", Deadline::never());
  session_->execute("INSERT INTO books VALUES (4, 'd', '444')", Deadline::never());
  project_.revision("a1", "", {"DELETE FROM books WHERE id = 4;", ""});
  EXPECT_EQ(rehearsed()[0].lost, Losses{"table books: of 4 rows 3 are there afterwards"});
}

TEST_F(RehearsalTest, ProvesNothingWithoutTheRows) {
  project_.revision("a1", "", {"CREATE TABLE x (i);", "DROP TABLE x;"});
  project_.upgrade(*session_);
  session_->execute("CREATE INDEX by_title ON books (title)", Deadline::never());
  session_->execute("CREATE VIEW titles AS SELECT title FROM books", Deadline::never());
  session_->execute("CREATE TRIGGER tr AFTER INSERT ON books BEGIN DELETE FROM x; END", Deadline::never());
  session_->execute("CREATE VIRTUAL TABLE words USING fts5(word)", Deadline::never());
  project_.revision("b1", "a1", {"CREATE TABLE y (i);", "DROP TABLE y;"});
  limit_ = 4096;
  const std::string before = picture();
  const Graph graph = project_.graph();
  const Rehearsed result =
      rehearse(*session_, graph, {"b1"}, project_.history, project_.options,
               {project_.path("scratch/run-1"), {project_.files, processes_, ""}, limit_}, Deadline::never())
          .at(0);
  EXPECT_TRUE(result.reversible);
  EXPECT_EQ(result.lost, Losses{});
  EXPECT_FALSE(result.with_rows());
  EXPECT_FALSE(result.proved());
  EXPECT_EQ(result.why_unproved().substr(0, 52), "its down section is not proved: the database has 44.");
  EXPECT_TRUE(result.why_unproved().ends_with("more than migrations.rehearse_limit (4.0 KiB), so no rows were there"))
      << result.why_unproved();
  EXPECT_EQ(picture(), before);
}

TEST_F(RehearsalTest, TellsOfEachRevisionAndNamesTheOneThatFails) {
  project_.revision("a1", "", {"CREATE TABLE x (i);", "DROP TABLE x;"});
  project_.revision("b1", "a1", {"INSERT INTO y VALUES (1);", ""});
  std::vector<std::string> told;
  try {
    rehearse(*session_, project_.graph(), {"a1", "b1"}, project_.history, project_.options,
             {project_.path("scratch/run-1"),
              {project_.files, processes_, ""},
              limit_,
              [&](const Rehearsed& result) { told.push_back(result.revision); }},
             Deadline::never());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const RehearsalFailed& failure) {
    EXPECT_EQ(failure.revision, "b1");
    EXPECT_EQ(failure.kind, ErrorKind::failed);
  }
  EXPECT_EQ(told, Losses{"a1"});
}

}  // namespace
}  // namespace deployer::migrations
