#include "migrations/executor.h"

#include <gtest/gtest.h>

#include <thread>

#include "database/dialect.h"
#include "project.h"

namespace deployer::migrations {
namespace {

const Deadline no_hurry = Deadline::never();

class ExecutorTest : public ::testing::Test {
 protected:
  std::map<std::string, Applied> rows() { return project_.history.read(*session_, no_hurry); }
  void apply(const std::string& id, const Deadline& deadline = no_hurry) {
    Executor(*session_, project_.history, project_.options)
        .apply(*project_.graph().find(id), applied_ids(rows()), deadline);
  }
  void revert(const std::string& id) {
    Executor(*session_, project_.history, project_.options).revert(rows().at(id), applied_ids(rows()), no_hurry);
  }
  std::string fingerprint() { return session_->dialect().introspect(*session_, no_hurry).fingerprint(); }
  std::string value(const std::string& sql) { return first_value(*session_, sql); }
  /// The text of an error, with the folder cut out of the paths.
  template <class Act>
  std::string failure(const Act& act) {
    std::string text = error_text(act);
    const std::string folder = project_.folder().string() + "/";
    const std::size_t at = text.find(folder);
    return at == std::string::npos ? text : text.erase(at, folder.size());
  }

  Project project_;
  std::unique_ptr<database::Session> session_ = project_.session();
};

TEST_F(ExecutorTest, AppliesARevisionWithItsRow) {
  project_.revision(
      "a1", "",
      {"CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;\nINSERT INTO a VALUES (1);",
       "DROP TABLE a;"},
      {"branch-labels: blue"});
  std::vector<std::string> told;
  project_.options.on_statement = [&](std::size_t number, std::size_t count, std::string_view text) {
    told.push_back(std::to_string(number) + "/" + std::to_string(count) + " " + std::string(text));
  };
  apply("a1");
  EXPECT_EQ(value("SELECT COUNT(*) FROM a"), "1");
  const Applied row = rows().at("a1");
  EXPECT_EQ(row.state, "applied");
  EXPECT_EQ(row.description, "About a1");
  EXPECT_EQ(row.branch_labels, Ids{"blue"});
  EXPECT_EQ(row.up_text, project_.graph().find("a1")->up->text);
  EXPECT_EQ(row.down_text, "DROP TABLE a;\n");
  EXPECT_EQ(row.applied_by + row.run_id + row.deployer_version + row.applied_at,
            "me@hererun-10.12026-11-24T10:00:00.000Z");
  EXPECT_EQ(told, (std::vector<std::string>{"1/3 CREATE TABLE a (x)",
                                            "2/3 CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
                                            "3/3 INSERT INTO a VALUES (1)"}));
  EXPECT_FALSE(session_->in_transaction());
}

TEST_F(ExecutorTest, LeavesNothingOfARevisionWhoseThirdStatementFails) {
  project_.revision("a1", "",
                    {"CREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n  INSERT INTO b VALUES (1);\nDROP TABLE a;", ""});
  const std::string before = fingerprint();
  EXPECT_EQ(failure([&] { apply("a1"); }), "error: a1.sql:8: no such table: b");
  EXPECT_EQ(fingerprint(), before);
  EXPECT_TRUE(rows().empty());
  EXPECT_FALSE(session_->dialect().has_table(*session_, "deployer_migrations", no_hurry));
  EXPECT_FALSE(session_->in_transaction());
}

TEST_F(ExecutorTest, LeavesNothingWhereAStatementRollsBackByItself) {
  project_.revision(
      "a1", "", {"CREATE TABLE a (x UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT OR ROLLBACK INTO a VALUES (1);", ""});
  EXPECT_EQ(failure([&] { apply("a1"); }), "error: a1.sql:8: UNIQUE constraint failed: a.x");
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(value("SELECT COUNT(*) FROM sqlite_schema"), "0");
}

TEST_F(ExecutorTest, LeavesNothingWhereItIsStopped) {
  project_.revision("a1", "",
                    {"CREATE TABLE a (x);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO "
                     "a SELECT i FROM n;",
                     ""});
  try {
    apply("a1", Deadline::after(std::chrono::milliseconds(50)));
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::timed_out);
  }
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(value("SELECT COUNT(*) FROM sqlite_schema"), "0");
}

TEST_F(ExecutorTest, LeavesNothingWhereTheDatabaseIsFull) {
  project_.revision(
      "a1", "",
      {"CREATE TABLE a (x);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT "
       "INTO a SELECT randomblob(1000) FROM n;",
       ""});
  session_->execute("PRAGMA max_page_count = 20", no_hurry);
  try {
    apply("a1");
    ADD_FAILURE() << "there was room";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::no_space);
  }
  EXPECT_EQ(value("SELECT COUNT(*) FROM sqlite_schema"), "0");
  EXPECT_FALSE(session_->in_transaction());
}

TEST_F(ExecutorTest, LeavesNothingWhereAListenerThrows) {
  project_.revision("a1", "", {"CREATE TABLE a (x);\nCREATE TABLE b (x);", ""});
  project_.options.on_statement = [](std::size_t number, std::size_t, std::string_view) {
    if (number == 2) throw std::runtime_error("no more");
  };
  EXPECT_THROW(apply("a1"), std::runtime_error);
  EXPECT_EQ(value("SELECT COUNT(*) FROM sqlite_schema"), "0");
}

TEST_F(ExecutorTest, ChecksThatTheHistoryIsWhatThePlanSaw) {
  project_.revision("a1", "");
  project_.revision("b1", "a1", {"CREATE TABLE b (x);", ""});
  apply("a1");
  Executor executor(*session_, project_.history, project_.options);
  const std::string changed =
      "error: the history has changed since the plan was made\nhint: somebody else migrates this database";
  EXPECT_EQ(failure([&] { executor.apply(*project_.graph().find("b1"), {}, no_hurry); }), changed);
  EXPECT_EQ(failure([&] { executor.revert(rows().at("a1"), {"a1", "b1"}, no_hurry); }), changed);
  project_.history.set_state(*session_, "a1", "applying", no_hurry);
  EXPECT_EQ(failure([&] { executor.apply(*project_.graph().find("b1"), {}, no_hurry); }), changed);
  EXPECT_EQ(rows().size(), 1U);
}

TEST_F(ExecutorTest, RevertsByWhatTheDatabaseKeepsAndNeverByTheFile) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", "DROP TABLE a;"});
  const std::string before = fingerprint();
  apply("a1");
  project_.revision("a1", "", {"CREATE TABLE a (x);", "SELECT broken FROM nowhere;"});
  revert("a1");
  EXPECT_EQ(fingerprint(), before);
  EXPECT_TRUE(rows().empty());
}

TEST_F(ExecutorTest, TellsWhichStatementOfADownSectionFails) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", "DROP TABLE a;\nDROP TABLE b;"});
  apply("a1");
  EXPECT_EQ(failure([&] { revert("a1"); }), "error: down section of a1:2: no such table: b");
  EXPECT_EQ(rows().size(), 1U);
  EXPECT_EQ(value("SELECT COUNT(*) FROM a"), "0");
}

TEST_F(ExecutorTest, TellsAnIrreversibleRevisionFromOneWithNothingToUndo) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", "", false});
  project_.revision("b1", "a1", {"INSERT INTO a VALUES (1);", ""});
  apply("a1");
  apply("b1");
  revert("b1");
  EXPECT_EQ(failure([&] { revert("a1"); }),
            "error: revision 'a1' is irreversible: it was applied without a down section");
  EXPECT_EQ(rows().size(), 1U);
}

TEST_F(ExecutorTest, RebuildsATableWithoutLosingTheRowsThatPointAtIt) {
  project_.revision("a1", "",
                    {"CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);\n"
                     "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parent (id) "
                     "ON DELETE CASCADE);\n"
                     "INSERT INTO parent VALUES (1, 'a'), (2, 'b');\nINSERT INTO child VALUES (1, 1), (2, 2), (3, 2);",
                     ""});
  project_.revision("b1", "a1",
                    {"PRAGMA foreign_keys = ON;\n"
                     "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
                     "INSERT INTO parent_new SELECT * FROM parent;\nDROP TABLE parent;\n"
                     "ALTER TABLE parent_new RENAME TO parent;",
                     ""});
  apply("a1");
  apply("b1");
  EXPECT_EQ(value("SELECT COUNT(*) FROM child"), "3");
  EXPECT_EQ(value("SELECT COUNT(*) FROM pragma_foreign_key_check"), "0");
}

TEST_F(ExecutorTest, RefusesARevisionAfterWhichAForeignKeyPointsNowhere) {
  project_.revision("a1", "",
                    {"CREATE TABLE parent (id INTEGER PRIMARY KEY);\n"
                     "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));\n"
                     "INSERT INTO parent VALUES (1), (2);\nINSERT INTO child VALUES (1, 1), (2, 2);",
                     ""});
  project_.revision("b1", "a1", {"DELETE FROM parent WHERE id = 1;", ""});
  apply("a1");
  EXPECT_EQ(failure([&] { apply("b1"); }),
            "error: a foreign key points nowhere afterwards: table child: row 1 points at a row of parent that is not "
            "there (foreign key 0)");
  EXPECT_EQ(value("SELECT COUNT(*) FROM parent"), "2");
  EXPECT_EQ(rows().size(), 1U);
  // What was broken before does not stand in the way of another revision, and hides no second breach.
  session_->execute("DELETE FROM parent WHERE id = 2", no_hurry);
  EXPECT_NE(failure([&] { apply("b1"); }).find("table child: row 1"), std::string::npos);
  project_.revision("b1", "a1", {"CREATE TABLE other (x);", ""});
  apply("b1");
  EXPECT_EQ(rows().size(), 2U);
}

TEST_F(ExecutorTest, RunsAStatementThatCannotBeInATransactionAlone) {
  project_.revision("a1", "",
                    {"CREATE TABLE a (x);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT "
                     "1000) INSERT INTO a SELECT hex(randomblob(200)) FROM n;\nDELETE FROM a;",
                     ""});
  project_.revision("b1", "a1", {"VACUUM;", "VACUUM;"}, {"transaction: none"});
  project_.revision("c1", "b1", {"CREATE TABLE c (x);", "DROP TABLE c;"}, {"transaction: none"});
  apply("a1");
  const std::string pages = value("PRAGMA page_count");
  apply("b1");
  EXPECT_LT(std::stoi(value("PRAGMA page_count")), std::stoi(pages));
  EXPECT_EQ(rows().at("b1").state, "applied");
  apply("c1");
  revert("c1");
  revert("b1");
  EXPECT_EQ(applied_ids(rows()), std::set<std::string>{"a1"});
}

TEST_F(ExecutorTest, WritesNoRowForALoneStatementThatFails) {
  project_.revision("a1", "", {"VACUUM nowhere;", ""}, {"transaction: none"});
  EXPECT_EQ(failure([&] { apply("a1"); }), "error: a1.sql:7: unknown database nowhere");
  EXPECT_TRUE(rows().empty());
}

TEST_F(ExecutorTest, WaitsForAWriterUntilItsDeadline) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", ""});
  session_->execute("CREATE TABLE t (x)", no_hurry);
  const auto other = project_.session();
  other->begin(no_hurry);
  EXPECT_THROW(apply("a1", Deadline::after(std::chrono::milliseconds(50))), Error);
  EXPECT_FALSE(session_->in_transaction());
  other->rollback();
  apply("a1");
  EXPECT_EQ(rows().size(), 1U);
}

}  // namespace
}  // namespace deployer::migrations
