// migrate, restore, backup and prune where something fails beneath them, by the real engine on a real database.
#include <gmock/gmock.h>

#include <algorithm>

#include "actions/harness.h"
#include "backups/catalogue.h"
#include "database/session.h"

namespace deployer::test {
namespace {

using testing::HasSubstr;

const char* const lossless =
    "CREATE TABLE tags(id INTEGER PRIMARY KEY, name TEXT);\n\n-- migrate:down\nDROP TABLE tags;\n";
const char* const lossy = "DELETE FROM books WHERE id > 1;\n";  // nothing brings the rows back

/// A database with books, revision files, and a harness that works on them.
class MigrationProject : public RunHarness {
 public:
  MigrationProject() {
    pipeline().database = {{"url", "sqlite:///library.db"}, {"migrations", "migrations"}};
    sql("CREATE TABLE books(id INTEGER PRIMARY KEY, title TEXT)");
    for (const char* title : {"one", "two", "three"})
      sql(std::string("INSERT INTO books(title) VALUES('") + title + "')");
  }

  void revision(const std::string& id, const std::string& revises, const std::string& up_and_down) {
    folder().write("migrations/" + id + ".sql", "-- revision: " + id +
                                                    (revises.empty() ? "" : "\n-- revises: " + revises) +
                                                    "\n-- Revision " + id + "\n\n-- migrate:up\n" + up_and_down);
  }
  void sql(const std::string& text) { session()->execute(text, soon()); }
  std::int64_t number(const std::string& text) {
    return database::as_integer(session()->query(text, soon()).rows.at(0).at(0));
  }
  std::int64_t books() { return number("SELECT count(*) FROM books"); }
  bool has_tags() { return number("SELECT count(*) FROM sqlite_schema WHERE name = 'tags'") == 1; }

  /// backup, migrate, and a command that fails.
  void add_failing_deployment(const std::string& with = "") {
    add("backup", "");
    add("migrate", with);
    add_command("false", "last");
  }

 private:
  static Deadline soon() { return Deadline::after(std::chrono::seconds(20)); }
  std::unique_ptr<database::Session> session() const {
    return database::open(value_or_throw(database::parse_url("sqlite:///library.db")), project(),
                          database::Access::create, soon());
  }
};

/// Which of the fault points has this name, from 1.
std::size_t number_of(const std::vector<std::string>& points, const std::string& name) {
  const auto found = std::find(points.begin(), points.end(), name);
  EXPECT_NE(found, points.end()) << name;
  return static_cast<std::size_t>(found - points.begin()) + 1;
}

TEST(MigrateRollback, GoesBackByDownAndThenByARestoreOverIt) {
  MigrationProject project;
  project.revision("001", "", lossy);
  project.revision("002", "001", lossless);
  project.add_failing_deployment();
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_EQ(state.facts.at("way_back"), "restore");
  EXPECT_EQ(project.books(), 3);
  EXPECT_FALSE(project.has_tags());
}

TEST(MigrateRollback, ReportsTheFurthestWayThatItWent) {
  MigrationProject project;
  project.revision("001", "", lossless);
  project.revision("002", "001", lossy);
  project.add_failing_deployment();
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_EQ(state.facts.at("way_back"), "restore");
  EXPECT_EQ(project.books(), 3);
  EXPECT_FALSE(project.has_tags());
}

TEST(MigrateRollback, ARestoreLeavesASafetyBackupOfWhatWasThere) {
  MigrationProject project;
  project.revision("001", "", lossy);
  project.add_failing_deployment();
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  const Files files;
  const backups::Manifest safety =
      backups::show(project.project() / "backups", state.facts.at("safety_backup").get<std::string>(), files);
  EXPECT_EQ(safety.tags, std::vector<std::string>{"safety"});
  EXPECT_EQ(safety.tables.at("books").rows, 1U);
}

TEST(MigrateRollback, WithAHistoryTableOfAnotherNameARestoreIsAWayBackToo) {
  MigrationProject project;
  project.pipeline().database["history_table"] = "schema_history";
  project.revision("001", "", lossless);
  project.add("migrate", "");
  ASSERT_EQ(project.run().status, RunStatus::succeeded);
  project.clear();
  project.revision("002", "001", lossy);
  project.add_failing_deployment();
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_EQ(project.books(), 3);
}

TEST(MigrateRollback, DoesNotRestoreOverRowsThatOthersWrote) {
  MigrationProject project;
  project.revision("001", "", lossy);
  project.add("backup", "");
  project.add("migrate", "");
  project.add_command("sqlite3 library.db \"INSERT INTO books(title) VALUES('new')\"; false", "last");
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_EQ(state.exit_status, 3);
  EXPECT_THAT(state.runbook.at(0),
              HasSubstr("a restore would lose rows that others have written since the backup: books"));
  EXPECT_EQ(project.books(), 2);
}

TEST(MigrateRollback, KilledBeforeTheRowsWereCountedItSaysThatNobodyKnows) {
  const auto prepare = [](MigrationProject& project) {
    project.revision("001", "", lossy);
    project.add_failing_deployment();
  };
  MigrationProject twin;
  prepare(twin);
  const std::size_t number = number_of(twin.points_of_a_run(), "effect.after upgrade 001");
  MigrationProject project;
  prepare(project);
  const RunState state = project.run_killed_at(number);
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_THAT(state.runbook.at(0), HasSubstr("the run died before it had counted the rows"));
}

TEST(MigrateRollback, WithoutARestoreThatMayBeDoneARevisionWithoutDownNeedsAConfirmation) {
  MigrationProject project;
  project.revision("001", "", lossy);
  project.add("backup", "");
  project.add("migrate", "{restore: never}");
  EXPECT_THAT(project.check(),
              HasSubstr("revision '001' has no way back: it has no down section. Go on all the same?"));
}

TEST(MigrateRollback, AFirstDeploymentThatFailsLeavesNoTable) {
  MigrationProject project;
  project.sql("DROP TABLE books");
  project.revision("001", "", lossless);
  project.add_failing_deployment();
  const RunState state = project.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_FALSE(project.has_tags());
  EXPECT_EQ(state.facts.at("way_back"), "down");
}

TEST(RestoreRollback, KilledBeforeItWasJournalledAsDoneItIsTakenBack) {
  const auto prepare = [](MigrationProject& project) {
    project.add("backup", "");
    ASSERT_EQ(project.run().status, RunStatus::succeeded);
    const std::string name = backups::list(project.project() / "backups", Files()).backups.at(0).name;
    project.sql("INSERT INTO books(title) VALUES('four')");
    project.add("restore", "{name: " + name + "}");
  };
  MigrationProject twin;
  prepare(twin);
  const std::size_t number = number_of(twin.points_of_a_run(), "effect.after restore");
  MigrationProject project;
  prepare(project);
  const RunState state = project.run_killed_at(number);
  EXPECT_EQ(state.status, RunStatus::rolled_back) << testing::PrintToString(state.runbook);
  EXPECT_EQ(project.books(), 4);
}

TEST(PruneFinish, KeepsTheNewestGoodBackupThoughItHadBeenChosen) {
  MigrationProject project;
  project.add("backup", "");
  ASSERT_EQ(project.run().status, RunStatus::succeeded);
  ASSERT_EQ(project.run().status, RunStatus::succeeded);
  project.clear();
  project.add("prune", "{retention: {keep_last: 1}}");
  const Files files;
  const std::filesystem::path folder = project.project() / "backups";
  const auto before = backups::list(folder, files).backups;
  ASSERT_EQ(before.size(), 2U);
  // It dies after its success; until it is finished, the newer backup goes bad.
  const RunState state = project.run_killed_on([&](const Event& event) {
    if (event.kind != "run_succeeded") return false;
    std::filesystem::resize_file(before[0].file, before[0].bytes - 1);
    return true;
  });
  EXPECT_EQ(state.status, RunStatus::succeeded);
  EXPECT_THAT(state.warnings, testing::ElementsAre(HasSubstr("is kept after all: it is the newest good one")));
  EXPECT_TRUE(std::filesystem::exists(before[1].file));
}

TEST(ValidateEnv, TakesASecretOfTheDocumentAsGiven) {
  RunHarness harness;
  harness.add("validate", "{env: [SECRET_KEY]}");
  EXPECT_EQ(harness.run().status, RunStatus::rolled_back);
  harness.redactor().add("SECRET_KEY", "s3cret-key");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
}

}  // namespace
}  // namespace deployer::test
