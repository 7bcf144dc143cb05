#include "database/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "database/dialect.h"
#include "database/dump.h"
#include "database/load_statements.h"
#include "database/session.h"
#include "support/mariadb.h"

namespace deployer::database {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const Deadline load_patience = Deadline::never();

/// A text that is given out in pieces of `size` bytes.
std::function<std::string()> pieces_of(const std::string& text, std::size_t size) {
  return [text, size, at = std::size_t{0}]() mutable {
    const std::string piece = text.substr(std::min(at, text.size()), size);
    at += piece.size();
    return piece;
  };
}

std::vector<std::string> cut(const std::function<std::string()>& read, std::size_t least = 1 << 20) {
  DumpReader reader(read, SqlDialect::mysql, {}, least);
  std::vector<std::string> statements;
  while (const auto statement = reader.next()) {
    statements.push_back(std::to_string(statement->at.line) + ": " + std::string(statement->text));
  }
  return statements;
}

/// The dump of another tool with all that makes it hard to cut.
const char* const hard_dump =
    "/*M!999999\\- enable the sandbox mode */ \n"
    "-- MariaDB dump 10.19\n"
    "/*!40101 SET NAMES utf8mb4 */;\n"
    "CREATE TABLE `a;b` (\n  `c` text DEFAULT 'x;\\'y;' COMMENT \"it's; one\"\n);\n"
    "# a comment; with one\n"
    "INSERT INTO `a;b` VALUES ('-- no comment;'),('/* nor; this */'),(x'3b'),(0x3B),(_binary '\\\\');\n"
    "DELIMITER ;;\n"
    "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE INSERT ON `a;b` FOR EACH ROW\n"
    "BEGIN\n  SET NEW.c = ';';\n  IF 1 THEN SET NEW.c = 'b'; END IF;\nEND */;;\n"
    "DELIMITER ;\n"
    "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;\n"
    "-- Dump completed on 2026-11-24\n";

TEST(DumpReader, CutsADumpOfAnotherToolIntoItsStatements) {
  const std::vector<std::string> whole = cut(pieces_of(hard_dump, 1 << 20));
  ASSERT_EQ(whole.size(), 5U);
  EXPECT_EQ(whole[0], "3: /*!40101 SET NAMES utf8mb4 */");
  EXPECT_THAT(whole[1], StartsWith("4: CREATE TABLE `a;b` ("));
  EXPECT_THAT(whole[2], StartsWith("8: INSERT INTO"));
  EXPECT_THAT(whole[3], StartsWith("10: /*!50003 CREATE*/"));
  EXPECT_THAT(whole[3], HasSubstr("END */"));
  EXPECT_EQ(whole[4], "16: CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END");
}

TEST(DumpReader, CutsTheSameWhereverThePiecesEnd) {
  const std::vector<std::string> whole = cut(pieces_of(hard_dump, 1 << 20));
  for (std::size_t size = 1; size < 80; ++size) {
    EXPECT_EQ(cut(pieces_of(hard_dump, size), size), whole) << "in pieces of " << size;
  }
}

TEST(DumpReader, HoldsALongStatementWithoutItsTokens) {
  std::string insert = "INSERT INTO t VALUES (1)";
  for (int i = 0; i < 30'000; ++i) insert += ",(1)";
  DumpReader reader(pieces_of(insert + ";\nINSERT INTO t VALUES (2);\n", 65536), SqlDialect::mysql, {});
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->text, insert);
  EXPECT_EQ(first->tokens.size(), DumpReader::head_tokens);
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->text, "INSERT INTO t VALUES (2)");
  EXPECT_EQ(second->at.line, 2);
  EXPECT_FALSE(reader.next());
}

std::unique_ptr<Session> fresh_schema(const std::string& name) {
  test::MariaDb& server = test::shared_mariadb();
  const std::string url = server.new_database(name);
  return open(*parse_url(url), "/", Access::existing, load_patience);
}

void load(Session& session, const std::string& dump, bool needs_end = false) {
  LoadOptions options;
  options.needs_end = needs_end;
  load_dump(session, pieces_of(dump, 100), options, load_patience);
}

std::string text_of(Session& session, const std::string& sql) {
  const Rows rows = session.query(sql, load_patience);
  return rows.empty() ? std::string() : as_text(rows.rows[0].at(0));
}

std::string load_error(Session& session, const std::string& dump, bool needs_end = false) {
  try {
    load(session, dump, needs_end);
  } catch (const Error& error) {
    return error.message;
  }
  return "it was loaded";
}

/// What mariadb-dump writes of a schema.
std::string dump_by_program(const std::string& schema, const std::string& options = {}) {
  const std::string command = "mariadb-dump --no-defaults -S " + test::shared_mariadb().socket() +
                              " -u root --routines --triggers --events " + options + " " + schema;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  char piece[4096];
  while (const std::size_t got = fread(piece, 1, sizeof piece, pipe.get())) text.append(piece, got);
  return text;
}

const char* const all_kinds = R"sql(
CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), boss INT,
  CONSTRAINT fk_boss FOREIGN KEY (boss) REFERENCES authors (id));
CREATE TABLE a_books (id INT PRIMARY KEY, author INT, cover BLOB,
  CONSTRAINT fk_author FOREIGN KEY (author) REFERENCES authors (id));
INSERT INTO authors VALUES (1, 'Ada; \\ \'x', NULL), (7, 'B\n-- C', 1);
INSERT INTO a_books VALUES (1, 7, 0x3b27005c);
CREATE TABLE audit (what VARCHAR(99)) ENGINE=Aria;
CREATE VIEW z_view AS SELECT id FROM authors;
CREATE VIEW b_view AS SELECT id FROM z_view;
CREATE SEQUENCE numbers START WITH 5;
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON authors FOR EACH ROW BEGIN SET NEW.name = UPPER(NEW.name); END;;
CREATE PROCEDURE p() BEGIN DECLARE i INT; SET i = 1; WHILE i < 3 DO SET i = i + 1; END WHILE; END;;
CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1;;
CREATE EVENT tick ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' COMMENT 'ENABLE' DO DELETE FROM authors WHERE id = 99;;
CREATE EVENT off ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DISABLE DO SET @a = 1;;
DELIMITER ;
)sql";

TEST(LoadDump, TakesAllThatMariadbDumpWrites) {
  const std::unique_ptr<Session> live = fresh_schema("load_from");
  test::shared_mariadb().client("load_from", all_kinds);
  const std::string dump = dump_by_program("load_from");
  ASSERT_THAT(dump, HasSubstr("Dump completed"));
  const std::unique_ptr<Session> copy = fresh_schema("load_to");
  load(*copy, dump, true);
  const Schema expected = live->dialect().introspect(*live, load_patience);
  const Schema loaded = copy->dialect().introspect(*copy, load_patience);
  EXPECT_THAT(expected.differences(loaded), ElementsAre());
  EXPECT_EQ(expected.fingerprint(), loaded.fingerprint());
  EXPECT_EQ(row_digests(*live, expected, load_patience), row_digests(*copy, loaded, load_patience));
  EXPECT_EQ(text_of(*copy,
                    "SELECT GROUP_CONCAT(event_name, ' ', status ORDER BY event_name) "
                    "FROM information_schema.events WHERE event_schema = 'load_to'"),
            "off DISABLED,tick ENABLED");
}

TEST(LoadDump, LeavesTheSessionAsItWas) {
  const std::unique_ptr<Session> session = fresh_schema("load_settings");
  const std::string settings =
      "SELECT CONCAT_WS(' ', @@sql_mode, @@foreign_key_checks, @@unique_checks, @@time_zone, @@character_set_client, "
      "@@collation_connection, @@autocommit, @@sql_notes)";
  const std::string before = text_of(*session, settings);
  load(*session,
       "SET NAMES latin1; SET sql_mode = '', time_zone = '+03:00', foreign_key_checks = 0;\n"
       "SET autocommit = 0; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); COMMIT;");
  EXPECT_EQ(text_of(*session, settings), before);
  EXPECT_EQ(text_of(*session, "SELECT COUNT(*) FROM t"), "1");
}

TEST(LoadDump, RefusesWhatLeavesTheSchemaWithItsLine) {
  const std::unique_ptr<Session> session = fresh_schema("load_refused");
  const auto refused = [&](const std::string& statement) {
    return load_error(*session, "SET sql_notes = 0;\n" + statement);
  };
  const std::string line = "line 2 of the dump: ";
  EXPECT_EQ(refused("USE prod; DROP TABLE books;"), line + "USE prod leaves the schema that is loaded");
  EXPECT_EQ(refused("/*!50001 USE prod */;"), line + "USE prod leaves the schema that is loaded");
  EXPECT_EQ(refused("DROP TABLE prod . books;"), line + "prod.books may be of another schema");
  EXPECT_EQ(refused("DROP TABLE a, `prod`.`books`;"), line + "prod.books may be of another schema");
  EXPECT_EQ(refused("DROP DATABASE prod;"), line + "DROP DATABASE has no place in a dump of a schema");
  EXPECT_EQ(refused("INSERT INTO prod.books VALUES (1);"), line + "prod.books may be of another schema");
  EXPECT_EQ(refused("INSERT INTO t VALUES (prod.f());"), line + "prod.f may be of another schema");
  EXPECT_EQ(refused("INSERT INTO t SELECT * FROM prod.5books;"), line + "prod.5books may be of another schema");
  EXPECT_EQ(refused("INSERT INTO t VALUES (LOAD_FILE('/etc/passwd'));"),
            line + "LOAD_FILE reaches files of the server");
  EXPECT_EQ(refused("CREATE TABLE t LIKE prod.books;"), line + "prod.books may be of another schema");
  EXPECT_EQ(refused("CREATE TABLE t (a INT) ENGINE=FEDERATED;"),
            line + "a table of engine FEDERATED keeps its rows elsewhere");
  EXPECT_EQ(refused("ALTER TABLE t RENAME prod.t;"), line + "prod.t may be of another schema");
  EXPECT_EQ(refused("CREATE VIEW prod.v AS SELECT 1;"), line + "prod.v may be of another schema");
  EXPECT_EQ(refused("CREATE TRIGGER g BEFORE INSERT ON prod.books FOR EACH ROW SET @a = 1;"),
            line + "prod.books may be of another schema");
  EXPECT_EQ(refused("CREATE USER x;"), line + "CREATE USER has no place in a dump of a schema");
  EXPECT_EQ(refused("GRANT ALL ON *.* TO x;"), line + "GRANT has no place in a dump of a schema");
  EXPECT_EQ(refused("SET GLOBAL read_only = 1;"), line + "it sets a variable of the whole server");
  EXPECT_EQ(refused("SET sql_notes = 1, @@global.read_only = 1;"), line + "it sets a variable of the whole server");
  EXPECT_EQ(refused("SET PASSWORD = 'x';"), line + "SET password has no place in a dump");
  EXPECT_EQ(refused("SET STATEMENT max_statement_time = 1 FOR DROP TABLE prod.books;"),
            line + "prod.books may be of another schema");
  EXPECT_EQ(refused("SET sql_log_bin = 0;"), line + "SET sql_log_bin has no place in a dump");
  EXPECT_EQ(refused("CREATE FUNCTION f RETURNS STRING SONAME 'x.so';"),
            line + "a function of a library is the whole server's");
  EXPECT_EQ(refused("\\! rm -rf /"), line + "a command of the client cannot stand in a dump");
  EXPECT_EQ(refused("SOURCE x;"), line + "SOURCE has no place in a dump of a schema");
  EXPECT_EQ(refused("PREPARE s FROM 'DROP DATABASE prod';"), line + "PREPARE has no place in a dump of a schema");
  EXPECT_EQ(refused("INSERT INTO t VALUES ('x);"), line + "a string does not end");
  EXPECT_EQ(refused("SET sql_mode = 'ANSI_QUOTES'; INSERT INTO \"prod\".\"books\" VALUES (1);"),
            line + "prod.books may be of another schema");
  EXPECT_EQ(refused("SET sql_mode = 'NO_BACKSLASH_ESCAPES'; INSERT INTO t VALUES ('\\', prod.f(), 1) -- ');"),
            line + "tables and rows cannot be loaded in sql_mode NO_BACKSLASH_ESCAPES");
  EXPECT_EQ(refused("SET NAMES gbk; INSERT INTO t VALUES ('\xbf\\');"), line + "a string does not end");
  EXPECT_EQ(refused("SET NAMES gbk; INSERT INTO t VALUES ('\xbf\\', 1) -- ');"),
            line + "tables and rows cannot be loaded in character set gbk");
  EXPECT_EQ(text_of(*session, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'load_refused'"),
            "0");
}

TEST(LoadDump, RunsNothingThatTheDumpItselfMakes) {
  const std::unique_ptr<Session> other = fresh_schema("load_victim");
  other->execute("CREATE TABLE books (a INT)", load_patience);
  const std::unique_ptr<Session> session = fresh_schema("load_hostile");
  load(*session,
       "CREATE TABLE t (a INT);\n"
       "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW INSERT INTO load_victim.books VALUES (1);\n"
       "INSERT INTO t VALUES (1);\n"
       "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO load_victim.books VALUES (2);\n");
  EXPECT_EQ(text_of(*session, "SELECT COUNT(*) FROM t"), "1");
  EXPECT_EQ(text_of(*other, "SELECT COUNT(*) FROM books"), "0");
  const std::unique_ptr<Session> second = fresh_schema("load_hostile2");
  EXPECT_THAT(load_error(*second, "CREATE VIEW v AS SELECT a FROM load_victim.books;\nINSERT INTO v VALUES (3);"),
              HasSubstr("line 2 of the dump: "));
  EXPECT_EQ(text_of(*other, "SELECT COUNT(*) FROM books"), "0");
}

TEST(LoadDump, RefusesADumpThatIsCutOff) {
  const std::string complaint = "the dump is cut off: its last line is not `-- Dump completed`";
  const std::unique_ptr<Session> session = fresh_schema("load_cut");
  EXPECT_EQ(load_error(*session, "SET sql_notes = 0;\n", true), complaint);
  EXPECT_EQ(load_error(*session, "-- MariaDB dump 10.19\nSET sql_notes = 0;\n"), complaint);
  EXPECT_EQ(load_error(*session, "-- Dump completed\nSET sql_notes = 0;\n", true), complaint);
  EXPECT_EQ(load_error(*session, "SET sql_notes = 0;\n-- Dump completed on 2026-11-24\n", true), "it was loaded");
}

TEST(LoadDump, RefusesASchemaThatIsNotEmpty) {
  const std::unique_ptr<Session> session = fresh_schema("load_full");
  session->execute("CREATE TABLE _deployer_aside (a INT)", load_patience);
  EXPECT_EQ(load_error(*session, "CREATE TABLE t (a INT);"), "it was loaded");
  EXPECT_EQ(load_error(*session, "CREATE TABLE u (a INT);"), "the schema load_full is not empty");
}

TEST(LoadDump, NamesTheLineThatTheServerRefuses) {
  const std::unique_ptr<Session> session = fresh_schema("load_bad");
  EXPECT_EQ(load_error(*session,
                       "CREATE TABLE t (a INT PRIMARY KEY);\nINSERT INTO t\nVALUES (1);\nINSERT INTO t VALUES (1);"),
            "line 4 of the dump: Duplicate entry '1' for key 'PRIMARY'");
}

const char* const foreign_owner =
    "CREATE TABLE t (a INT);\n"
    "CREATE DEFINER=`nobody`@`here` VIEW v AS SELECT a FROM t;\n"
    "CREATE DEFINER=`nobody`@`here` TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 7;\n"
    "CREATE DEFINER=`nobody`@`here` PROCEDURE p() SELECT 1;\n"
    "CREATE DEFINER='nobody'@'here' FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;\n"
    "CREATE DEFINER=nobody@here EVENT e ON SCHEDULE EVERY 1 DAY DO SET @a = 1;\n";

std::string definers(Session& session) {
  return text_of(session,
                 "SELECT GROUP_CONCAT(DISTINCT definer) FROM ("
                 "SELECT definer FROM information_schema.views WHERE table_schema = DATABASE() UNION ALL "
                 "SELECT definer FROM information_schema.triggers WHERE trigger_schema = DATABASE() UNION ALL "
                 "SELECT definer FROM information_schema.routines WHERE routine_schema = DATABASE() UNION ALL "
                 "SELECT definer FROM information_schema.events WHERE event_schema = DATABASE()) d");
}

TEST(LoadDump, GivesWhatBelongsToAMissingAccountToTheCurrentUser) {
  const std::unique_ptr<Session> session = fresh_schema("load_definers");
  load(*session, foreign_owner);
  EXPECT_EQ(definers(*session), "root@localhost");
  session->execute("INSERT INTO t VALUES (1)", load_patience);
  EXPECT_EQ(text_of(*session, "SELECT a FROM v"), "7");
}

TEST(LoadDump, KeepsADefinerWhoIsThere) {
  const std::unique_ptr<Session> session = fresh_schema("load_kept_definers");
  session->execute("CREATE USER IF NOT EXISTS nobody@here", load_patience);
  load(*session, foreign_owner);
  EXPECT_EQ(definers(*session), "nobody@here");
  session->execute("DROP USER nobody@here", load_patience);
}

TEST(LoadDump, NeedsNoSuperForDefinersOfOthers) {
  const std::unique_ptr<Session> root = fresh_schema("load_plain_user");
  root->execute("CREATE USER IF NOT EXISTS loader@localhost IDENTIFIED BY 'x'", load_patience);
  root->execute("GRANT ALL ON load_plain_user.* TO loader@localhost", load_patience);
  Url url = root->url();
  url.user = "loader";
  url.password = "x";
  const std::unique_ptr<Session> session = open(url, "/", Access::existing, load_patience);
  load(*session, foreign_owner);
  EXPECT_EQ(definers(*session), "loader@localhost");
}

}  // namespace
}  // namespace deployer::database
