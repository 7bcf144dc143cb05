#include <gtest/gtest.h>

#include "actions/harness.h"
#include "actions/maintenance.h"
#include "actions/step_context.h"
#include "base/text.h"
#include "support/mariadb.h"

namespace deployer::test {
namespace {

std::string read_only_of(const MariaDb& server) {
  return std::string(trim(server.client("", "SELECT @@global.read_only")));
}

/// A shell command that fails unless the server is read-only, or is not.
std::string expects_read_only(const MariaDb& server, bool on) {
  return "test $(mariadb --no-defaults -uroot --socket=" + server.socket() +
         " --batch --skip-column-names -e 'SELECT @@global.read_only') = " + (on ? "1" : "0");
}

std::string url_of_account(MariaDb& server, const std::string& schema, const std::string& user) {
  server.client("", "CREATE USER " + user + "@localhost IDENTIFIED BY 'x'; GRANT ALL ON `" + schema + "`.* TO " + user +
                        "@localhost");
  return "mariadb://" + user + ":x@localhost/" + schema + "?socket=" + server.socket();
}

TEST(MaintenanceByDatabase, HoldsUntilTheRunHasSucceeded) {
  MariaDb server;
  RunHarness harness;
  harness.pipeline().database["url"] = server.new_database("books");
  harness.add("maintenance", "{database: read_only}");
  harness.add_command(expects_read_only(server, true), "under");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(read_only_of(server), "0");
}

TEST(MaintenanceByDatabase, EndsWithAStepThatSaysSoAndHoldsAgainWhileTheRunIsTakenBack) {
  MariaDb server;
  RunHarness harness;
  harness.pipeline().database["url"] = server.new_database("books");
  harness.add("maintenance", "{database: read_only}");
  Step& under = harness.add_command(expects_read_only(server, true), "under");
  under.rollback.emplace();
  under.rollback->command.shell_text = expects_read_only(server, true);
  harness.add("maintenance", "{database: read_only, active: false}", "end");
  harness.add_command(expects_read_only(server, false), "after");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  harness.add_command("exit 1", "fails");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_EQ(read_only_of(server), "0");
}

TEST(MaintenanceByDatabase, LeavesAServerReadOnlyThatWasSoBefore) {
  MariaDb server;
  RunHarness harness;
  harness.pipeline().database["url"] = server.new_database("books");
  server.client("", "SET GLOBAL read_only = 1");
  harness.add("maintenance", "{database: read_only}");
  EXPECT_EQ(harness.run().status, RunStatus::succeeded);
  EXPECT_EQ(read_only_of(server), "1");
}

TEST(MaintenanceByDatabase, EndsAfterADeathAtEachOfItsPoints) {
  MariaDb server;
  RunHarness harness;
  harness.pipeline().database["url"] = server.new_database("books");
  harness.add("maintenance", "{database: read_only}");
  harness.add_command(expects_read_only(server, true), "under");
  const std::vector<std::string> points = harness.points_of_a_run();
  for (std::size_t point = 1; point <= points.size(); ++point) {
    const bool is_of_maintenance = points[point - 1].find("maintenance") != std::string::npos;
    if (!is_of_maintenance) continue;
    const RunState state = harness.run_killed_at(point);
    const bool settled = state.status == RunStatus::succeeded || state.status == RunStatus::rolled_back;
    EXPECT_TRUE(settled) << points[point - 1] << ": " << join(state.runbook, "\n");
    EXPECT_EQ(read_only_of(server), "0") << points[point - 1];
  }
}

TEST(MaintenanceByDatabase, EndsOverASessionOfItsOwnWhereTheRunsIsBroken) {
  MariaDb server;
  RunHarness harness;
  harness.pipeline().database["url"] = server.new_database("books");
  harness.add("maintenance", "{database: read_only}");
  harness.add_command("mariadb --no-defaults -uroot --socket=" + server.socket() +
                          " --batch --skip-column-names -e 'SELECT CONCAT(\"KILL \", id) FROM "
                          "information_schema.processlist WHERE id <> CONNECTION_ID()' > kills && "
                          "mariadb --no-defaults -uroot --socket=" +
                          server.socket() + " < kills",
                      "kills");
  const RunState state = harness.run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(read_only_of(server), "0");
  EXPECT_TRUE(state.warnings.empty()) << join(state.warnings, "\n");
}

TEST(MaintenanceByDatabase, NamesTheGrantBeforeTheRunBegins) {
  MariaDb& server = shared_mariadb();
  server.new_database("maintenance_grant");
  RunHarness harness;
  harness.pipeline().database["url"] = url_of_account(server, "maintenance_grant", "plain_deployer");
  harness.add("maintenance", "{database: read_only}");
  EXPECT_EQ(harness.check(),
            "error: the account `plain_deployer`@`localhost` may not set read_only, nor write in spite of it\n"
            "hint: GRANT READ_ONLY ADMIN ON *.* TO `plain_deployer`@`localhost`");
}

TEST(MaintenanceByDatabase, IsRefusedOnAFile) {
  RunHarness harness;
  harness.pipeline().database["url"] = "sqlite:///library.db";
  harness.add("maintenance", "{database: read_only}");
  EXPECT_EQ(harness.check(),
            "error: step 'maintenance': a database that is a file has no read_only\n"
            "hint: use file or command");
}

/// A run whose maintenance has begun, on a server of its own.
class FrozenRun : public testing::Test {
 protected:
  FrozenRun() : run_(server_.new_database("books")) {
    run_.add("maintenance", "{database: read_only}", "freeze");
    run_.add("maintenance", "{database: read_only, active: false}", "thaw");
    run_.add("run", "{}", "work");
    run_.run("freeze");
  }

  std::string why() {
    std::string why;
    EXPECT_FALSE(writes_stopped_since(run_.in("work"), why).has_value());
    return why;
  }

  MariaDb server_;
  StandingRun run_;
};

TEST_F(FrozenRun, ProvesThatNobodyElseHasWrittenSince) {
  std::string why;
  EXPECT_EQ(writes_stopped_since(run_.in("work"), why), run_.state().effects.at(0).id);
  EXPECT_EQ(why, "");
}

TEST_F(FrozenRun, ProvesNothingOnceThatWasEnded) {
  run_.run("thaw");
  EXPECT_EQ(why(), "no step has made the server read-only");
}

TEST_F(FrozenRun, ProvesNothingWhenSomebodyHasEndedIt) {
  server_.client("", "SET GLOBAL read_only = 0");
  EXPECT_EQ(why(), "the server is not read-only any more");
  hold_maintenance(run_.in("work"));
  EXPECT_EQ(read_only_of(server_), "1");
  EXPECT_EQ(why(), "read_only was off in between");
}

TEST_F(FrozenRun, IsHeldAgainOnAServerThatHasForgottenIt) {
  server_.restart();
  run_.forget_session();
  EXPECT_EQ(read_only_of(server_), "0");
  hold_maintenance(run_.in("work"));
  EXPECT_EQ(read_only_of(server_), "1");
  EXPECT_EQ(why(), "read_only was off in between");
  EXPECT_EQ(run_.state().warnings.back(), "work: the server was not read-only any more, and is again");
}

TEST_F(FrozenRun, IsLeftAsItIsWhereItHolds) {
  const std::size_t warnings = run_.state().warnings.size();
  hold_maintenance(run_.in("work"));
  EXPECT_EQ(run_.state().warnings.size(), warnings);
}

TEST_F(FrozenRun, IsNotHeldOnceItWasEnded) {
  run_.run("thaw");
  hold_maintenance(run_.in("work"));
  EXPECT_EQ(read_only_of(server_), "0");
}

TEST_F(FrozenRun, ProvesNothingWhileEventsMayWrite) {
  server_.client("books",
                 "CREATE TABLE t (a INT); CREATE EVENT sweep ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE "
                 "FROM t; SET GLOBAL event_scheduler = ON");
  EXPECT_EQ(why(), "events of the schema may write: sweep");
}

TEST_F(FrozenRun, ProvesNothingWhereTheServiceHasTheSameAccount) {
  run_.pipeline().env["DATABASE_URL"] = run_.pipeline().database["url"];
  EXPECT_EQ(why(), "the service writes with deployer's own account (DATABASE_URL)");
}

TEST(MaintenanceProof, ProvesNothingWithoutSuchAStep) {
  StandingRun run("");
  run.add("run", "{}", "work");
  std::string why;
  EXPECT_FALSE(writes_stopped_since(run.in("work"), why).has_value());
  EXPECT_EQ(why, "no step has made the server read-only");
  hold_maintenance(run.in("work"));
}

}  // namespace
}  // namespace deployer::test
