// Migrations on a server whose schema changes are not transactional.
#include <gtest/gtest.h>

#include <thread>

#include "database/dialect.h"
#include "migrations/progress.h"
#include "server_project.h"

namespace deployer::migrations {
namespace {

class StepwiseTest : public ::testing::Test {
 protected:
  std::string state_of(const std::string& id) {
    const auto rows = project_.rows(*session_);
    const auto row = rows.find(id);
    return row == rows.end() ? "no row" : row->second.state;
  }
  std::string value(const std::string& sql) { return first_value(*session_, sql); }
  template <class Act>
  std::string failure(const Act& act) {
    std::string text = error_text(act);
    const std::string folder = project_.folder().string() + "/";
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }

  ServerProject project_;
  std::string url_ = ServerProject::new_schema();
  std::unique_ptr<database::Session> session_ = ServerProject::connect(url_);
};

TEST_F(StepwiseTest, AppliesARevisionStatementByStatementAndRevertsIt) {
  project_.revision("a1", "",
                    {"CREATE TABLE a (id INT PRIMARY KEY, x FLOAT);\nINSERT INTO a VALUES (1, 0.1);\n"
                     "INSERT INTO a VALUES (2, 0.2);\nALTER TABLE a ADD y INT;",
                     "DROP TABLE a;"});
  std::vector<std::string> told;
  project_.options.on_statement = [&](std::size_t number, std::size_t count, std::string_view text) {
    told.push_back(std::to_string(number) + "/" + std::to_string(count) + " " + std::string(text));
  };
  project_.apply(*session_, "a1");
  EXPECT_EQ(state_of("a1"), "applied");
  EXPECT_EQ(value("SELECT COUNT(*) FROM a"), "2");
  EXPECT_EQ(told, (std::vector<std::string>{"1/3 CREATE TABLE a (id INT PRIMARY KEY, x FLOAT)",
                                            "2/3 INSERT INTO a VALUES (1, 0.1)", "3/3 ALTER TABLE a ADD y INT"}));
  EXPECT_EQ(Progress::read(*session_, Deadline::never())->revision, "");
  project_.revert(*session_, "a1");
  EXPECT_EQ(state_of("a1"), "no row");
  EXPECT_FALSE(session_->dialect().has_table(*session_, "a", Deadline::never()));
}

TEST_F(StepwiseTest, LeavesNothingOfARevisionWhoseFirstStatementFails) {
  project_.revision("a1", "", {"ALTER TABLE nothing ADD y INT;", ""});
  EXPECT_NE(failure([&] { project_.apply(*session_, "a1"); }).find("a1.sql:6: Table "), std::string::npos);
  EXPECT_EQ(state_of("a1"), "no row");
}

TEST_F(StepwiseTest, LeavesNothingOfARevisionWhoseOnlyRowsFail) {
  run_script(*session_, "CREATE TABLE a (id INT PRIMARY KEY)");
  project_.revision("a1", "", {"INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);", ""});
  EXPECT_NE(failure([&] { project_.apply(*session_, "a1"); }).find("Duplicate entry"), std::string::npos);
  EXPECT_EQ(value("SELECT COUNT(*) FROM a"), "0");
  EXPECT_EQ(state_of("a1"), "no row");
}

TEST_F(StepwiseTest, SaysFailedOfARevisionThatStoppedHalfWay) {
  project_.revision("a1", "",
                    {"CREATE TABLE a (id INT);\nCREATE TABLE b (id INT);\nALTER TABLE nothing ADD y INT;", ""});
  EXPECT_NE(failure([&] { project_.apply(*session_, "a1"); }).find("a1.sql:8: "), std::string::npos);
  EXPECT_EQ(state_of("a1"), "failed");
  const Standing standing = project_.settle(*session_, "a1");
  EXPECT_EQ(standing.state, Standing::State::partly);
  EXPECT_EQ(standing.done, 2U);
  EXPECT_EQ(standing.units, 3U);
  EXPECT_EQ(project_.settle(*session_, "a1").done, 2U) << "asking again gives the same";
}

TEST_F(StepwiseTest, NeedsTheLockOfTheSchema) {
  project_.revision("a1", "", {"CREATE TABLE a (id INT);", ""});
  const auto other = ServerProject::connect(url_, false);
  EXPECT_NE(failure([&] { project_.apply(*other, "a1"); }).find("does not hold the lock of the schema"),
            std::string::npos);
  EXPECT_EQ(state_of("a1"), "no row");
}

TEST_F(StepwiseTest, RefusesAStatementOfWhichNobodyCouldTellWhetherItHappened) {
  run_script(*session_, "CREATE TABLE m (id INT) ENGINE=MyISAM");
  project_.revision("a1", "", {"CREATE TABLE a (id INT);\nINSERT INTO m VALUES (1);", ""});
  EXPECT_EQ(failure([&] { project_.apply(*session_, "a1"); }),
            "error: a1.sql:7: after a crash nobody could tell whether this happened: it changes rows of m, whose "
            "engine MyISAM has no transactions\nhint: give it a revision of its own with a backup before it, or say "
            "`-- deployer: repeatable` or `-- deployer: probe SELECT …` above it");
  EXPECT_EQ(state_of("a1"), "no row");
  EXPECT_FALSE(session_->dialect().has_table(*session_, "a", Deadline::never()));
}

TEST_F(StepwiseTest, TakesAnUndecidableStatementAloneWhereABackupIsTheWayBack) {
  run_script(*session_, "CREATE TABLE m (id INT) ENGINE=MyISAM");
  project_.revision("a1", "", {"INSERT INTO m VALUES (1);", ""});
  project_.options.may_be_undecidable = true;
  project_.apply(*session_, "a1");
  EXPECT_EQ(value("SELECT COUNT(*) FROM m"), "1");
}

TEST_F(StepwiseTest, DropsNothingOfSeveralTablesWhereOneIsMissing) {
  run_script(*session_, "CREATE TABLE a (id INT); CREATE TABLE b (id INT)");
  project_.revision("a1", "", {"DROP TABLE a, missing, b;", ""});
  EXPECT_EQ(failure([&] { project_.apply(*session_, "a1"); }),
            "error: a1.sql:6: there is no table missing\nhint: nothing of the statement was sent");
  EXPECT_TRUE(session_->dialect().has_table(*session_, "a", Deadline::never()));
  EXPECT_EQ(state_of("a1"), "no row");
}

TEST_F(StepwiseTest, ReplacesATableByOneRename) {
  run_script(*session_, "CREATE TABLE a (id INT); INSERT INTO a VALUES (1)");
  project_.revision("a1", "", {"CREATE OR REPLACE TABLE a (id INT, y INT);\nINSERT INTO a VALUES (1, 2);", ""});
  project_.revision("b1", "a1", {"CREATE OR REPLACE TABLE `new one` (id INT);", ""});
  project_.apply(*session_, "a1");
  project_.apply(*session_, "b1");
  EXPECT_EQ(value("SELECT y FROM a"), "2");
  EXPECT_EQ(value("SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables WHERE "
                  "table_schema = DATABASE() AND table_name NOT LIKE 'deployer%'"),
            "a,new one");
}

TEST_F(StepwiseTest, SendsRowsAgainThatMetALockOfOthers) {
  run_script(*session_, "CREATE TABLE a (id INT PRIMARY KEY, x INT); INSERT INTO a VALUES (1, 0)");
  project_.revision("a1", "", {"UPDATE a SET x = x + 1;\nUPDATE a SET x = x + 1;", ""});
  const auto other = ServerProject::connect(url_, false);
  other->begin(Deadline::never());
  other->execute("UPDATE a SET x = 10 WHERE id = 1", Deadline::never());
  std::vector<std::string> notes;
  std::jthread release([&] {
    const auto watch = ServerProject::connect(url_, false);
    while (first_value(*watch, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") ==
           "0") {
      // InnoDB shows what it saw a tenth of a second ago, and anew only to who has not asked since.
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    other->commit(Deadline::never());
  });
  project_.apply(*session_, "a1");
  EXPECT_EQ(value("SELECT x FROM a"), "12");
}

TEST_F(StepwiseTest, NamesWhoHoldsTheLockWhenItsPatienceIsOver) {
  run_script(*session_, "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1)");
  project_.revision("a1", "", {"ALTER TABLE a ADD y INT;", ""});
  const auto other = ServerProject::connect(url_, false);
  other->begin(Deadline::never());
  other->query("SELECT * FROM a", Deadline::never());
  project_.options.lock_wait_timeout = std::chrono::milliseconds(500);
  const std::string text = failure([&] { project_.apply(*session_, "a1"); });
  EXPECT_NE(text.find("Lock wait timeout exceeded"), std::string::npos) << text;
  EXPECT_NE(text.find("it waits for connection " + std::to_string(other->server().connection_id)), std::string::npos)
      << text;
  EXPECT_EQ(state_of("a1"), "no row");
}

TEST_F(StepwiseTest, JudgesAStatementThatWasCancelledByItsEvidence) {
  run_script(*session_,
             "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, x INT); INSERT INTO a (x) SELECT seq FROM "
             "seq_1_to_20000");
  project_.revision("a1", "", {"CREATE TABLE b (id INT);\nALTER TABLE a ADD y INT DEFAULT 5, ALGORITHM=COPY;", ""});
  std::stop_source stop;
  project_.options.fault = [&, count = 0](const std::string& point) mutable {
    if (point == "before statement" && ++count == 2) stop.request_stop();
  };
  EXPECT_NE(failure([&] { project_.apply(*session_, "a1", Deadline::never(stop.get_token())); }).find("cancelled"),
            std::string::npos);
  const Standing standing = project_.settle(*session_, "a1");
  const bool added = value(
                         "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND "
                         "table_name = 'a' AND column_name = 'y'") == "1";
  if (added) {
    EXPECT_EQ(standing.state, Standing::State::applied);
  } else {
    EXPECT_EQ(standing.state, Standing::State::partly);
    EXPECT_EQ(standing.done, 1U);
  }
}

}  // namespace
}  // namespace deployer::migrations
