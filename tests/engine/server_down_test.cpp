#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"
#include "database/session.h"
#include "engine/world.h"
#include "state/server_lock.h"
#include "support/mariadb.h"
#include "system/process.h"

namespace deployer {

/// A run whose step makes a table on a real server, which is killed in the midst of the run's rollback.
class ServerDown : public testing::Test {
 protected:
  ServerDown() : server({.extra = "--innodb-flush-log-at-trx-commit=1"}) {
    url = server.new_database("books");
    lock = take();
    test::World::Script table;
    table.run = [this](ActionContext& context) {
      context.effect("make books", Json::object(), [&] {
        session = lock->session(context.deadline(), true);
        session->execute("CREATE TABLE books (id INT)", context.deadline());
        return Json(nullptr);
      });
    };
    table.undo = [this](ActionContext& context, const UndoRecord&) { undo(context); };
    table.verify = [this](ActionContext& context) {
      return Verification{
          true, lock->session(context.deadline(), false)->query("SHOW TABLES LIKE 'books'", context.deadline()).empty(),
          "the table is still there"};
    };
    world.add("table", table);
    world.add_failing("break");
  }

  std::unique_ptr<ServerLock> take() const {
    const std::string text = url;
    const OpenSession open = [text](const Deadline& deadline) {
      return database::open(value_or_throw(database::parse_url(text)), "/", database::Access::create, deadline);
    };
    return ServerLock::take({open, {"run", "web1", record_of_self().json(), "now"}, "ann", "books"},
                            Deadline::after(Duration(0)));
  }

  void undo(ActionContext& context) {
    ++undos;
    if (undos == 1) kill(server.pid(), SIGKILL);
    if (undos == comes_back_at) server.restart();
    if (undos > 1) session.reset();
    if (!session) session = lock->session(context.deadline(), false);
    session->execute("DROP TABLE IF EXISTS books", context.deadline());
  }

  std::string tables() const { return server.client("books", "SHOW TABLES LIKE 'books'"); }

  test::MariaDb server;
  std::string url;
  std::unique_ptr<ServerLock> lock;
  std::shared_ptr<database::Session> session;
  test::World world;
  int undos = 0;
  int comes_back_at = 0;
};

TEST_F(ServerDown, IsWaitedForAndBackInTimeIsAnOrdinaryRollback) {
  comes_back_at = 2;
  const RunState state = world.run();
  EXPECT_EQ(name_of(state.status), "rolled_back") << dump(Json(state.runbook));
  EXPECT_EQ(state.exit_status, 1);
  EXPECT_EQ(state.verified, std::optional<bool>(true));
  EXPECT_EQ(tables(), "");
}

TEST_F(ServerDown, LeavesTheRunInterruptedWhereItDoesNotComeBackAndRecoverGoesOn) {
  world.request().undo_grace = std::chrono::seconds(2);
  const RunState state = world.run();
  EXPECT_EQ(name_of(state.status), "interrupted");
  EXPECT_EQ(state.exit_status, 3);
  EXPECT_EQ(state.runbook.back(), "to go on with the rollback: deployer recover");

  server.restart();
  EXPECT_NE(tables(), "");
  session.reset();
  lock.reset();
  lock = take();
  world.request().undo_grace = std::chrono::seconds(20);
  const RunState recovered = world.recover();
  EXPECT_EQ(name_of(recovered.status), "rolled_back") << dump(Json(recovered.runbook));
  EXPECT_EQ(tables(), "");
}

}  // namespace deployer
