// The clients are the reference: what `sqlite3` and `mariadb` make of a script must be what its statements make of the
// same database, sent one by one.
#include <gtest/gtest.h>

#include <cstdlib>

#include "database/dialect.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"
#include "system/process.h"

namespace deployer::database {
namespace {

const Deadline client_limit = Deadline::after(std::chrono::seconds(60));

std::string output_of(const std::vector<std::string>& argv, const std::string& input = {}) {
  Processes processes;
  const char* path = std::getenv("PATH");
  const Processes::Captured ran =
      processes.capture({argv, {{"PATH", path == nullptr ? "" : path}}, "/", input, {}}, client_limit);
  EXPECT_TRUE(ran.exit.ok()) << argv[0] << " " << ran.exit.text() << ": " << ran.err << "\n" << input;
  return ran.out;
}

void run_statements(Session& session, const std::string& text) {
  const Script script = split_script(text, session.dialect().lexer(), "script.sql");
  for (const Diagnostic& wrong : script.diagnostics) ADD_FAILURE() << wrong.text();
  for (const Statement& statement : script.statements) {
    try {
      session.execute(statement.text, client_limit);
    } catch (const Error& error) {
      ADD_FAILURE() << statement.at.text() << ": " << error.message << "\n" << statement.text;
    }
  }
}

TEST(LexerAgainstTheSqlite3Client, MakesTheSameDatabase) {
  const std::string text =
      "\xEF\xBB\xBF-- it's a comment; with \"quotes\n"
      "/* another; one ' */ CREATE TABLE t (a TEXT DEFAULT 'x;y', \"b;\" TEXT, `c'` TEXT, [d;] TEXT);;\n"
      "INSERT INTO t VALUES ('it''s; here', \"double;\", 'back\\', '--no comment;');INSERT INTO t (a) VALUES ('/*;*/')"
      " /* behind; */ ; -- and; behind\r\n"
      "insert into t values ('crlf\r\n;\r\nkept', x'3b27', 1--2;\n, 2);\r\n"
      "CREATE TABLE log (what TEXT, n INT); CREATE TABLE trigger_begin (begin, \"end\", \"case\");\n"
      "CREATE TRIGGER log_it AFTER INSERT ON t WHEN CASE WHEN new.a IS NULL THEN 0 ELSE 1 END BEGIN\n"
      "  INSERT INTO log VALUES ('; END;', CASE new.a WHEN 'x' THEN 1 ELSE 2 END); -- END;\n"
      "  UPDATE log SET n = CASE WHEN n = 1 THEN 10 ELSE 20 END;\n"
      "END;\n"
      "create temp trigger gone after delete on t begin select 1; end; drop trigger gone;\n"
      "CREATE VIEW v AS SELECT a -- in the body; it's kept\n FROM t;\n"
      "INSERT INTO t (a) VALUES ('x'); INSERT INTO t (a) VALUES ('last, without semicolon')\n";
  const test::Folder folder;
  // As an argument: read line by line the client would lose the carriage returns.
  output_of({"sqlite3", "-batch", "-bail", "-init", "/dev/null", (folder / "client.db").string(), text});
  {
    const auto session = open(*parse_url("sqlite:///ours.db"), folder.path(), Access::create, client_limit);
    run_statements(*session, text);
  }
  const auto dump = [&](const std::string& name) {
    return output_of({"sqlite3", "-batch", "-init", "/dev/null", (folder / name).string(), ".dump"});
  };
  EXPECT_EQ(dump("ours.db"), dump("client.db"));
  EXPECT_NE(dump("ours.db").find("last, without"), std::string::npos);
}

constexpr const char* mariadb_script = R"sql(-- it's a comment; with "quotes
# another; one '
/*!40101 SET NAMES utf8mb4 */;
/* and; ' one more */ CREATE TABLE t (a VARCHAR(100) DEFAULT 'x;y', `b;` TEXT, `c'"` TEXT, n INT DEFAULT 5);;
INSERT INTO t VALUES ('it''s; \'here\'', "double; ""q"" \" \\", 'back\\', 1--2);INSERT INTO t (a) VALUES ('/*;*/') /* ; */ ; # x
INSERT INTO t (a) VALUES ('-- no; comment'), ("# nor; this") -- but; this'
;
CREATE TABLE log (what TEXT, n INT) /*!100000 COMMENT 'so; it is' */ /*M!100000 ENGINE=InnoDB */;
CREATE TABLE event (begin INT, end INT, `case` INT);
  DELIMITER $$
CREATE TRIGGER log_it BEFORE INSERT ON t FOR EACH ROW BEGIN
  -- END; it's in the body
  INSERT INTO log VALUES ('; END $$', CASE NEW.a WHEN 'x' THEN 1 ELSE 2 END); # END
  IF NEW.a IS NULL THEN SET NEW.a = IF(1, "y;", 'z'); ELSE SET NEW.n = 7; END IF;
END$$CREATE PROCEDURE p(IN begin INT, OUT result TEXT)
lbl: BEGIN
  DECLARE i INT DEFAULT 0;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET result = 'failed'; END;
  WHILE i < begin DO SET i = i + 1; INSERT INTO event (begin, end) VALUES (i, CASE WHEN i > 1 THEN i ELSE 0 END); END WHILE;
  FOR r IN (SELECT begin, end FROM event) DO SET result = CONCAT(IFNULL(result, ''), r.end); END FOR;
END
$$
delimiter //
CREATE FUNCTION f(a INT) RETURNS SET('p','q') CHARACTER SET utf8mb4 DETERMINISTIC RETURN CASE a WHEN 1 THEN 'p' ELSE 'q' END//
CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO BEGIN DELETE FROM log; SELECT 1 / 2; END //
DELIMITER ;
CALL p(3, @r); INSERT INTO log VALUES (@r, 1), (f(1), @`r`);
/*!50003 CREATE*/ /*!50020 DEFINER=`root`@`localhost`*/ /*!50003 FUNCTION g() RETURNS INT NO SQL RETURN 1 */;
CREATE VIEW v AS SELECT a, \N AS nothing FROM t;
INSERT INTO t (a) VALUES ('last, without semicolon'))sql";

TEST(LexerAgainstTheMariadbClient, MakesTheSameDatabase) {
  test::MariaDb& server = test::shared_mariadb();
  const std::string client_url = server.new_database("by_client");
  const std::string ours_url = server.new_database("by_lexer");
  const std::string text = std::string("\xEF\xBB\xBF") + mariadb_script + "\r\n";
  const std::string socket = "--socket=" + server.socket();
  output_of({"mariadb", "--no-defaults", "--binary-mode", "--comments", "--default-character-set=utf8mb4", "-uroot",
             socket, "by_client"},
            text);
  const auto session = open(*parse_url(ours_url), "/", Access::existing, client_limit);
  run_statements(*session, text);
  const auto dump = [&](const std::string& name) {
    return output_of(
        {"mariadb-dump", "--no-defaults", "--compact", "--routines", "--triggers", "--events", "-uroot", socket, name});
  };
  const std::string ours = dump("by_lexer");
  EXPECT_EQ(ours, dump("by_client"));
  for (const char* made : {"last, without", "TRIGGER log_it", "PROCEDURE `p`", "FUNCTION `f`", "EVENT `e`"}) {
    EXPECT_NE(ours.find(made), std::string::npos) << made;
  }
}

// Written without DELIMITER, for which the client has no way: the same bodies, cut by their blocks.
TEST(LexerAgainstTheMariadbClient, CutsBodiesWithoutDelimiterWhereTheServerSeesTheirEnd) {
  test::MariaDb& server = test::shared_mariadb();
  const auto session = open(*parse_url(server.new_database("bodies")), "/", Access::existing, client_limit);
  run_statements(*session, R"sql(CREATE TABLE t (id INT PRIMARY KEY, begin INT, end INT);
CREATE PROCEDURE p() READS SQL DATA BEGIN
  DECLARE done INT DEFAULT 0;
  DECLARE x INT;
  DECLARE c CURSOR FOR SELECT end FROM t;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION, SQLWARNING BEGIN ROLLBACK; END;
  OPEN c;
  l: LOOP
    FETCH c INTO x;
    IF done THEN LEAVE l; ELSE IF x THEN SET x = IF(x, 1, 2); END IF; END IF;
    CASE WHEN CASE WHEN x THEN 1 ELSE 0 END THEN SELECT 1; ELSE BEGIN END; END CASE;
  END LOOP l;
  REPEAT SET x = x + 1; UNTIL x > 3 OR CASE x WHEN 1 THEN 1 END END REPEAT;
  SELECT t.begin, t.end, end FROM t WHERE CASE WHEN end > 1 THEN end ELSE begin END;
  CLOSE c;
END;
CREATE FUNCTION f() RETURNS VARCHAR(9) CHARACTER SET utf8mb4 DETERMINISTIC IF 1 THEN RETURN REPEAT('x', 3); ELSE RETURN ''; END IF;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW IF NEW.end THEN SET NEW.end = 1; SET NEW.begin = 2; END IF;
CREATE EVENT e ON SCHEDULE AT '2030-01-01 00:00:00' DISABLE DO BEGIN DELETE FROM t; DELETE FROM t; END;
BEGIN NOT ATOMIC DECLARE x INT DEFAULT 3; INSERT INTO t VALUES (x, x, x); END;
FOR i IN 10..12 DO INSERT INTO t VALUES (i, i, NULL); END FOR;
IF 1 THEN INSERT INTO t VALUES (50, 0, 0); INSERT INTO t VALUES (51, 0, 0); END IF;
CALL p();)sql");
  const Rows rows = session->query("SELECT COUNT(*), f() FROM t", client_limit);
  EXPECT_EQ(as_integer(rows.rows.at(0).at(0)), 6);
  EXPECT_EQ(as_text(rows.rows.at(0).at(1)), "xxx");
}

}  // namespace
}  // namespace deployer::database
