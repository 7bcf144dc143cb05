#include <gtest/gtest.h>
#include <mysqld_error.h>

#include <thread>

#include "database/dialect.h"
#include "database/row_digest.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"

namespace deployer::database {
namespace {

const Deadline boundless = Deadline::never();

SqlError sql_error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const SqlError& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return SqlError(ErrorKind::internal, "", 0);
}

std::unique_ptr<Session> mariadb_session(const std::string& name, Access access = Access::existing) {
  static std::map<std::string, std::string> urls;
  if (urls.count(name) == 0) urls[name] = test::shared_mariadb().new_database(name);
  return open(*parse_url(urls[name]), "/", access, Deadline::after(std::chrono::seconds(10)));
}

/// The same promises of Session and Dialect on SQLite and on a real MariaDB; one test each, since each starts a server.
class BothDatabases : public ::testing::TestWithParam<Engine> {
 protected:
  std::unique_ptr<Session> session() {
    if (GetParam() == Engine::mariadb) return mariadb_session("both");
    return open(*parse_url("sqlite:///both.db"), folder_.path(), Access::create, boundless);
  }
  test::Folder folder_;
};

void keeps_values(Session& session) {
  const Dialect& dialect = session.dialect();
  session.execute(
      dialect.create_table("kept", {{"id", "integer", false}, {"name", "key", false}, {"text", "text", true}},
                           {"id", "name"}),
      boundless);
  EXPECT_TRUE(dialect.has_table(session, "kept", boundless));
  EXPECT_FALSE(dialect.has_table(session, "lost", boundless));
  const std::string text("it's \xf0\x9f\x93\x9a\0?", 11);
  EXPECT_EQ(session.execute("INSERT INTO kept VALUES (?, ?, ?)", {std::int64_t{1}, std::string("a"), text}, boundless),
            1);
  EXPECT_EQ(session.execute("INSERT INTO kept VALUES (?, ?, ?)", {std::int64_t{2}, std::string(), Value{}}, boundless),
            1);
  const Rows rows = session.query("SELECT id, name, text FROM kept ORDER BY id", boundless);
  EXPECT_EQ(rows.columns, (std::vector<std::string>{"id", "name", "text"}));
  ASSERT_EQ(rows.rows.size(), 2U);
  EXPECT_EQ(rows.rows[0], (Row{std::int64_t{1}, std::string("a"), text}));
  EXPECT_EQ(rows.rows[1], (Row{std::int64_t{2}, std::string(), Value{}}));
  EXPECT_EQ(session.execute("UPDATE kept SET text = 'x'", boundless), 2);
  EXPECT_EQ(session.execute("SELECT * FROM kept", boundless), 0);
}

void keeps_transactions(Session& session) {
  session.begin(boundless);
  EXPECT_TRUE(session.in_transaction());
  session.execute("DELETE FROM kept", boundless);
  session.rollback();
  session.rollback();
  EXPECT_FALSE(session.in_transaction());
  session.begin(boundless);
  session.execute("DELETE FROM kept WHERE id = 2", boundless);
  session.commit(boundless);
  EXPECT_EQ(as_integer(session.query("SELECT COUNT(*) FROM kept", boundless).rows.at(0).at(0)), 1);
}

void goes_on_after_errors(Session& session) {
  EXPECT_EQ(sql_error_of([&] { session.query("SELEC 1", boundless); }).kind, ErrorKind::database);
  EXPECT_EQ(sql_error_of([&] { session.execute("SELECT 1; SELECT 2", boundless); }).kind, ErrorKind::database);
  EXPECT_EQ(sql_error_of([&] { session.query("SELECT ?", boundless); }).message,
            "the statement has 1 parameters, 0 are given");
  EXPECT_THROW(session.stream("SELECT 1 UNION SELECT 2 UNION SELECT 3", {}, boundless, [](const Row&) { throw 5; }),
               int);
  EXPECT_EQ(as_integer(session.query("SELECT 7", boundless).rows.at(0).at(0)), 7);
}

void ends_at_the_deadline_and_on_stop(Session& session) {
  const char* endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000000) SELECT COUNT(*) FROM n";
  if (session.server().product == "MariaDB") endless = "SELECT BENCHMARK(4000000000, MD5('x'))";
  const SqlError late = sql_error_of([&] { session.query(endless, Deadline::after(std::chrono::milliseconds(50))); });
  EXPECT_EQ(late.kind, ErrorKind::timed_out);
  EXPECT_EQ(late.message, "the statement took too long and was interrupted");
  std::stop_source source;
  std::thread stopper([&] {
    boundless.sleep(std::chrono::milliseconds(30));
    source.request_stop();
  });
  EXPECT_EQ(sql_error_of([&] { session.query(endless, Deadline::never(source.get_token())); }).kind,
            ErrorKind::cancelled);
  stopper.join();
  std::thread interrupter([&] {
    boundless.sleep(std::chrono::milliseconds(30));
    session.interrupt();
  });
  EXPECT_EQ(sql_error_of([&] { session.query(endless, boundless); }).kind, ErrorKind::cancelled);
  interrupter.join();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(as_integer(session.query("SELECT 7", boundless).rows.at(0).at(0)), 7);
  EXPECT_THROW(session.query("SELECT 1", Deadline::after(Duration(0))), SqlError);
}

void comes_back_to_its_fingerprint(Session& session) {
  const Dialect& dialect = session.dialect();
  session.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, a INTEGER CHECK (a > 0))", boundless);
  session.execute("CREATE TABLE deployer_migrations (id INTEGER PRIMARY KEY)", boundless);
  const Schema before = dialect.introspect(session, boundless);
  EXPECT_EQ(before.find("deployer_migrations"), nullptr);
  EXPECT_EQ(before.find("parent")->primary_key, std::vector<std::string>{"id"});
  session.execute("ALTER TABLE parent ADD COLUMN lang VARCHAR(2) NOT NULL DEFAULT 'en'", boundless);
  session.execute("CREATE VIEW v AS SELECT id FROM parent", boundless);
  session.execute("CREATE INDEX by_lang ON parent (lang)", boundless);
  const Schema after = dialect.introspect(session, boundless);
  EXPECT_NE(before.fingerprint(), after.fingerprint());
  EXPECT_FALSE(before.differences(after).empty());
  session.execute("DROP VIEW v", boundless);
  session.execute(session.server().product == "MariaDB" ? "DROP INDEX by_lang ON parent" : "DROP INDEX by_lang",
                  boundless);
  session.execute("ALTER TABLE parent DROP COLUMN lang", boundless);
  EXPECT_EQ(dialect.introspect(session, boundless).fingerprint(), before.fingerprint());
  EXPECT_TRUE(dialect.integrity(session, boundless).empty());
}

TEST_P(BothDatabases, KeepThePromisesOfASession) {
  const auto session = this->session();
  keeps_values(*session);
  keeps_transactions(*session);
  goes_on_after_errors(*session);
  ends_at_the_deadline_and_on_stop(*session);
  comes_back_to_its_fingerprint(*session);
}

INSTANTIATE_TEST_SUITE_P(On, BothDatabases, ::testing::Values(Engine::sqlite, Engine::mariadb),
                         [](const auto& each) { return each.param == Engine::sqlite ? "Sqlite" : "MariaDb"; });

const char* const digest_rows =
    "INSERT INTO d (id, i, price, dbl, txt, bin) VALUES "
    "(1, -9223372036854775808, 1.50, 0.1, 'caf\xc3\xa9 \xf0\x9f\x93\x9a', x'00ff'), (2, 0, 10.00, 1e21, '', x''), "
    "(3, NULL, NULL, NULL, NULL, NULL), (4, 7, 12345678.91, -2.5e-7, '1.50', x'31'), (5, 7, -0.05, 1000000, 'x', NULL)";

TEST(RowDigest, AgreesBetweenSqliteAndMariaDb) {
  const test::Folder folder;
  const auto sqlite = open(*parse_url("sqlite:///d.db"), folder.path(), Access::create, boundless);
  const auto mariadb = mariadb_session("digest");
  sqlite->execute(
      "CREATE TABLE d (id INTEGER PRIMARY KEY, i BIGINT, price DECIMAL(10,2), dbl DOUBLE, txt TEXT, bin BLOB)",
      boundless);
  mariadb->execute(
      "CREATE TABLE d (bin BLOB, id INTEGER PRIMARY KEY, i BIGINT, price DECIMAL(10,2), dbl DOUBLE, "
      "txt LONGTEXT CHARACTER SET utf8mb4)",
      boundless);
  for (Session* session : {sqlite.get(), mariadb.get()}) session->execute(digest_rows, boundless);
  const auto digest_of = [](Session& session, const std::vector<std::string>& only = {}) {
    return row_digest(session, *session.dialect().introspect(session, boundless).find("d"), boundless, only);
  };
  const RowDigest whole = digest_of(*sqlite);
  EXPECT_EQ(whole.rows, 5U);
  EXPECT_EQ(whole.sum.size(), 32U);
  EXPECT_EQ(whole, digest_of(*mariadb));
  EXPECT_NE(whole, digest_of(*sqlite, {"id"}));
  for (const char* column : {"i", "price", "dbl", "txt", "bin"}) {
    EXPECT_EQ(digest_of(*sqlite, {"id", column}), digest_of(*mariadb, {"id", column})) << column;
  }
  mariadb->execute("UPDATE d SET txt = 'X' WHERE id = 5", boundless);
  EXPECT_NE(whole, digest_of(*mariadb));
  EXPECT_THROW(digest_of(*sqlite, {"missing"}), Error);

  mariadb->execute(
      "CREATE TABLE f (id INT PRIMARY KEY, a FLOAT, t TIMESTAMP NULL, u BIGINT UNSIGNED, b BIT(9), y YEAR, "
      "j JSON, e ENUM('a','B'), g INT AS (id + 1))",
      boundless);
  mariadb->execute(
      "INSERT INTO f (id, a, t, u, b, y, j, e) VALUES (1, 0.1, '2026-01-02 03:04:05', "
      "18446744073709551615, b'100000001', 2026, '{\"a\": 1}', 'B')",
      boundless);
  const Rows rows = mariadb->query("SELECT a, t, u, b, y, j, e, NULL FROM f", boundless);
  EXPECT_EQ(rows.rows.at(0), (Row{static_cast<double>(0.1F), std::string("2026-01-02 03:04:05"),
                                  std::string("18446744073709551615"), Blob{std::string("\x01\x01", 2)},
                                  std::int64_t{2026}, std::string("{\"a\": 1}"), std::string("B"), Value{}}));
  const Schema schema = mariadb->dialect().introspect(*mariadb, boundless);
  EXPECT_TRUE(schema.find("f")->columns[1].is_float);
  EXPECT_TRUE(schema.find("f")->columns[8].generated);
  EXPECT_EQ(row_digests(*mariadb, schema, boundless).size(), 2U);
}

void keeps_server_errors(test::MariaDb& server) {
  const auto session = mariadb_session("server");
  session->execute("CREATE TABLE t (id INT PRIMARY KEY, big LONGTEXT) ENGINE=InnoDB", boundless);
  session->execute("INSERT INTO t VALUES (1, REPEAT('x', 3000000))", boundless);
  EXPECT_EQ(as_text(session->query("SELECT big FROM t", boundless).rows.at(0).at(0)).size(), 3000000U);
  const SqlError duplicate = sql_error_of([&] { session->execute("INSERT INTO t VALUES (1, '')", boundless); });
  EXPECT_EQ(duplicate.code, ER_DUP_ENTRY);
  EXPECT_EQ(duplicate.state, "23000");
  EXPECT_EQ(duplicate.message, "Duplicate entry '1' for key 'PRIMARY'");
  EXPECT_EQ(
      sql_error_of([&] { session->execute("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t", boundless); }).code,
      4166);
  const auto reader = mariadb_session("server", Access::read_only);
  EXPECT_EQ(sql_error_of([&] { reader->execute("DELETE FROM t", boundless); }).code,
            ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION);
  EXPECT_EQ(sql_error_of([&] { reader->execute("CREATE TABLE u (a INT)", boundless); }).code,
            ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION);
  server.client("", "KILL " + std::to_string(session->server().connection_id));
  const SqlError gone = sql_error_of([&] { session->query("SELECT 1", boundless); });
  EXPECT_EQ(gone.kind, ErrorKind::unavailable) << gone.message;
  EXPECT_EQ(sql_error_of([&] { session->query("SELECT 1", boundless); }).kind, ErrorKind::unavailable);
  const std::string nowhere = "mysql://root:hunter2@localhost/b?socket=" + server.socket() + ".not";
  const SqlError missing = sql_error_of([&] { open(*parse_url(nowhere), "/", Access::existing, boundless); });
  EXPECT_EQ(missing.kind, ErrorKind::unavailable);
  EXPECT_EQ(missing.code, 2002);
  EXPECT_EQ(missing.message.find("cannot connect to mysql://root@localhost/b: "), 0U) << missing.message;
  EXPECT_EQ(missing.message.find("hunter2"), std::string::npos);
}

/// Columns of the server's own tables, crossed: rows without end.
void ends_in_the_middle_of_a_result() {
  const auto session = mariadb_session("server");
  const std::string rows =
      "SELECT a.column_name FROM information_schema.columns a, information_schema.columns b, "
      "information_schema.columns c";
  std::stop_source source;
  std::uint64_t seen = 0;
  const SqlError stopped = sql_error_of([&] {
    session->stream(rows, {}, Deadline::never(source.get_token()), [&](const Row&) {
      if (++seen == 1000) source.request_stop();
    });
  });
  EXPECT_EQ(stopped.kind, ErrorKind::cancelled) << stopped.message;
  EXPECT_EQ(stopped.code, ER_QUERY_INTERRUPTED);
  EXPECT_EQ(as_integer(session->query("SELECT 7", boundless).rows.at(0).at(0)), 7);
  seen = 0;
  const SqlError gone = sql_error_of([&] {
    session->stream(rows, {}, boundless, [&](const Row&) {
      if (++seen == 1000) {
        test::shared_mariadb().client("", "KILL " + std::to_string(session->server().connection_id));
      }
    });
  });
  EXPECT_EQ(gone.kind, ErrorKind::unavailable) << gone.message;
}

void reads_every_kind_of_object(test::MariaDb& server) {
  const auto session = mariadb_session("objects");
  server.client("objects",
                "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, n INT COMMENT 'x') COMMENT='y';\n"
                "CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);\n"
                "CREATE SEQUENCE s;\n"
                "DELIMITER //\n"
                "CREATE TRIGGER t AFTER INSERT ON p FOR EACH ROW BEGIN SET @a = 1; SET @b = 2; END//\n"
                "CREATE PROCEDURE r(IN a INT) BEGIN SELECT a; SELECT 2; END//\n"
                "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1//\n"
                "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO BEGIN DELETE FROM p; END//\n"
                "CREATE VIEW v AS SELECT id FROM p//\n");
  const Schema schema = session->dialect().introspect(*session, boundless);
  std::vector<std::string> kinds;
  for (const SchemaObject& object : schema.objects) kinds.push_back(object.kind + " " + object.name);
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"event e", "function f", "procedure r", "sequence s", "trigger t", "view v"}));
  session->execute("INSERT INTO p (n) VALUES (1), (2)", boundless);
  session->execute("ALTER TABLE p COMMENT = 'other'", boundless);
  EXPECT_EQ(session->dialect().introspect(*session, boundless).differences(schema), std::vector<std::string>{});
  EXPECT_EQ(session->query("CALL r(5)", boundless).rows, std::vector<Row>{Row{std::int64_t{5}}});
  EXPECT_EQ(as_integer(session->query("SELECT 7", boundless).rows.at(0).at(0)), 7);
  session->execute("CALL r(5)", boundless);

  EXPECT_TRUE(session->dialect().broken_foreign_keys(*session, boundless).empty());
  session->execute("SET foreign_key_checks = 0", boundless);
  session->execute("INSERT INTO c VALUES (77)", boundless);
  EXPECT_EQ(session->dialect().broken_foreign_keys(*session, boundless),
            std::vector<std::string>{"table c: 1 rows point at rows of p that are not there (foreign key c_ibfk_1)"});

  server.client("",
                "CREATE USER app@localhost; GRANT ALL ON objects.* TO app@localhost;"
                "REVOKE ALTER ROUTINE, CREATE ROUTINE ON objects.* FROM app@localhost");
  const auto app =
      open(*parse_url("mysql://app@localhost/objects?socket=" + server.socket()), "/", Access::read_only, boundless);
  try {
    app->dialect().introspect(*app, boundless);
    ADD_FAILURE() << "a body that may not be read was passed over";
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "error: the body of procedure r may not be read\nhint: GRANT SELECT ON mysql.proc TO app");
  }
  EXPECT_THROW(session->dialect().copy_to_file(*session, "/nowhere", boundless), Error);
}

TEST(MariaDbSession, KeepsTheServersErrorsAndReadsEveryKindOfObject) {
  keeps_server_errors(test::shared_mariadb());
  ends_in_the_middle_of_a_result();
  reads_every_kind_of_object(test::shared_mariadb());
}

TEST(MariaDbSession, ConnectsByTcpAndInsistsOnTls) {
  const test::MariaDb server({.tcp = true, .extra = "--require-secure-transport=OFF"});
  server.client("", "CREATE DATABASE b");
  const std::string base = "mysql://root@127.0.0.1:" + std::to_string(server.port()) + "/b";
  const auto session = open(*parse_url(base), "/", Access::existing, boundless);
  EXPECT_EQ(session->server().product, "MariaDB");
  EXPECT_EQ(session->server().version.substr(0, 3), "10.");
  const SqlError error =
      sql_error_of([&] { open(*parse_url(base + "?ssl_mode=required"), "/", Access::existing, boundless); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_EQ(error.code, 2026);
}

}  // namespace
}  // namespace deployer::database
