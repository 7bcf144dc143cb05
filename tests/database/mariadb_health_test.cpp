#include <gtest/gtest.h>

#include <thread>

#include "base/text.h"
#include "database/dialect.h"
#include "database/server.h"
#include "database/server_health.h"
#include "support/mariadb.h"

namespace deployer::database {
namespace {

using std::chrono::seconds;

Deadline health_deadline() { return Deadline::after(seconds(20)); }

std::unique_ptr<Session> health_session(const std::string& url) {
  return open(parse_url(url).value(), "/", Access::existing, health_deadline());
}

/// A URL of the same schema for another account, which is made with these privileges on it.
std::string health_account(const test::MariaDb& server, const std::string& schema, const std::string& user,
                           const std::string& privileges = "ALL") {
  server.client("", "CREATE USER `" + user + "`@localhost IDENTIFIED BY 'x'; GRANT " + privileges + " ON `" + schema +
                        "`.* TO `" + user + "`@localhost");
  return "mariadb://" + user + ":x@localhost/" + schema + "?socket=" + server.socket();
}

const Server& health_server(const Session& session) { return *session.dialect().server(); }

ServerHealth health_of(Session& session, const std::vector<std::string>& tables = {}) {
  return health_server(session).health(session, tables, health_deadline());
}

/// Runs a statement in a thread of its own, whatever becomes of it; interrupted with the object.
class RunningStatement {
 public:
  RunningStatement(const std::string& url, const std::string& sql)
      : session_(health_session(url)), thread_([this, sql](const std::stop_token& stop) {
          try {
            session_->execute(sql, Deadline::after(seconds(20), stop));
          } catch (const SqlError&) {
            // It was interrupted.
          }
        }) {}
  std::uint64_t connection() const { return session_->server().connection_id; }

 private:
  std::unique_ptr<Session> session_;
  std::jthread thread_;
};

/// The health once `holds` is true of it. InnoDB shows its transactions anew where nobody has looked for 0.1 s.
template <class Condition>
ServerHealth health_when(Session& session, Condition holds) {
  const Deadline deadline = health_deadline();
  ServerHealth health = health_of(session);
  while (!holds(health) && deadline.sleep(std::chrono::milliseconds(150))) health = health_of(session);
  EXPECT_TRUE(holds(health));
  return health;
}

TEST(BlockingSessionText, NamesConnectionAccountAgeAndStatement) {
  BlockingSession session;
  session.connection = 17;
  session.user = "app";
  session.host = "10.0.0.5";
  session.since = seconds(84);
  session.statement = "UPDATE books SET price = 1";
  EXPECT_EQ(session.text(), "connection 17 (app@10.0.0.5, 84 s): UPDATE books SET price = 1");
  session.statement.clear();
  session.waits_for = "a row of t.books held by connection 4";
  EXPECT_EQ(session.text(), "connection 17 (app@10.0.0.5, 84 s, waits for a row of t.books held by connection 4)");
}

TEST(MariaDbHealth, CountsConnectionsAgainstTheServersLimit) {
  test::MariaDb server({.tcp = false, .extra = "--max-connections=12"});
  const std::string url = server.new_database("busy");
  const auto session = health_session(url);
  const auto second = health_session(url);
  const ServerHealth health = health_of(*session);
  EXPECT_EQ(health.max_connections, 12U);
  EXPECT_EQ(health.connections, 2U);
}

TEST(MariaDbHealth, NamesAnOpenTransactionAndWhatItRuns) {
  const std::string url = test::shared_mariadb().new_database("health_transactions");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", health_deadline());
  const auto other = health_session(url);
  other->begin(health_deadline());
  other->execute("INSERT INTO books VALUES (1)", health_deadline());

  const ServerHealth health = health_of(*session);
  ASSERT_EQ(health.long_transactions.size(), 1U);
  const BlockingSession& found = health.long_transactions.front();
  EXPECT_EQ(found.connection, other->server().connection_id);
  EXPECT_EQ(found.user, "root");
  EXPECT_EQ(found.host, "localhost");
  EXPECT_LT(found.since, seconds(20));
  other->rollback();
  health_when(*session, [](const ServerHealth& h) { return h.long_transactions.empty(); });
}

TEST(MariaDbHealth, MeasuresTheAgeOfATransactionInWhateverZoneTheSessionIs) {
  const std::string url = test::shared_mariadb().new_database("health_zones");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", health_deadline());
  session->execute("SET time_zone = '+09:00'", health_deadline());
  const auto other = health_session(url);
  other->begin(health_deadline());
  other->execute("INSERT INTO books VALUES (1)", health_deadline());
  const ServerHealth health = health_of(*session);
  ASSERT_EQ(health.long_transactions.size(), 1U);
  EXPECT_LT(health.long_transactions.front().since, seconds(20));
}

TEST(MariaDbHealth, NamesWhoWaitsForARowAndWhoHoldsIt) {
  const std::string url = test::shared_mariadb().new_database("health_rows");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY, a INT) ENGINE=InnoDB", health_deadline());
  session->execute("INSERT INTO books VALUES (1, 1)", health_deadline());
  const auto holder = health_session(url);
  holder->begin(health_deadline());
  holder->execute("UPDATE books SET a = 2", health_deadline());
  const RunningStatement waiting(url, "UPDATE books\nSET a = 3");

  const ServerHealth health = health_when(*session, [](const ServerHealth& h) { return !h.lock_waits.empty(); });
  ASSERT_EQ(health.lock_waits.size(), 1U);
  const BlockingSession& found = health.lock_waits.front();
  EXPECT_EQ(found.connection, waiting.connection());
  EXPECT_EQ(found.statement, "UPDATE books SET a = 3");
  EXPECT_EQ(found.waits_for,
            "a row of health_rows.books held by connection " + std::to_string(holder->server().connection_id));
}

TEST(MariaDbHealth, NamesWhoWaitsForAMetadataLock) {
  const std::string url = test::shared_mariadb().new_database("health_metadata");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", health_deadline());
  const auto holder = health_session(url);
  holder->begin(health_deadline());
  holder->query("SELECT * FROM books", health_deadline());
  const RunningStatement waiting(url, "ALTER TABLE books ADD COLUMN a INT");

  const ServerHealth health = health_when(*session, [](const ServerHealth& h) { return !h.lock_waits.empty(); });
  ASSERT_EQ(health.lock_waits.size(), 1U);
  EXPECT_EQ(health.lock_waits.front().connection, waiting.connection());
  EXPECT_EQ(health.lock_waits.front().statement, "ALTER TABLE books ADD COLUMN a INT");
  EXPECT_EQ(health.lock_waits.front().waits_for, "a table metadata lock");
}

TEST(MariaDbHealth, NamesTheHolderOfAMetadataLockWhereTheServerTells) {
  test::MariaDb server({.tcp = false, .extra = "--plugin-load-add=metadata_lock_info"});
  const std::string url = server.new_database("told");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", health_deadline());
  const auto holder = health_session(url);
  holder->begin(health_deadline());
  holder->query("SELECT * FROM books", health_deadline());
  const RunningStatement waiting(url, "ALTER TABLE books ADD COLUMN a INT");

  const ServerHealth health = health_when(*session, [](const ServerHealth& h) { return !h.lock_waits.empty(); });
  EXPECT_EQ(health.lock_waits.at(0).waits_for,
            "a table metadata lock of told.books held by connection " + std::to_string(holder->server().connection_id));
}

TEST(MariaDbHealth, SumsDataAndIndexesOfTheTablesItIsAskedFor) {
  const std::string url = test::shared_mariadb().new_database("health_tables");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY, a INT, KEY (a)) ENGINE=InnoDB", health_deadline());
  session->execute("CREATE VIEW shelf AS SELECT * FROM books", health_deadline());
  const ServerHealth health = health_of(*session, {"books", "health_tables.books", "shelf", "missing"});
  EXPECT_EQ(health.table_bytes.size(), 2U);
  EXPECT_EQ(health.table_bytes.at("books"), 32768U);
  EXPECT_EQ(health.table_bytes.at("health_tables.books"), 32768U);
}

TEST(MariaDbHealth, SeesTheDiskOfAServerOnThisMachine) {
  const auto session = health_session(test::shared_mariadb().new_database("health_disk"));
  const ServerHealth health = health_of(*session);
  ASSERT_TRUE(health.free_bytes.has_value());
  EXPECT_GT(*health.free_bytes, 0U);
}

TEST(MariaDbHealth, SeesNoReplicaWhereThereIsNone) {
  const auto session = health_session(test::shared_mariadb().new_database("health_no_replica"));
  const ServerHealth health = health_of(*session);
  EXPECT_FALSE(health.replication_lag.has_value());
  EXPECT_FALSE(health.replication_broken);
  EXPECT_TRUE(health.unseen.empty());
}

TEST(MariaDbHealth, SeesAReplicationThatStands) {
  test::MariaDb server;
  const auto session = health_session(server.new_database("replica"));
  server.client("", "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='nobody'");
  const ServerHealth health = health_of(*session);
  EXPECT_TRUE(health.replication_lag.has_value());
  EXPECT_TRUE(health.replication_broken);
}

TEST(MariaDbHealth, NamesWhatAnAccountMayNotSeeWithTheGrantToGive) {
  test::MariaDb& server = test::shared_mariadb();
  server.new_database("health_unseen");
  const auto session = health_session(health_account(server, "health_unseen", "unseen"));
  const ServerHealth health = health_of(*session);
  EXPECT_EQ(health.unseen,
            (std::vector<std::string>{
                "open transactions and lock waits of other users: GRANT PROCESS ON *.* TO `unseen`@`localhost`",
                "replication: GRANT SLAVE MONITOR ON *.* TO `unseen`@`localhost`"}));
  EXPECT_GT(health.connections, 0U);
}

TEST(MariaDbHealth, CutsALongStatementAtAWholeCharacter) {
  const std::string url = test::shared_mariadb().new_database("health_long");
  const auto session = health_session(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY, a TEXT) ENGINE=InnoDB", health_deadline());
  session->execute("INSERT INTO books VALUES (1, 'a')", health_deadline());
  const auto holder = health_session(url);
  holder->begin(health_deadline());
  holder->execute("UPDATE books SET a = 'b'", health_deadline());
  std::string letters;
  for (int i = 0; i < 300; ++i) letters += "ä";
  const RunningStatement waiting(url, "UPDATE books SET a = '" + letters + "'");
  const ServerHealth health = health_when(*session, [](const ServerHealth& h) { return !h.lock_waits.empty(); });
  const std::string& statement = health.lock_waits.at(0).statement;
  EXPECT_LE(statement.size(), 200U);
  EXPECT_TRUE(statement.ends_with("ä …"));
  EXPECT_FALSE(invalid_utf8(statement).has_value());
}

TEST(MariaDbReadOnly, StopsAPlainAccountAndNotTheOneWithThePrivilege) {
  test::MariaDb server;
  const auto session = health_session(server.new_database("frozen"));
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", health_deadline());
  const auto app = health_session(health_account(server, "frozen", "app"));
  health_server(*session).set_read_only(*session, true, health_deadline());
  EXPECT_TRUE(health_server(*session).identity(*session, health_deadline()).read_only);
  EXPECT_TRUE(health_of(*session).read_only);
  try {
    app->execute("INSERT INTO books VALUES (1)", health_deadline());
    ADD_FAILURE() << "it went through";
  } catch (const SqlError& error) {
    EXPECT_EQ(error.code, 1290);
  }
  session->execute("INSERT INTO books VALUES (2)", health_deadline());
  health_server(*session).set_read_only(*session, false, health_deadline());
  app->execute("INSERT INTO books VALUES (1)", health_deadline());
}

TEST(MariaDbReadOnly, NamesTheGrantWhereThePrivilegeIsMissing) {
  test::MariaDb& server = test::shared_mariadb();
  server.new_database("unfrozen");
  const auto session = health_session(health_account(server, "unfrozen", "plain"));
  try {
    health_server(*session).set_read_only(*session, true, health_deadline());
    ADD_FAILURE() << "it went through";
  } catch (const SqlError& error) {
    EXPECT_EQ(error.message, "the account `plain`@`localhost` may not set read_only, nor write in spite of it");
    EXPECT_EQ(error.hint, "GRANT READ_ONLY ADMIN ON *.* TO `plain`@`localhost`");
  }
  EXPECT_FALSE(health_server(*session).identity(*session, health_deadline()).read_only);
}

std::string need_read_only(Session& session) {
  try {
    health_server(session).need_read_only(session, health_deadline());
    return {};
  } catch (const SqlError& error) {
    return error.hint;
  }
}

TEST(MariaDbReadOnly, KnowsBeforehandWhoMaySetIt) {
  test::MariaDb& server = test::shared_mariadb();
  server.new_database("foresight");
  const std::string plain = health_account(server, "foresight", "reader");
  EXPECT_EQ(need_read_only(*health_session(plain)), "GRANT READ_ONLY ADMIN ON *.* TO `reader`@`localhost`");
  server.client("", "GRANT SUPER ON *.* TO reader@localhost");
  EXPECT_EQ(need_read_only(*health_session(plain)), "GRANT READ_ONLY ADMIN ON *.* TO `reader`@`localhost`");
  server.client("", "GRANT PROCESS, READ_ONLY ADMIN ON *.* TO reader@localhost");
  EXPECT_EQ(need_read_only(*health_session(plain)), "");
}

TEST(MariaDbReadOnly, KnowsAPrivilegeThatComesByARole) {
  test::MariaDb& server = test::shared_mariadb();
  server.new_database("roles");
  const std::string url = health_account(server, "roles", "member");
  server.client("",
                "CREATE ROLE keeper; GRANT READ_ONLY ADMIN ON *.* TO keeper; GRANT keeper TO member@localhost; "
                "SET DEFAULT ROLE keeper FOR member@localhost");
  EXPECT_EQ(need_read_only(*health_session(url)), "");
}

TEST(MariaDbEvents, CountAsWritersOnlyWhileTheSchedulerRuns) {
  test::MariaDb server;
  const auto session = health_session(server.new_database("calendar"));
  session->execute("CREATE TABLE t (a INT)", health_deadline());
  session->execute("CREATE EVENT sweep ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t",
                   health_deadline());
  session->execute("CREATE EVENT off ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t", health_deadline());
  EXPECT_TRUE(health_server(*session).active_events(*session, health_deadline()).empty());
  server.client("", "SET GLOBAL event_scheduler = ON");
  EXPECT_EQ(health_server(*session).active_events(*session, health_deadline()), std::vector<std::string>{"sweep"});
}

TEST(MariaDbEvents, AreNotTakenForAbsentWhereTheyMayNotBeSeen) {
  test::MariaDb server({.tcp = false, .extra = "--event-scheduler=ON"});
  server.new_database("calendar");
  const auto session = health_session(health_account(server, "calendar", "app", "SELECT, INSERT"));
  try {
    health_server(*session).active_events(*session, health_deadline());
    ADD_FAILURE() << "it went through";
  } catch (const SqlError& error) {
    EXPECT_EQ(error.message, "the account `app`@`localhost` may not see the events of the schema");
    EXPECT_EQ(error.hint, "GRANT EVENT ON `calendar`.* TO `app`@`localhost`");
  }
}

}  // namespace
}  // namespace deployer::database
