#include "state/server_lock.h"

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "state/server_lock_row.h"
#include "state/target_server.h"

namespace deployer {

class ServerLockTest : public TargetServer {
 protected:
  /// A run of another machine, whose row is there and whose connection is not.
  void write_row_of(const LockOwner& stranger, const std::string& lease) {
    const auto session = opener()(Deadline::never());
    make_server_table(*session, "deployer_lock", Deadline::never());
    ServerLockRow row;
    row.owner = stranger;
    row.epoch = 1;
    ASSERT_TRUE(claim_lock_row(*session, row, Deadline::never()));
    if (!lease.empty()) sql("UPDATE deployer_lock SET lease = '" + lease + "'");
  }

  std::string connection_of_lock() const { return sql("SELECT IS_USED_LOCK(target) FROM deployer_lock"); }
};

namespace {

LockOwner owner_elsewhere() {
  ProcessRecord record = record_of_self();
  record.boot_id = "11111111-2222-3333-4444-555555555555";
  return {"20261124T120000000-aaaaaa", "ci-7", record.json(), "2026-11-24T12:00:00.000Z", "/home/ci/state"};
}

}  // namespace

TEST_F(ServerLockTest, IsHeldByOneAtATimeAndNamesIt) {
  const auto first = take("20261124T120000000-aaaaaa");
  const Error refused = error_of([&] { take("20261124T120000001-bbbbbb"); });
  EXPECT_EQ(refused.kind, ErrorKind::locked);
  EXPECT_EQ(refused.message.find(fmt::format("run 20261124T120000000-aaaaaa on web1 (pid {}, user ann, since "
                                             "2026-11-24T12:00:00.000Z) holds the lock of production; the server is "
                                             "doing: Sleep",
                                             getpid())),
            0u)
      << refused.message;
  EXPECT_EQ(refused.hint, "wait for it with --lock-timeout 5m; deployer lock list shows all locks");
}

TEST_F(ServerLockTest, IsGivenBackAndItsEpochRises) {
  EXPECT_EQ(take("a")->epoch(), 1);
  const auto second = take("b");
  EXPECT_EQ(second->epoch(), 2);
  EXPECT_EQ(second->died(), "");
}

TEST_F(ServerLockTest, WaitsForOneThatLives) {
  auto first = take("20261124T120000000-aaaaaa");
  ServerLock::Request second = request("b");
  second.say = [&](const std::string& line) {
    said.push_back(line);
    first.reset();
  };
  EXPECT_EQ(ServerLock::take(std::move(second), Deadline::after(std::chrono::seconds(10)))->epoch(), 2);
  EXPECT_EQ(said, std::vector<std::string>{"waiting for run 20261124T120000000-aaaaaa to end"});
}

TEST_F(ServerLockTest, IsOnTheSessionThatItGives) {
  const auto lock = take("a");
  const auto session = lock->session(Deadline::never(), true);
  EXPECT_EQ(connection_of_lock(), std::to_string(session->server().connection_id));
}

TEST_F(ServerLockTest, SaysWhoHasItToWhoeverAsks) {
  const auto session = opener()(Deadline::never());
  EXPECT_FALSE(ServerLock::holder(*session, Deadline::never()));
  auto lock = take("20261124T120000000-aaaaaa");
  const auto holder = ServerLock::holder(*session, Deadline::never());
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->owner.run, "20261124T120000000-aaaaaa");
  EXPECT_EQ(holder->owner.journal, "/var/lib/deployer/books");
  EXPECT_EQ(holder->user, "ann");
  EXPECT_EQ(holder->alive, std::optional<bool>(true));
  lock.reset();
  EXPECT_FALSE(ServerLock::holder(*session, Deadline::never()));
}

TEST_F(ServerLockTest, IsTakenOverFromAProcessThatWasKilled) {
  Doomed first([&](const auto& ready) {
    const auto lock = take("20261124T120000000-aaaaaa");
    ready();
    pause();
  });
  ASSERT_TRUE(first.ready());
  EXPECT_EQ(error_of([&] { take("b"); }).kind, ErrorKind::locked);
  first.end();
  const auto second = take("b");
  EXPECT_EQ(second->epoch(), 2);
  EXPECT_EQ(second->died(), "20261124T120000000-aaaaaa");
}

TEST_F(ServerLockTest, WaitsForTheStatementOfADeadOwner) {
  sql("CREATE TABLE t (id INT)");
  Doomed first([&](const auto& ready) {
    const auto lock = take("20261124T120000000-aaaaaa");
    const auto session = lock->session(Deadline::never(), true);
    ready();
    session->execute("INSERT INTO t SELECT SLEEP(0.5)", Deadline::never());
    pause();
  });
  ASSERT_TRUE(first.ready());
  while (sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO t%'") == "0") {
  }
  first.end();
  ServerLock::Request second = request("b");
  second.takeover_grace = std::chrono::seconds(5);
  const auto lock = ServerLock::take(std::move(second), Deadline::after(Duration(0)));
  EXPECT_EQ(sql("SELECT COUNT(*) FROM t"), "1");
  EXPECT_TRUE(said.empty());
}

TEST_F(ServerLockTest, EndsAStatementOfADeadOwnerThatGoesOn) {
  sql("CREATE TABLE t (id INT)");
  Doomed first([&](const auto& ready) {
    const auto lock = take("20261124T120000000-aaaaaa");
    const auto session = lock->session(Deadline::never(), true);
    ready();
    session->execute("INSERT INTO t SELECT SLEEP(60)", Deadline::never());
  });
  ASSERT_TRUE(first.ready());
  while (sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO t%'") == "0") {
  }
  first.end();
  const auto lock = take("b");
  EXPECT_EQ(sql("SELECT COUNT(*) FROM t"), "0");
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(
      said.front().find("run 20261124T120000000-aaaaaa on web1 died, and the server goes on for it: INSERT INTO t "
                        "SELECT SLEEP(60) ("),
      0u)
      << said.front();
}

TEST_F(ServerLockTest, LivesByItsLeaseWhereItsProcessCannotBeSeen) {
  write_row_of(owner_elsewhere(), "");
  EXPECT_EQ(error_of([&] { take("b"); }).kind, ErrorKind::locked);
  sql("UPDATE deployer_lock SET lease = '2026-01-01T00:00:00Z'");
  EXPECT_EQ(take("b")->died(), "20261124T120000000-aaaaaa");
}

TEST_F(ServerLockTest, TakesNoPidOfAnotherNamespaceForOneOfItsOwn) {
  LockOwner stranger = owner_elsewhere();
  ProcessRecord record = record_of_self();
  record.pid = 1'000'000'000;  // there is none here
  record.pid_namespace = "pid:[1]";
  stranger.record = record.json();
  write_row_of(stranger, "");
  EXPECT_EQ(error_of([&] { take("b"); }).kind, ErrorKind::locked);

  record.pid_namespace = record_of_self().pid_namespace;
  sql("UPDATE deployer_lock SET process = '" + dump(record.json()) + "'");
  EXPECT_EQ(take("b")->epoch(), 2);
}

TEST_F(ServerLockTest, RenewsItsLease) {
  ServerLock::Request wanted = request("a");
  wanted.renew_every = std::chrono::milliseconds(20);
  const auto lock = ServerLock::take(std::move(wanted), Deadline::after(Duration(0)));
  sql("UPDATE deployer_lock SET lease = '2026-01-01T00:00:00Z'");
  const Deadline patience = Deadline::after(std::chrono::seconds(10));
  while (sql("SELECT lease FROM deployer_lock") == "2026-01-01T00:00:00Z" && !patience.expired()) {
  }
  EXPECT_NE(sql("SELECT lease FROM deployer_lock"), "2026-01-01T00:00:00Z");
}

TEST_F(ServerLockTest, IsOnTheNextSessionWhereTheLastOneWasEnded) {
  const auto lock = take("a");
  auto session = lock->session(Deadline::never(), true);
  const std::uint64_t first = session->server().connection_id;
  sql("KILL " + std::to_string(first));
  EXPECT_EQ(error_of([&] { session->execute("DO 1", Deadline::never()); }).kind, ErrorKind::unavailable);
  session = lock->session(Deadline::never(), true);
  EXPECT_NE(session->server().connection_id, first);
  EXPECT_EQ(connection_of_lock(), std::to_string(session->server().connection_id));
  EXPECT_EQ(error_of([&] { take("b"); }).kind, ErrorKind::locked);
}

TEST_F(ServerLockTest, TakesItsLockFromItsOwnConnectionThatGoesOn) {
  const auto lock = take("a");
  const auto stuck = lock->session(Deadline::never(), true);  // still had, as by a statement that cannot be ended
  const auto next = lock->session(Deadline::never(), true);
  EXPECT_EQ(connection_of_lock(), std::to_string(next->server().connection_id));
  EXPECT_EQ(error_of([&] { stuck->execute("DO 1", Deadline::never()); }).kind, ErrorKind::unavailable);
}

TEST_F(ServerLockTest, GivesNoSessionWhereAnotherOwnerHasTakenItOver) {
  const auto lock = take("a");
  lock->session(Deadline::never(), true);
  sql("UPDATE deployer_lock SET epoch = 7, run = 'b', host = 'ci-7', since = '2026-11-24T13:00:00.000Z'");
  const Error lost = error_of([&] { lock->session(Deadline::never(), false); });
  EXPECT_EQ(lost.kind, ErrorKind::left_behind);
  EXPECT_EQ(lost.message,
            "the lock in the database has been taken over: run b on ci-7 has it since 2026-11-24T13:00:00.000Z");
}

TEST_F(ServerLockTest, LeavesTheRowOfWhoeverHasTakenItOver) {
  auto lock = take("a");
  sql("UPDATE deployer_lock SET epoch = 7, run = 'b'");
  lock.reset();
  EXPECT_EQ(sql("SELECT run FROM deployer_lock"), "b");
}

TEST_F(ServerLockTest, GivesNoSessionWhereReadOnlyHasChanged) {
  test::MariaDb own;
  url = own.new_database("books");
  const auto lock = take("a");
  lock->session(Deadline::never(), true);
  own.client("", "SET GLOBAL read_only = 1");
  const Error changed = error_of([&] { lock->session(Deadline::never(), false); });
  EXPECT_EQ(changed.kind, ErrorKind::left_behind);
  EXPECT_EQ(changed.message, "the database server is read-only now, and was not when the run began");
  own.client("", "SET GLOBAL read_only = 0");
  EXPECT_TRUE(lock->session(Deadline::never(), false));
}

TEST_F(ServerLockTest, NamesTheGrantThatIsMissing) {
  sql(
      fmt::format("CREATE USER reader_{0}@localhost IDENTIFIED BY 'geheim99'; GRANT SELECT ON {0}.* TO "
                  "reader_{0}@localhost",
                  schema));
  url.replace(url.find("root@"), 5, "reader_" + schema + ":geheim99@");
  const Error denied = error_of([&] { take("a"); });
  EXPECT_EQ(denied.kind, ErrorKind::database);
  EXPECT_EQ(denied.message.find("cannot make the table deployer_lock: "), 0u) << denied.message;
  EXPECT_EQ(denied.hint,
            fmt::format("deployer keeps its lock and its journal in the schema: GRANT CREATE, SELECT, INSERT, UPDATE, "
                        "DELETE ON `{0}`.* TO 'reader_{0}'@'localhost'",
                        schema));
  sql(fmt::format("DROP USER reader_{}@localhost", schema));
}

}  // namespace deployer
