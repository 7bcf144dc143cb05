#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "database/dialect.h"
#include "database/dump.h"
#include "database/row_digest.h"
#include "database/server.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"
#include "system/files.h"
#include "system/machine.h"
#include "system/process.h"

namespace deployer::database {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Deadline dump_limit = Deadline::after(std::chrono::seconds(300));

/// A schema on the shared server, and dumps of it.
class Dumping {
 public:
  explicit Dumping(test::MariaDb& server = test::shared_mariadb()) : server_(server) {
    static std::atomic<int> number{0};
    name_ = "dump_" + std::to_string(++number);
    url_ = server.new_database(name_);
    sql("ALTER DATABASE `" + name_ + "` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
    session_ = open(*parse_url(url_), "/", Access::existing, dump_limit);
  }

  const std::string& name() const { return name_; }
  const std::string& url() const { return url_; }
  Session& session() { return *session_; }
  Machine machine() { return {files_, processes_, std::getenv("PATH")}; }
  void sql(const std::string& script) { server_.client(name_, script); }

  Dumped dump(const DumpOptions& options = {}) {
    text = "";
    return session_->dialect().server()->dump(*session_, options, machine(), dump_limit,
                                              [&](std::string_view piece) { text += piece; });
  }

  /// The plain client's copy of the last dump.
  std::unique_ptr<Session> loaded() {
    const std::string copy = name_ + "_copy";
    server_.client("", "DROP DATABASE IF EXISTS `" + copy + "`");
    const std::string url = server_.new_database(copy);
    server_.client(copy, "ALTER DATABASE `" + copy + "` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n" + text);
    return open(*parse_url(url), "/", Access::existing, dump_limit);
  }

  /// Dumps, lets the plain client load it, and compares.
  Dumped there_and_back() {
    Dumped dumped = dump();
    const Schema schema = session_->dialect().introspect(*session_, dump_limit);
    EXPECT_EQ(dumped.schema.fingerprint(), schema.fingerprint());
    EXPECT_EQ(dumped.tables, row_digests(*session_, schema, dump_limit));
    const auto copy = loaded();
    const Schema made = copy->dialect().introspect(*copy, dump_limit);
    EXPECT_THAT(dumped.schema.differences(made), IsEmpty());
    EXPECT_EQ(dumped.schema.fingerprint(), made.fingerprint());
    EXPECT_EQ(dumped.tables, row_digests(*copy, made, dump_limit)) << text;
    return dumped;
  }

  std::string text;

 private:
  test::MariaDb& server_;
  std::string name_;
  std::string url_;
  Files files_;
  Processes processes_;
  std::unique_ptr<Session> session_;
};

Error dump_error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::internal, "");
}

TEST(MariaDbDump, KeepsNumbersExactly) {
  Dumping books;
  books.sql(
      "CREATE TABLE n (id INT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, m MEDIUMINT, b BIGINT,"
      " bu BIGINT UNSIGNED, z INT(8) UNSIGNED ZEROFILL, d DECIMAL(65,30), d0 DECIMAL(10,0), f FLOAT, r DOUBLE, y YEAR,"
      " bi BIT(5), bl BIT(64), bo BOOLEAN);"
      "INSERT INTO n VALUES (1, -128, 255, -32768, -8388608, -9223372036854775808, 18446744073709551615, 42,"
      " 99999999999999999999999999999999999.999999999999999999999999999999, -9999999999, -3.4028234e38,"
      " 1.7976931348623157e308, 1901, b'10101', b'1111111111111111111111111111111111111111111111111111111111111111', "
      "1),"
      " (2, 127, 0, 32767, 8388607, 9223372036854775807, 9223372036854775808, 0, 0.000000000000000000000000000001, 0,"
      " 1.1754944e-38, 2.2250738585072014e-308, 2155, b'0', b'1', 0),"
      " (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
      " (4, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.0, 0.1, 0, b'0', b'0', 0);");
  const Dumped dumped = books.there_and_back();
  EXPECT_EQ(dumped.tables.at("n").rows, 4U);
  EXPECT_THAT(dumped.unfaithful, IsEmpty());
  EXPECT_THAT(dumped.inconsistent, IsEmpty());
  EXPECT_THAT(books.text, Not(HasSubstr(books.name())));
}

TEST(MariaDbDump, KeepsEveryBitOfRandomFloats) {
  Dumping books;
  books.sql("CREATE TABLE f (id INT PRIMARY KEY AUTO_INCREMENT, f FLOAT, d DOUBLE)");
  std::mt19937_64 random(12);
  std::string values;
  std::vector<std::pair<float, double>> numbers;
  while (numbers.size() < 1000) {
    const std::uint64_t bits = random();
    const auto low = static_cast<std::uint32_t>(bits);
    float single = 0;
    double number = 0;
    std::memcpy(&single, &low, sizeof single);
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isnormal(single) || !std::isnormal(number)) continue;
    numbers.emplace_back(single, number);
    books.session().execute("INSERT INTO f (f, d) VALUES (?, ?)", {static_cast<double>(single), number}, dump_limit);
  }
  books.there_and_back();
  const auto copy = books.loaded();
  const Rows rows = copy->query("SELECT CAST(f AS DOUBLE), d FROM f ORDER BY id", dump_limit);
  ASSERT_EQ(rows.rows.size(), numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(rows.rows[i], (Row{static_cast<double>(numbers[i].first), numbers[i].second}));
  }
}

TEST(MariaDbDump, KeepsTextAndBytesExactly) {
  Dumping books;
  books.sql(
      "CREATE TABLE s (c CHAR(5), v VARCHAR(50), l LONGTEXT, b BINARY(4), vb VARBINARY(20), bl LONGBLOB, j JSON,"
      " e ENUM('', 'a', 'it''s'), st SET('x','y z'), la VARCHAR(20) CHARACTER SET latin1,"
      " ja VARCHAR(20) CHARACTER SET sjis, u UUID, i INET6);"
      "INSERT INTO s VALUES ('', '', '', '', '', '', '{}', '', '', '', '', NULL, NULL),"
      " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
      " ('x  ', 'a\\'b\"c`d\\\\e\\n\\r\\t\\0\\Z%_', '\xf0\x9f\x93\x9a -- ; /* */', 'a\\0', 'a\\0b ', x'00ff27225c0a1a',"
      " '{\"a\": [1, null, \"\\\\u00e9\"]}', 'it''s', 'x,y z', '\xc3\xa9\xe2\x82\xac', '\xe6\x97\xa5\xe3\x82\xbd',"
      " '123e4567-e89b-12d3-a456-426655440000', '::ffff:1.2.3.4');");
  const Dumped dumped = books.there_and_back();
  EXPECT_THAT(dumped.unfaithful, IsEmpty());
}

TEST(MariaDbDump, KeepsTimesWhateverTheTimeZone) {
  Dumping books;
  books.sql(
      "SET sql_mode = '', time_zone = '+00:00';"
      "CREATE TABLE t (d DATE, dt DATETIME(6), ti TIME(3), ts TIMESTAMP NULL, t6 TIMESTAMP(6) NULL);"
      "INSERT INTO t VALUES ('0000-00-00', '0000-00-00', '-838:59:59.999', '0000-00-00', '0000-00-00'),"
      " ('9999-12-31', '9999-12-31 23:59:59.999999', '-00:00:00.001', '2038-01-19 03:14:07', '2020-02-30'),"
      " ('2020-00-00', '1000-01-01', '838:59:59', '2026-10-25 00:30:00', '2026-10-25 01:30:00.000001'),"
      " (NULL, NULL, NULL, NULL, NULL);");
  const Dumped dumped = books.dump();
  for (const char* zone : {"+00:00", "+05:45", "-11:00"}) {
    books.session().execute("SET time_zone = ?", {std::string(zone)}, dump_limit);
    EXPECT_EQ(dumped.tables, row_digests(books.session(), dumped.schema, dump_limit));
  }
  books.there_and_back();
}

TEST(MariaDbDump, KeepsGeometryAsItsBytes) {
  Dumping books;
  books.sql(
      "CREATE TABLE g (g GEOMETRY, p POINT NOT NULL, m MULTIPOLYGON, SPATIAL INDEX (p));"
      "INSERT INTO g VALUES (ST_GeomFromText('LINESTRING(0.1 0.2,3 4)', 4326), ST_GeomFromText('POINT(1 2)', 4326),"
      " ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,0 0)))')), (NULL, POINT(-1e-300, 1e300), NULL);");
  books.there_and_back();
}

TEST(MariaDbDump, KeepsColumnsThatAreMadeOrUnseenAndKeysOfAllKinds) {
  Dumping books;
  books.sql(
      "CREATE TABLE made (a INT, b INT INVISIBLE DEFAULT 7, s INT AS (a + b) STORED, v INT AS (a * 2) VIRTUAL,"
      " c TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, x VARCHAR(10) DEFAULT (UUID()));"
      "INSERT INTO made (a, b, x) VALUES (1, 2, 'x'), (3, DEFAULT, NULL);"
      "CREATE TABLE pair (b INT, a VARCHAR(10), t TEXT, PRIMARY KEY (a, b), UNIQUE KEY `odd name` (b, t(3)))"
      " AUTO_INCREMENT=1;"
      "INSERT INTO pair VALUES (2, 'z', 'x'), (1, 'z', 'y'), (1, 'a', NULL);"
      "CREATE TABLE none (a INT) COMMENT 'it''s'; INSERT INTO none VALUES (1), (1), (NULL);"
      "CREATE TABLE `we``ird na'me` (`co``l` INT PRIMARY KEY); INSERT INTO `we``ird na'me` VALUES (0);"
      "CREATE TABLE counted (id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT=1000; INSERT INTO counted VALUES (5);"
      "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'; INSERT INTO counted VALUES (0);"
      "CREATE TABLE child (id INT PRIMARY KEY, up INT, CONSTRAINT fk FOREIGN KEY (up) REFERENCES counted (id));"
      "INSERT INTO child VALUES (1, 0);"
      "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id)"
      " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE); INSERT INTO parts VALUES "
      "(1),(99);"
      "SET check_constraint_checks = 0; CREATE TABLE checked (a INT CHECK (a > 0)); INSERT INTO checked VALUES (-1);");
  books.there_and_back();
  const auto copy = books.loaded();
  copy->execute("INSERT INTO counted VALUES (NULL)", dump_limit);
  EXPECT_EQ(as_integer(copy->query("SELECT MAX(id) FROM counted", dump_limit).rows[0][0]), 1000);
  EXPECT_THAT(books.text, HasSubstr("VALUES\n(1,'a',NULL),\n(1,'z','y'),\n(2,'z','x');\n"));
}

TEST(MariaDbDump, KeepsViewsTriggersRoutinesAndEvents) {
  Dumping books;
  books.sql(
      "CREATE TABLE b (id INT PRIMARY KEY, n INT); INSERT INTO b VALUES (1, 1);"
      "CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN 2 * x;"
      "CREATE VIEW z AS SELECT id, twice(n) AS n FROM b WHERE id > 0;"
      "CREATE VIEW y AS SELECT id FROM b WHERE n > 0 WITH CHECK OPTION;"
      "CREATE VIEW a AS SELECT z.id, y.id AS other FROM z JOIN y ON z.id = y.id;"
      "CREATE VIEW c AS SELECT id FROM y WITH CASCADED CHECK OPTION;"
      "\nDELIMITER //\n"
      "CREATE TRIGGER first BEFORE INSERT ON b FOR EACH ROW SET NEW.n = NEW.n + 1//\n"
      "CREATE TRIGGER `sec ond` BEFORE INSERT ON b FOR EACH ROW PRECEDES first BEGIN\n"
      "  /* a remark; */ IF NEW.n > 5 THEN SET NEW.n = 5; -- it's\n  END IF; SET @s = ';;'; END//\n"
      "CREATE TRIGGER third AFTER UPDATE ON " +
      books.name() +
      ".b FOR EACH ROW SET @x = '*/'//\n"
      "CREATE PROCEDURE odd(IN a VARCHAR(10), OUT r INT) MODIFIES SQL DATA COMMENT 'x;;y' BEGIN\n"
      "  SELECT ';;', \"//\" /* ;; */ ; -- ;; DELIMITER\n  SET r = 1; END//\n"
      "CREATE EVENT tick ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' DO BEGIN DELETE FROM b; END//\n"
      "CREATE EVENT off ON SCHEDULE EVERY 1 HOUR DISABLE COMMENT 'ENABLE' DO DELETE FROM b//\n"
      "SET timestamp = 86400//\n"
      "CREATE EVENT past ON SCHEDULE AT '2001-01-01 00:00:00' DISABLE DO DELETE FROM b//\n"
      "CREATE EVENT past_too ON SCHEDULE AT '2001-01-01 00:00:00' DISABLE DO DELETE FROM b//\n"
      "SET timestamp = DEFAULT//\n"
      "DELIMITER ;\n"
      "CREATE SEQUENCE q START WITH 5 INCREMENT BY 2; SELECT NEXTVAL(q);");
  const Dumped dumped = books.there_and_back();
  EXPECT_THAT(dumped.unfaithful, IsEmpty());
  EXPECT_THAT(books.text, Not(HasSubstr(books.name())));
  EXPECT_THAT(books.text, testing::EndsWith("-- Dump completed\n"));
  const auto copy = books.loaded();
  const Rows events =
      copy->query("SELECT event_name, status FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1",
                  dump_limit);
  ASSERT_EQ(events.rows.size(), 4U);
  EXPECT_EQ(events.rows[0], (Row{std::string("off"), std::string("DISABLED")}));
  EXPECT_EQ(events.rows[3], (Row{std::string("tick"), std::string("ENABLED")}));
}

TEST(MariaDbDump, SwitchesEventsOnBehindEverythingElseAndKeepsWhoMadeThem) {
  Dumping books;
  books.sql("CREATE DEFINER=`else where`@`%` EVENT tick ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DO SELECT 1");
  books.there_and_back();
  EXPECT_THAT(books.text, HasSubstr("ON COMPLETION PRESERVE DISABLE DO SELECT 1"));
  EXPECT_THAT(books.text, testing::EndsWith("ALTER DEFINER=`else where`@`%` EVENT `tick` ENABLE;\n"
                                            "-- Dump completed\n"));
  const auto copy = books.loaded();
  EXPECT_EQ(
      as_text(copy->query("SELECT definer FROM information_schema.events WHERE event_schema = DATABASE()", dump_limit)
                  .rows[0][0]),
      "else where@%");
}

TEST(MariaDbDump, KeepsTheSettingsThatWereOnWhenARoutineWasMade) {
  Dumping books;
  books.sql(
      "CREATE TABLE t (a VARCHAR(20));"
      "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';"
      "CREATE TRIGGER j BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.\"a\" || 'x';"
      "SET NAMES latin1 COLLATE latin1_german1_ci;"
      "CREATE FUNCTION g() RETURNS VARCHAR(10) CHARACTER SET latin1 DETERMINISTIC RETURN '\xe9';");
  books.there_and_back();
  const auto copy = books.loaded();
  copy->execute("INSERT INTO t VALUES ('a')", dump_limit);
  EXPECT_EQ(as_text(copy->query("SELECT a FROM t", dump_limit).rows[0][0]), "ax");
  EXPECT_EQ(as_text(copy->query("SELECT g()", dump_limit).rows[0][0]), "\xc3\xa9");
}

TEST(MariaDbDump, LeavesDeployersOwnTablesOutAndWhatItIsToldTo) {
  Dumping books;
  books.sql(
      "CREATE TABLE deployer_migrations (a INT); CREATE TABLE _deployer_held_1 (a INT); CREATE TABLE kept (a INT);"
      "CREATE TABLE other (a INT);"
      "CREATE TRIGGER x BEFORE INSERT ON deployer_migrations FOR EACH ROW SET NEW.a = 1");
  DumpOptions options;
  options.ignore = {"other"};
  const Dumped dumped = books.dump(options);
  ASSERT_EQ(dumped.tables.size(), 1U);
  EXPECT_EQ(dumped.tables.begin()->first, "kept");
  EXPECT_THAT(books.text, Not(HasSubstr("deployer_")));
  EXPECT_THAT(books.text, Not(HasSubstr("other")));
}

TEST(MariaDbDump, TakesSomeTablesWithTheirTriggersAlone) {
  Dumping books;
  books.sql(
      "CREATE TABLE a (x INT); CREATE TABLE b (x INT); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);"
      "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1; CREATE VIEW v AS SELECT * FROM a;"
      "CREATE PROCEDURE p() SELECT 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1");
  DumpOptions options;
  options.tables = {"a"};
  const Dumped dumped = books.dump(options);
  EXPECT_EQ(dumped.schema.tables.size(), 1U);
  ASSERT_EQ(dumped.schema.objects.size(), 1U);
  EXPECT_EQ(dumped.schema.objects[0].name, "t");
  const auto copy = books.loaded();
  EXPECT_EQ(copy->dialect().introspect(*copy, dump_limit).fingerprint(), dumped.schema.fingerprint());
  options.tables = {"a", "c"};
  const Error error = dump_error_of([&] { books.dump(options); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, "there is no table c");
}

TEST(MariaDbDump, IsOfOneMomentWhileOthersWrite) {
  Dumping books;
  books.sql(
      "CREATE TABLE a_left (id INT PRIMARY KEY, n BIGINT); CREATE TABLE z_right (id INT PRIMARY KEY, n BIGINT);"
      "CREATE TABLE m_between (id INT PRIMARY KEY, t CHAR(250));"
      "INSERT INTO a_left SELECT seq, 0 FROM seq_1_to_50; INSERT INTO z_right SELECT seq, 0 FROM seq_1_to_50;"
      "INSERT INTO m_between SELECT seq, 'x' FROM seq_1_to_20000");
  std::atomic<bool> ended{false};
  std::atomic<int> written{0};
  std::thread writer([&] {
    const auto session = open(books.session().url(), "/", Access::existing, dump_limit);
    for (std::int64_t i = 0; !ended; ++i) {
      session->begin(dump_limit);
      session->execute("UPDATE a_left SET n = n + 1 WHERE id = ?", {i % 50 + 1}, dump_limit);
      session->execute("UPDATE z_right SET n = n - 1 WHERE id = ?", {i % 50 + 1}, dump_limit);
      session->commit(dump_limit);
      ++written;
    }
  });
  while (written < 10) std::this_thread::yield();
  const int before = written;
  DumpOptions options;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    const int now = written;
    while (written == now) std::this_thread::yield();
  };
  const Dumped dumped = books.dump(options);
  EXPECT_GT(written, before);
  ended = true;
  writer.join();
  const auto copy = books.loaded();
  const Rows sums = copy->query("SELECT (SELECT SUM(n) FROM a_left), (SELECT SUM(n) FROM z_right)", dump_limit);
  EXPECT_EQ(std::stoll(as_text(sums.rows[0][0])), -std::stoll(as_text(sums.rows[0][1])));
  EXPECT_EQ(row_digests(*copy, dumped.schema, dump_limit), dumped.tables);
}

TEST(MariaDbDump, SaysWhereTheBinaryLogStoodAtItsMoment) {
  test::MariaDb server({false, "--log-bin=binlog --server-id=1"});
  Dumping books(server);
  books.sql("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1)");
  const std::string now = as_text(books.session().query("SHOW MASTER STATUS", dump_limit).rows[0][0]) + ":" +
                          as_text(books.session().query("SHOW MASTER STATUS", dump_limit).rows[0][1]);
  DumpOptions options;
  options.progress = [&](std::uint64_t, std::uint64_t) { books.sql("INSERT INTO t VALUES (2)"); };
  EXPECT_EQ(books.dump(options).log_position, now);
  EXPECT_EQ(Dumping().dump().log_position, "");
}

TEST(MariaDbDump, NamesTablesThatAreNotOfItsMoment) {
  Dumping books;
  books.sql(
      "CREATE TABLE i (a INT); CREATE TABLE m (a INT) ENGINE=MyISAM; CREATE TABLE r (a INT) ENGINE=Aria;"
      "INSERT INTO m VALUES (1); INSERT INTO r VALUES (1)");
  EXPECT_THAT(books.there_and_back().inconsistent, ElementsAre("m", "r"));
}

TEST(MariaDbDump, NamesWhatItCannotHold) {
  Dumping books;
  books.sql(
      "SET NAMES utf8mb4; CREATE SEQUENCE q;"
      "CREATE TABLE a (e ENUM('x', '\xf0\x9f\x93\x9a'), d VARCHAR(5) DEFAULT '\xf0\x9f\x93\x9a', plain ENUM('?') "
      "CHARACTER SET latin1);"
      "CREATE TABLE b (a INT DEFAULT NEXTVAL(q));"
      "CREATE TABLE c (a INT) WITH SYSTEM VERSIONING;"
      "CREATE TABLE away (a INT); CREATE VIEW broken AS SELECT a FROM away; DROP TABLE away;");
  const Dumped dumped = books.dump();
  EXPECT_THAT(
      dumped.unfaithful,
      testing::UnorderedElementsAre(
          testing::StartsWith("view broken is left out, since it cannot be read: View '" + books.name() + ".broken'"),
          "table a: a member of column e is ? or has a character of four bytes, which the server prints as ?",
          "table a: the default of column d has a ? or a character of four bytes, which the server prints as ?",
          "table b: the default of column a names a sequence by its schema",
          "table c: it is system-versioned, and the history of its rows is left out"));
  EXPECT_THAT(books.text, Not(HasSubstr("broken")));
}

TEST(MariaDbDump, IsTakenOnceMoreWhenTheSchemaChangesUnderIt) {
  Dumping books;
  books.sql(
      "CREATE TABLE a (id INT PRIMARY KEY, t CHAR(250)); INSERT INTO a SELECT seq, REPEAT('x', 250) FROM seq_1_to_6000;"
      "CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1); CREATE TABLE old (id INT PRIMARY KEY)");
  DumpOptions options;
  bool changed = false;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    if (!changed) books.sql("ALTER TABLE b ADD COLUMN n INT, FORCE; DROP TABLE old");
    changed = true;
  };
  const Dumped dumped = books.dump(options);
  const auto copy = books.loaded();
  const Schema made = copy->dialect().introspect(*copy, dump_limit);
  EXPECT_THAT(dumped.schema.differences(made), IsEmpty());
  EXPECT_EQ(made.find("b")->columns.size(), 2U);
  EXPECT_EQ(row_digests(*copy, made, dump_limit), dumped.tables);
}

TEST(MariaDbDump, FailsWithTheTableThatChangesAgainAndAgain) {
  for (const char* change : {"ALTER TABLE b FORCE", "TRUNCATE b", "CREATE TABLE new{} (a INT)"}) {
    Dumping books;
    books.sql(
        "CREATE TABLE a (id INT PRIMARY KEY, t CHAR(250)); INSERT INTO a SELECT seq, REPEAT('x', 250) FROM "
        "seq_1_to_6000;"
        "CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1)");
    DumpOptions options;
    int number = 0;
    options.progress = [&](std::uint64_t rows, std::uint64_t) {
      if (rows < 6000) books.sql(fmt::format(fmt::runtime(change), ++number));  // while a is being read
    };
    const Error error = dump_error_of([&] { books.dump(options); });
    EXPECT_EQ(error.kind, ErrorKind::failed);
    EXPECT_THAT(error.message, testing::StartsWith("the schema changed while it was dumped, twice: table "));
    EXPECT_EQ(error.hint, "take the backup when nobody changes the schema");
  }
}

TEST(MariaDbDump, KeepsNobodyFromChangingATableThatItHasRead) {
  Dumping books;
  books.sql(
      "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1);"
      "CREATE TABLE b (id INT PRIMARY KEY, t CHAR(250)); INSERT INTO b SELECT seq, REPEAT('x', 250) FROM "
      "seq_1_to_6000");
  DumpOptions options;
  bool done = false;
  options.progress = [&](std::uint64_t rows, std::uint64_t) {
    if (rows > 1 && !done) books.sql("SET lock_wait_timeout = 0; ALTER TABLE a COMMENT = 'x'");
    done = done || rows > 1;
  };
  books.dump(options);
  EXPECT_TRUE(done);
}

/// A stand-in for mariadb-dump that writes down how it was started, and then is the real one.
std::string watched_tool(const test::Folder& folder) {
  folder.write("bin/mariadb-dump",
               "#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline > " + (folder / "seen").string() +
                   "\ntr '\\0' ' ' < /proc/$$/environ >> " + (folder / "seen").string() +
                   "\nexec /usr/bin/mariadb-dump \"$@\"\n",
               0755);
  return (folder / "bin").string() + ":" + std::getenv("PATH");
}

TEST(MariaDbDump, GivesThePasswordInNoCommandLineAndNoEnvironment) {
  Dumping books;
  const std::string password = "p\"a's#s\\w;o rd\xc3\xa9";
  books.sql("CREATE TABLE t (a INT)");
  books.session().execute("CREATE USER 'dumper'@'localhost'", dump_limit);
  books.session().query("SELECT 1", dump_limit);
  std::string quoted;
  for (const char c : password) quoted += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  books.session().execute("SET PASSWORD FOR dumper@localhost = PASSWORD('" + quoted + "')", dump_limit);
  books.session().execute("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `" + books.name() + "`.* TO dumper@localhost",
                          dump_limit);
  Url url = books.session().url();
  url.user = "dumper";
  url.password = password;
  const auto session = open(url, "/", Access::existing, dump_limit);
  const test::Folder folder;
  Machine machine = books.machine();
  machine.path = watched_tool(folder);
  std::string text;
  session->dialect().server()->dump(*session, {}, machine, dump_limit, [&](std::string_view piece) { text += piece; });
  EXPECT_THAT(text, HasSubstr("CREATE TABLE `t`"));
  const std::string seen = test::read_file(folder / "seen");
  EXPECT_THAT(seen, HasSubstr("--defaults-file=/proc/self/fd/"));
  EXPECT_THAT(seen, Not(HasSubstr(password)));
  EXPECT_THAT(seen, Not(HasSubstr("p\"a")));
}

TEST(MariaDbDump, SaysWhatPrivilegeIsMissing) {
  Dumping books;
  books.session().execute("CREATE USER 'blind'@'localhost'", dump_limit);
  books.session().execute("GRANT SELECT, SHOW VIEW ON `" + books.name() + "`.* TO blind@localhost", dump_limit);
  Url url = books.session().url();
  url.user = "blind";
  const auto session = open(url, "/", Access::existing, dump_limit);
  const auto dump = [&] {
    session->dialect().server()->dump(*session, {}, books.machine(), dump_limit, [](std::string_view) {});
  };
  Error error = dump_error_of(dump);
  EXPECT_EQ(error.kind, ErrorKind::database);
  EXPECT_EQ(error.message, "the triggers of the schema may not be seen, so that a backup would lack them");
  EXPECT_EQ(error.hint, "GRANT TRIGGER ON `" + books.name() + "`.* TO blind");
  books.session().execute("GRANT TRIGGER ON `" + books.name() + "`.* TO blind@localhost", dump_limit);
  error = dump_error_of(dump);
  EXPECT_THAT(error.message, HasSubstr("mariadb-dump exited with status 2: "));
  EXPECT_THAT(error.message, HasSubstr("Access denied for user 'blind'@'localhost'"));
  EXPECT_EQ(error.hint, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `" + books.name() + "`.* TO blind");
}

TEST(MariaDbDump, NamesTheToolThatIsMissing) {
  Dumping books;
  Machine machine = books.machine();
  machine.path = "/nowhere";
  const Error error = dump_error_of(
      [&] { books.session().dialect().server()->dump(books.session(), {}, machine, dump_limit, [](auto) {}); });
  EXPECT_EQ(error.kind, ErrorKind::missing_tool);
}

TEST(MariaDbDump, StopsReadingWhenTheTextCannotBeWritten) {
  Dumping books;
  books.sql(
      "CREATE TABLE t (a INT PRIMARY KEY, t VARCHAR(250)); INSERT INTO t SELECT seq, REPEAT('x', 250) FROM "
      "seq_1_to_20000");
  const Error error = dump_error_of([&] {
    books.session().dialect().server()->dump(books.session(), {}, books.machine(), dump_limit,
                                             [](std::string_view piece) {
                                               if (piece.size() > 1000000) throw Error(ErrorKind::no_space, "full");
                                             });
  });
  EXPECT_EQ(error.kind, ErrorKind::no_space);
  EXPECT_EQ(error.message, "full");
}

}  // namespace
}  // namespace deployer::database
