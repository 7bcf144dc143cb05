#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "actions/harness.h"
#include "actions/migrate/checks.h"
#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "support/mariadb.h"

namespace deployer::test {
namespace {

using database::Session;
using Status = CheckResult::Status;

Deadline preflight_time() { return Deadline::after(std::chrono::seconds(20)); }

std::unique_ptr<Session> open_for_preflight(const std::string& url, const std::filesystem::path& project = "/") {
  return database::open(value_or_throw(database::parse_url(url)), project, database::Access::create, preflight_time());
}

std::vector<CheckResult> checks_of(Session& session, const TouchedTables& tables = {}, const CheckLimits& limits = {},
                                   const std::filesystem::path& project = "/") {
  const Files files;
  return preflight(session, tables, limits, project, files, preflight_time());
}

/// The result of that name; `ok` with an empty message where there is none.
CheckResult check_named(const std::vector<CheckResult>& results, const std::string& name) {
  for (const CheckResult& result : results) {
    if (result.name == name) return result;
  }
  return {};
}

std::string not_ok(const std::vector<CheckResult>& results) {
  std::string text;
  for (const CheckResult& result : results) {
    if (result.status != Status::ok) text += result.name + ": " + result.message + "\n";
  }
  return text;
}

std::string name_of_connection(const Session& session) {
  return "connection " + std::to_string(session.server().connection_id);
}

TouchedTables tables_of_sql(const std::string& sql, database::Engine engine = database::Engine::mariadb) {
  const Folder folder;
  folder.write("1.sql", "-- revision: 1\n-- revises:\n-- A test\n-- migrate:up\n" + sql + "\n");
  const Files files;
  const database::Dialect& dialect = database::dialect_of(engine);
  MigrationWork work;
  work.graph = migrations::Graph::load(folder.path(), dialect.lexer(), files);
  work.plan = {"1"};
  return touched_tables(work, dialect);
}

TEST(TouchedTables, AreThoseThatTheStatementsName) {
  const TouchedTables tables = tables_of_sql(
      "ALTER TABLE books ADD a INT; CREATE INDEX i ON loans (a); CREATE TABLE fresh (a INT); INSERT INTO fresh VALUES "
      "(1); UPDATE authors SET a = 1; DROP TABLE old;");
  EXPECT_EQ(tables.touched, (std::vector<std::string>{"books", "loans", "fresh", "authors", "old"}));
  EXPECT_EQ(tables.rebuilt, (std::vector<std::string>{"books", "loans", "authors"}));
  EXPECT_TRUE(tables.whole);
}

TEST(TouchedTables, AreNotWholeWhereAStatementNamesNone) {
  EXPECT_TRUE(tables_of_sql("SELECT 1;").whole);
  EXPECT_FALSE(tables_of_sql("ALTER TABLE books ADD a INT; CALL tidy();").touched.empty());
  EXPECT_FALSE(tables_of_sql("DO tidy();").whole);
}

TEST(PreflightOnAFile, FindsNothingWrongWithAGoodOne) {
  const Folder folder;
  const auto session = open_for_preflight("sqlite:///library.db", folder.path());
  session->execute("CREATE TABLE books (id INTEGER PRIMARY KEY)", preflight_time());
  const auto results = checks_of(*session, {{"books"}, {"books"}, true}, {}, folder.path());
  EXPECT_EQ(not_ok(results), "");
  EXPECT_EQ(check_named(results, "table_integrity").message, "the database is whole");
}

TEST(PreflightOnAFile, SaysNoWhereItsDiskHasNoRoomForIt) {
  const Folder folder;
  const auto session = open_for_preflight("sqlite:///library.db", folder.path());
  session->execute("CREATE TABLE books (id INTEGER PRIMARY KEY)", preflight_time());
  CheckLimits limits;
  limits.disk_free = 1e12;
  const CheckResult disk =
      check_named(checks_of(*session, {{"books"}, {"books"}, true}, limits, folder.path()), "disk_free");
  EXPECT_EQ(disk.status, Status::error);
  EXPECT_TRUE(disk.message.starts_with("the database's disk has ")) << disk.message;
  EXPECT_EQ(disk.hint, "make room, or lower checks.disk_free");
  EXPECT_EQ(check_named(checks_of(*session, {}, limits, folder.path()), "disk_free").status, Status::ok);
}

TEST(PreflightOnAServer, FindsNothingWrongWithAGoodOne) {
  const auto session = open_for_preflight(shared_mariadb().new_database("preflight_good"));
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", preflight_time());
  const auto results = checks_of(*session, {{"books"}, {"books"}, true});
  EXPECT_EQ(not_ok(results), "");
  EXPECT_EQ(check_named(results, "table_integrity").message, "the touched tables are whole");
  EXPECT_EQ(check_named(results, "replication_lag").message, "no replication is seen");
}

TEST(PreflightOnAServer, SaysNoWhereItsDiskHasNoRoomForWhatIsRebuilt) {
  const auto session = open_for_preflight(shared_mariadb().new_database("preflight_disk"));
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", preflight_time());
  CheckLimits limits;
  limits.disk_free = 1e12;
  const CheckResult disk = check_named(checks_of(*session, {{"books"}, {"books"}, true}, limits), "disk_free");
  EXPECT_EQ(disk.status, Status::error);
  EXPECT_NE(disk.message.find("(1e+12 times the 16.0 KiB that are rebuilt)"), std::string::npos) << disk.message;
}

TEST(PreflightOnAServer, SaysNoWhereNearlyAllConnectionsAreTaken) {
  MariaDb server({.tcp = false, .extra = "--max-connections=10"});
  const std::string url = server.new_database("busy");
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 9; ++i) sessions.push_back(open_for_preflight(url));
  const CheckResult found = check_named(checks_of(*sessions.front()), "max_connections");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_EQ(found.message, "9 of 10 connections are in use, more than 80%");
}

TEST(PreflightOnAServer, NamesALongTransactionAndHowToEndIt) {
  MariaDb server;
  const std::string url = server.new_database("books");
  const auto session = open_for_preflight(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", preflight_time());
  const auto other = open_for_preflight(url);
  other->begin(preflight_time());
  other->query("SELECT * FROM books", preflight_time());
  CheckLimits limits;
  EXPECT_EQ(check_named(checks_of(*session, {}, limits), "long_transaction").message,
            "no transaction has been open longer than 1m");
  limits.long_transaction = Duration(-1);  // an age is in whole seconds
  const CheckResult found = check_named(checks_of(*session, {}, limits), "long_transaction");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_NE(found.message.find(name_of_connection(*other) + " (root@localhost, "), std::string::npos) << found.message;
  EXPECT_EQ(found.hint, "wait until it is over, or end it: KILL " + std::to_string(other->server().connection_id));
}

TEST(PreflightOnAServer, NamesWhoWaitsForALockAndWaitsForNoneItself) {
  MariaDb server;
  const std::string url = server.new_database("books");
  const auto session = open_for_preflight(url);
  session->execute("CREATE TABLE books (id INT PRIMARY KEY) ENGINE=InnoDB", preflight_time());
  const auto holder = open_for_preflight(url);
  holder->begin(preflight_time());
  holder->query("SELECT * FROM books", preflight_time());
  const auto waiting = open_for_preflight(url);
  std::jthread thread([&](const std::stop_token& stop) {
    try {
      waiting->execute("ALTER TABLE books ADD a INT", Deadline::after(std::chrono::seconds(20), stop));
    } catch (const database::SqlError&) {
      // It was stopped.
    }
  });
  const Deadline deadline = preflight_time();
  std::vector<CheckResult> results = checks_of(*session, {{"books"}, {"books"}, true});
  while (check_named(results, "lock_waits").status == Status::ok && deadline.sleep(std::chrono::milliseconds(150))) {
    results = checks_of(*session, {{"books"}, {"books"}, true});
  }
  const CheckResult found = check_named(results, "lock_waits");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_NE(found.message.find(name_of_connection(*waiting)), std::string::npos) << found.message;
  EXPECT_NE(found.message.find("ALTER TABLE books ADD a INT"), std::string::npos) << found.message;
  EXPECT_EQ(found.hint,
            "wait until who holds it is done, or end it: KILL " + std::to_string(holder->server().connection_id));
  const CheckResult integrity = check_named(results, "table_integrity");
  EXPECT_EQ(integrity.status, Status::warning);
  EXPECT_EQ(integrity.message, "not looked at, because it would wait for a lock, too");
}

TEST(PreflightOnAServer, WarnsOfWhatTheAccountMayNotSee) {
  MariaDb& server = shared_mariadb();
  server.new_database("preflight_unseen");
  server.client("",
                "CREATE USER blind@localhost IDENTIFIED BY 'x'; GRANT ALL ON preflight_unseen.* TO blind@localhost");
  const auto session = open_for_preflight("mariadb://blind:x@localhost/preflight_unseen?socket=" + server.socket());
  EXPECT_EQ(not_ok(checks_of(*session)),
            "privileges: not seen: open transactions and lock waits of other users: GRANT PROCESS ON *.* TO "
            "`blind`@`localhost`\n"
            "privileges: not seen: replication: GRANT SLAVE MONITOR ON *.* TO `blind`@`localhost`\n");
}

TEST(PreflightOnAServer, SaysNoWhereTheServerIsReadOnlyForTheAccount) {
  MariaDb server;
  const std::string url = server.new_database("books");
  server.client("",
                "CREATE USER app@localhost IDENTIFIED BY 'x'; GRANT ALL ON books.* TO app@localhost; "
                "SET GLOBAL read_only = 1");
  const auto app = open_for_preflight("mariadb://app:x@localhost/books?socket=" + server.socket());
  const CheckResult found = check_named(checks_of(*app), "read_only");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_EQ(found.message,
            "the server is read-only: the account `app`@`localhost` may not set read_only, nor write in spite of it");
  EXPECT_EQ(check_named(checks_of(*open_for_preflight(url)), "read_only").status, Status::ok);
}

TEST(PreflightOnAServer, FindsATableThatIsDamaged) {
  MariaDb server;
  const auto session = open_for_preflight(server.new_database("books"));
  session->execute("CREATE TABLE old (a INT) ENGINE=MyISAM", preflight_time());
  session->execute("CREATE TABLE good (a INT) ENGINE=MyISAM", preflight_time());
  session->execute("INSERT INTO old VALUES (1), (2)", preflight_time());
  session->execute("FLUSH TABLES", preflight_time());
  const std::filesystem::path socket = server.socket();
  std::filesystem::resize_file(socket.parent_path() / "data" / "books" / "old.MYD", 3);
  const CheckResult found = check_named(checks_of(*session, {{}, {"good", "old"}, true}), "table_integrity");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_TRUE(found.message.starts_with("the database is damaged: table old: ")) << found.message;
  EXPECT_EQ(found.hint, "restore a backup");
  EXPECT_EQ(check_named(checks_of(*session, {{}, {"good"}, true}), "table_integrity").status, Status::ok);
  CheckLimits limits;
  limits.table_integrity = "full";
  EXPECT_EQ(check_named(checks_of(*session, {{}, {"good"}, true}, limits), "table_integrity").status, Status::error);
  limits.table_integrity = "off";
  EXPECT_EQ(check_named(checks_of(*session, {{}, {"old"}, true}, limits), "table_integrity").message, "");
}

TEST(PreflightOnAServer, SaysNoWhereAReplicaStands) {
  MariaDb server;
  const auto session = open_for_preflight(server.new_database("books"));
  server.client("", "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='nobody'");
  const CheckResult found = check_named(checks_of(*session), "replication_lag");
  EXPECT_EQ(found.status, Status::error);
  EXPECT_EQ(found.message, "the server is a replica, and its replication does not run");
}

}  // namespace
}  // namespace deployer::test
