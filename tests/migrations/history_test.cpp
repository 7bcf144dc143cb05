#include "migrations/history.h"

#include <gtest/gtest.h>

#include "database/dialect.h"
#include "migrations/stamp.h"
#include "migrations/status.h"
#include "project.h"
#include "support/mariadb.h"

namespace deployer::migrations {
namespace {

const Deadline no_deadline = Deadline::never();

/// The same promises on both databases; each test has a database of its own.
class HistoryTest : public ::testing::TestWithParam<database::Engine> {
 protected:
  std::unique_ptr<database::Session> new_session() {
    if (GetParam() == database::Engine::sqlite) return project_.session();
    static int number = 0;
    const std::string url = test::shared_mariadb().new_database("history_" + std::to_string(++number));
    return database::open(*database::parse_url(url), "/", database::Access::existing,
                          Deadline::after(std::chrono::seconds(10)));
  }
  std::map<std::string, Applied> rows() { return history_.read(*session_, no_deadline); }
  void insert(const Applied& row) {
    history_.create(*session_, no_deadline);
    history_.insert(*session_, row, no_deadline);
  }
  void mark(const std::string& word, bool purge = false) {
    const Graph graph = project_.graph();
    stamp(*session_, graph, history_, plan_stamp(graph, rows(), word, purge), project_.options, no_deadline);
  }

  const Project project_;
  const History history_{"deployer_migrations"};
  std::unique_ptr<database::Session> session_ = new_session();
};

Applied row_with_everything() {
  Applied row;
  row.revision = "m1";
  row.down_revisions = {"b2", "c2"};
  row.depends_on = {"d1"};
  row.branch_labels = {"blue", "green"};
  row.description = "it's \xF0\x9F\x93\x9A; a \"merge\"";
  row.up_text = "-- kept as it is\r\nSELECT 'a\\'b';\n" + std::string(100000, 'x');
  row.has_down = true;
  row.down_text = "";
  row.checksum_up = std::string(64, 'a');
  row.checksum_down = std::string(64, 'b');
  row.state = "applied";
  row.applied_at = "2026-11-24T10:00:00.000Z";
  row.duration_ms = 5000000000;
  row.applied_by = "me@here";
  row.marked_by = "you@there";
  row.deployer_version = "0.1";
  row.run_id = "run-1";
  return row;
}

TEST_P(HistoryTest, IsEmptyWhereThereIsNoTableAndMakesNone) {
  EXPECT_TRUE(rows().empty());
  EXPECT_FALSE(session_->dialect().has_table(*session_, "deployer_migrations", no_deadline));
}

TEST_P(HistoryTest, KeepsEveryColumn) {
  const Applied row = row_with_everything();
  insert(row);
  history_.create(*session_, no_deadline);
  ASSERT_EQ(rows().size(), 1U);
  const Applied read = rows().at("m1");
  EXPECT_EQ(read.down_revisions, row.down_revisions);
  EXPECT_EQ(read.depends_on, row.depends_on);
  EXPECT_EQ(read.branch_labels, row.branch_labels);
  EXPECT_EQ(read.description, row.description);
  EXPECT_EQ(read.up_text, row.up_text);
  EXPECT_TRUE(read.has_down);
  EXPECT_EQ(read.down_text, "");
  EXPECT_EQ(read.checksum_up + read.checksum_down, row.checksum_up + row.checksum_down);
  EXPECT_EQ(read.state + read.applied_at, row.state + row.applied_at);
  EXPECT_EQ(read.duration_ms, row.duration_ms);
  EXPECT_EQ(read.applied_by + read.marked_by, row.applied_by + row.marked_by);
  EXPECT_EQ(read.deployer_version + read.run_id, row.deployer_version + row.run_id);
}

TEST_P(HistoryTest, ChangesStatesAndForgets) {
  insert(row_with_everything());
  history_.set_state(*session_, "m1", "reverting", no_deadline);
  EXPECT_EQ(rows().at("m1").state, "reverting");
  EXPECT_TRUE(applied_ids(rows()).empty());
  history_.remove(*session_, "m1", no_deadline);
  EXPECT_TRUE(rows().empty());
}

TEST_P(HistoryTest, HasItsTableWhereTheSettingSays) {
  const History own("my \"history\" `table`");
  own.create(*session_, no_deadline);
  own.insert(*session_, row_with_everything(), no_deadline);
  EXPECT_EQ(own.read(*session_, no_deadline).size(), 1U);
  EXPECT_TRUE(rows().empty());
}

TEST_P(HistoryTest, SaysWhereTheDatabaseStands) {
  for (const auto& [id, parent] :
       std::map<std::string, std::string>{{"a1", ""}, {"b1", "a1"}, {"c1", "a1"}, {"c2", "c1"}}) {
    Applied row;
    row.revision = id;
    if (!parent.empty()) row.down_revisions = {parent};
    if (id == "c1") row.depends_on = {"b1"};
    row.state = id == "c2" ? "applying" : "applied";
    insert(row);
  }
  EXPECT_EQ(applied_ids(rows()), (std::set<std::string>{"a1", "b1", "c1"}));
  EXPECT_EQ(current_of(rows()), Ids{"c1"}) << "c1 depends on b1, as in Alembic";
  EXPECT_EQ(parents_of(rows()).at("c1").depends_on, Ids{"b1"});
}

TEST_P(HistoryTest, GivesTheStatusOfTheSeed) {
  project_.revision("decb1406ac43", "");
  project_.revision("9a385a344ba4", "decb1406ac43");
  mark("decb1406ac43");
  const MigrationStatus status = status_of(project_.graph(), rows());
  EXPECT_EQ(status.text(),
            "Migration Status:\n"
            "  Current Revision: decb1406ac43\n"
            "  Head Revision: 9a385a344ba4\n"
            "  Up to Date: False\n"
            "  Needs Migration: True\n"
            "  Pending Migrations: 1\n"
            "    - 9a385a344ba4\n");
  EXPECT_EQ(dump(status.json()), dump(Json{{"current_revision", "decb1406ac43"},
                                           {"head_revision", "9a385a344ba4"},
                                           {"is_up_to_date", false},
                                           {"needs_migration", true},
                                           {"pending_migrations", {"9a385a344ba4"}},
                                           {"ahead", Json::array()},
                                           {"schema_drift", nullptr}}));
}

TEST_P(HistoryTest, GivesTheStatusOfBranchesAndOfADatabaseThatIsAhead) {
  project_.revision("a1", "");
  project_.revision("b1", "a1");
  project_.revision("c1", "a1");
  mark("heads");
  Applied unknown;
  unknown.revision = "zz";
  unknown.down_revisions = {"b1"};
  unknown.state = "applied";
  insert(unknown);
  const MigrationStatus status = status_of(project_.graph(), rows());
  EXPECT_EQ(status.text(),
            "Migration Status:\n"
            "  Current Revision: c1, zz\n"
            "  Head Revision: b1, c1\n"
            "  Up to Date: True\n"
            "  Needs Migration: False\n"
            "  Pending Migrations: 0\n"
            "  Ahead: 1\n"
            "    - zz\n");
  EXPECT_EQ(dump(status.json()["current_revision"]), R"(["c1","zz"])");
  EXPECT_EQ(dump(status.json()["ahead"]), R"(["zz"])");
}

TEST_P(HistoryTest, IsUpToDateWithoutFilesAndRows) {
  const MigrationStatus status = status_of(project_.graph(), rows());
  EXPECT_EQ(status.text(),
            "Migration Status:\n"
            "  Current Revision: None\n"
            "  Head Revision: None\n"
            "  Up to Date: True\n"
            "  Needs Migration: False\n"
            "  Pending Migrations: 0\n");
  EXPECT_TRUE(status.json()["current_revision"].is_null());
}

TEST_P(HistoryTest, SaysWhereFilesAndRowsDiffer) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", "DROP TABLE a;"});
  project_.revision("b1", "a1", {"CREATE TABLE b (x);", "DROP TABLE b;"});
  mark("head");
  EXPECT_TRUE(compare(project_.graph(), rows()).empty());
  const std::string before = rows().at("b1").checksum_up;
  project_.revision("b1", "", {"CREATE TABLE b (y);", "", false});
  project_.revision("a1", "", {"CREATE TABLE a (x); -- the same", "DROP TABLE  a"});
  std::string text;
  for (const Diagnostic& one : compare(project_.graph(), rows())) text += one.text() + "\n";
  const std::string file = (project_.folder() / "b1.sql").string();
  const std::string now = project_.graph().find("b1")->checksum_up;
  const std::string a1 = (project_.folder() / "a1.sql").string();
  EXPECT_EQ(text, a1 +
                      ":7:1: warning[changed]: the down section of 'a1' has changed since it was applied\n"
                      "    hint: going back uses the section as it was applied\n" +
                      file + ":5:1: error: the up section of 'b1' has changed since it was applied: its checksum was " +
                      before + " and is " + now +
                      "\n    hint: put the file back as it was, or make the change in a new revision\n" + file +
                      ":1:1: warning[changed]: the down section of 'b1' has changed since it was applied\n"
                      "    hint: going back uses the section as it was applied\n" +
                      file +
                      ":2:1: error: 'b1' was applied on a1 and its file now says nothing\n"
                      "    hint: put `revises` back as it was\n");
  history_.set_state(*session_, "a1", "reverting", no_deadline);
  EXPECT_EQ(compare(project_.graph(), rows()).front().message, "revision 'a1' stopped half-way (reverting)");
}

TEST_P(HistoryTest, IsStampedAsAlembicDoes) {
  project_.revision("a1", "", {"CREATE TABLE a (x);", "DROP TABLE a;"});
  project_.revision("b1", "a1");
  project_.revision("b2", "b1");
  project_.revision("c1", "a1");
  mark("b2");
  EXPECT_EQ(applied_ids(rows()), (std::set<std::string>{"a1", "b1", "b2"}));
  EXPECT_EQ(rows().at("a1").up_text, "CREATE TABLE a (x);\n");
  EXPECT_EQ(rows().at("a1").marked_by, "me@here");
  EXPECT_EQ(rows().at("a1").applied_by, "");
  mark("c1");
  EXPECT_EQ(applied_ids(rows()), (std::set<std::string>{"a1", "b1", "b2", "c1"})) << "another branch stays";
  mark("b1");
  EXPECT_EQ(applied_ids(rows()), (std::set<std::string>{"a1", "b1", "c1"}));
  mark("a1", true);
  EXPECT_EQ(applied_ids(rows()), std::set<std::string>{"a1"});
  Applied half;
  half.revision = "b1";
  half.state = "applying";
  insert(half);
  mark("b1");
  EXPECT_EQ(rows().at("b1").state, "applied");
  mark("base");
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(error_text([&] { mark("a1-1"); }), "error: 'a1-1' is the base\nhint: stamp base forgets every revision");
}

std::string engine_of(const ::testing::TestParamInfo<database::Engine>& test) {
  return test.param == database::Engine::sqlite ? "Sqlite" : "MariaDb";
}

INSTANTIATE_TEST_SUITE_P(On, HistoryTest, ::testing::Values(database::Engine::sqlite, database::Engine::mariadb),
                         engine_of);

}  // namespace
}  // namespace deployer::migrations
