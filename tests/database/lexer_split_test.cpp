#include <gtest/gtest.h>

#include "database/lexer.h"

namespace deployer::database {
namespace {

constexpr SqlDialect lite = SqlDialect::sqlite;
constexpr SqlDialect maria = SqlDialect::mysql;

std::vector<std::string> texts_of(std::string_view text, SqlDialect dialect) {
  const Script script = split_script(text, dialect, "f.sql");
  for (const Diagnostic& wrong : script.diagnostics) ADD_FAILURE() << wrong.text() << "\nin: " << text;
  std::vector<std::string> texts;
  for (const Statement& statement : script.statements) texts.emplace_back(statement.text);
  return texts;
}

using Texts = std::vector<std::string>;

/// One statement, whatever stands in it, and a second one behind it.
void expect_one(const std::string& statement, SqlDialect dialect) {
  EXPECT_EQ(texts_of(statement, dialect), Texts{statement});
  EXPECT_EQ(texts_of(statement + ";\nSELECT 2;", dialect), (Texts{statement, "SELECT 2"}));
}

std::string complaints_of(std::string_view text, SqlDialect dialect) {
  std::string all;
  for (const Diagnostic& wrong : split_script(text, dialect, "f.sql", 10).diagnostics) all += wrong.text() + "\n";
  return all;
}

TEST(SplitScript, CutsAtSemicolonsAndPassesOverEmptyStatements) {
  for (const SqlDialect dialect : {lite, maria}) {
    EXPECT_EQ(texts_of("", dialect), Texts{});
    EXPECT_EQ(texts_of(" ;; \n-- nothing\n;/* at all */", dialect), Texts{});
    EXPECT_EQ(texts_of("SELECT 1;SELECT 2 ; SELECT 3", dialect), (Texts{"SELECT 1", "SELECT 2", "SELECT 3"}));
    EXPECT_EQ(texts_of("\xEF\xBB\xBFSELECT 1;\r\n  SELECT\r\n 2\r\n;\r\n", dialect),
              (Texts{"SELECT 1", "SELECT\r\n 2"}));
  }
}

TEST(SplitScript, LeavesStringsAndNamesWhole) {
  for (const SqlDialect dialect : {lite, maria}) {
    expect_one("SELECT 'a;b', 'it''s; ''', '--;', '/*;', \"c;d\", \"e\"\";\", `f;`, `g``;`", dialect);
    expect_one("SELECT 'a\r\n;\r\nb'", dialect);
    expect_one("SELECT x'3b', X'3B', ';'", dialect);
  }
  expect_one("SELECT [a;b], [it's], 'back\\'", lite);
  expect_one(R"(SELECT 'it\'s; \\', "say \";\" \\", `back\`)", maria);
  expect_one("SELECT @`a;b`, @'c;d', @\"e;f\", @@global.sql_mode, 'root;'@'%;'", maria);
  expect_one("SELECT \\N", maria);
  expect_one("SELECT ?1, :a, @b, $c", lite);
}

TEST(SplitScript, PassesOverCommentsOfAllKinds) {
  for (const SqlDialect dialect : {lite, maria}) {
    expect_one("SELECT 1 -- not; here\n + 2 /* nor; 'here */ + 3 --\n + 4", dialect);
    EXPECT_EQ(texts_of("-- a;\n--\n/**//***/SELECT 1/* ; */;-- b;", dialect), Texts{"SELECT 1"});
  }
  EXPECT_EQ(texts_of("SELECT 1 --2;\nSELECT 2", lite), Texts{"SELECT 1 --2;\nSELECT 2"});
  EXPECT_EQ(texts_of("SELECT 1 --2;\nSELECT 2", maria), (Texts{"SELECT 1 --2", "SELECT 2"}));
  EXPECT_EQ(texts_of("#;\nSELECT 1 # it's;\n;", maria), Texts{"SELECT 1"});
}

TEST(SplitScript, TakesTheContentOfConditionalCommentsAsCode) {
  EXPECT_EQ(texts_of("/*!40101 SET NAMES utf8 */;/*M!100100 SELECT ';*/' */; SELECT 1 /*! + 1 /* ; */ */", maria),
            (Texts{"/*!40101 SET NAMES utf8 */", "/*M!100100 SELECT ';*/' */", "SELECT 1 /*! + 1 /* ; */ */"}));
  EXPECT_EQ(texts_of("/*!40101 it's */ SELECT 1", lite), Texts{"SELECT 1"});
  EXPECT_EQ(texts_of("/*M!999999\\- enable the sandbox mode */ \nSELECT 1", maria), Texts{"SELECT 1"});
}

TEST(SplitScript, KnowsWhereAStatementStandsAndWhatStandsBeforeIt) {
  const Script script = split_script("\n-- first\n/* second */\n  SELECT 1;\r\n\tSELECT\n'a\nb';", maria, "m.sql", 10);
  ASSERT_EQ(script.statements.size(), 2U);
  EXPECT_EQ(script.statements[0].at, (Location{"m.sql", 13, 3}));
  ASSERT_EQ(script.statements[0].comments.size(), 2U);
  EXPECT_EQ(script.statements[0].comments[0].text, "-- first");
  EXPECT_EQ(script.statements[0].comments[0].line, 11);
  EXPECT_EQ(script.statements[0].comments[1].text, "/* second */");
  EXPECT_EQ(script.statements[1].at, (Location{"m.sql", 14, 2}));
  ASSERT_EQ(script.statements[1].tokens.size(), 2U);
  EXPECT_EQ(script.statements[1].tokens[1].line, 15);
  EXPECT_TRUE(script.statements[1].tokens[0].is("select"));
}

TEST(SplitScript, FollowsDelimiterAsTheClientDoes) {
  EXPECT_EQ(texts_of("SELECT 1;\n  delimiter $$\nSELECT 2; SELECT 3$$SELECT 4 END$$\nDELIMITER ;\nSELECT 5;", maria),
            (Texts{"SELECT 1", "SELECT 2; SELECT 3", "SELECT 4 END", "SELECT 5"}));
  EXPECT_EQ(texts_of("DELIMITER //\nSELECT '//', `//` /* // */ -- //\n //\nSELECT 2", maria),
            (Texts{"SELECT '//', `//`", "SELECT 2"}));
  EXPECT_EQ(texts_of("DELIMITER '//' and more\nSELECT 1//", maria), Texts{"SELECT 1"});
  EXPECT_EQ(texts_of("DELIMITER ;;\nSELECT 1; SELECT 2;;SELECT 3;;", maria), (Texts{"SELECT 1; SELECT 2", "SELECT 3"}));
  EXPECT_EQ(texts_of("DELIMITER go\nSELECT 1 category go", maria), (Texts{"SELECT 1 cate", "ry"}));
  EXPECT_EQ(texts_of("DELIMITER |\r\nSELECT 1|\r\nDELIMITER ;\r\nSELECT 2;\r\n", maria),
            (Texts{"SELECT 1", "SELECT 2"}));
  EXPECT_EQ(texts_of("SELECT 1; DELIMITER //\nSELECT 2", maria), (Texts{"SELECT 1", "DELIMITER //\nSELECT 2"}));
  EXPECT_EQ(texts_of("SELECT 1 AS\ndelimiter ;", maria), Texts{"SELECT 1 AS\ndelimiter"});
  EXPECT_EQ(texts_of("DELIMITER $$\nSELECT 1", lite), Texts{"DELIMITER $$\nSELECT 1"});
}

TEST(SplitScript, LeavesSqliteTriggersWhole) {
  expect_one("CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = CASE WHEN 1 THEN 2 END; SELECT 1; END", lite);
  expect_one("create temp trigger t delete on a begin select 'x; end;' ;;\n-- end;\nend", lite);
  expect_one("CREATE TEMPORARY TRIGGER IF NOT EXISTS [t;] INSTEAD OF UPDATE OF a ON v BEGIN DELETE FROM a; END", lite);
  expect_one("EXPLAIN QUERY PLAN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", lite);
  expect_one("CREATE TABLE trigger (begin, end)", lite);
  EXPECT_EQ(texts_of("BEGIN; SELECT 1; END;", lite), (Texts{"BEGIN", "SELECT 1", "END"}));
}

TEST(SplitScript, LeavesBodiesWholeWithoutDelimiter) {
  expect_one("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = CASE WHEN NEW.x THEN 1 ELSE 2 END", maria);
  expect_one("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW FOLLOWS u BEGIN SET @a = 1; SET @b = 2; END", maria);
  expect_one(
      "CREATE OR REPLACE DEFINER=`root`@`localhost` PROCEDURE p(IN begin INT, OUT b VARCHAR(10)) READS SQL DATA\n"
      "COMMENT 'a; b' BEGIN SELECT 1; /* END; */ SELECT 'END;'; END",
      maria);
  expect_one(
      "CREATE DEFINER = admin@localhost FUNCTION f() RETURNS VARCHAR(10) CHARACTER SET utf8mb4 DETERMINISTIC "
      "RETURN IF(1, REPEAT('x', 2), CASE 1 WHEN 1 THEN 'a' ELSE 'b' END)",
      maria);
  expect_one("CREATE FUNCTION f() RETURNS SET('a', 'b') BEGIN DECLARE x INT; SET x = 1; RETURN x; END", maria);
  expect_one("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END", maria);
  expect_one("ALTER EVENT e ON SCHEDULE EVERY 2 DAY DO DELETE FROM a", maria);
  expect_one(
      "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`l`*/ /*!50003 TRIGGER t BEFORE DELETE ON a FOR EACH ROW BEGIN "
      "SET @a = 1; SET @b = 2; END */",
      maria);
  expect_one("CREATE TABLE event (begin INT, end INT, function INT)", maria);
  expect_one("CREATE FUNCTION f RETURNS STRING SONAME 'f.so'", maria);
  EXPECT_EQ(texts_of("BEGIN; SELECT 1; COMMIT", maria), (Texts{"BEGIN", "SELECT 1", "COMMIT"}));
  EXPECT_EQ(texts_of("ALTER PROCEDURE p COMMENT 'x'; SELECT 1", maria),
            (Texts{"ALTER PROCEDURE p COMMENT 'x'", "SELECT 1"}));
}

TEST(SplitScript, LeavesBlocksWithinBodiesWhole) {
  expect_one(R"(CREATE PROCEDURE p()
outer_block: BEGIN
  DECLARE done, end INT DEFAULT CASE WHEN 1 THEN 0 ELSE 1 END;
  DECLARE c CURSOR FOR SELECT begin, end FROM periods;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION, SQLSTATE '23000' BEGIN ROLLBACK; RESIGNAL; END;
  BEGIN END;
  IF (SELECT IF(a, b, c) FROM t) THEN SELECT 1; ELSEIF x THEN SELECT 2; ELSE IF y THEN SELECT 3; END IF; END IF;
  CASE WHEN CASE WHEN end THEN 1 ELSE 2 END = 1 THEN SELECT 4; ELSE SELECT 5; END CASE;
  CASE x WHEN 1 THEN IF z THEN SELECT 6; END IF; WHEN 2 THEN BEGIN SELECT 7; END; END CASE;
  l: LOOP SET x = REPEAT('a', 3); IF x THEN LEAVE l; END IF; END LOOP l;
  WHILE x DO DO SLEEP(0); SELECT CASE WHEN a THEN IF(b, 1, 2) ELSE REPEAT('x', 2) END; END WHILE;
  `r`: REPEAT FETCH c INTO x, y; UNTIL done OR CASE 1 WHEN 1 THEN 0 END END REPEAT;
  FOR i IN 1..3 DO INSERT INTO t VALUES (i); END FOR;
  FOR rec IN (SELECT a FROM t) DO SELECT rec.end; END FOR;
  SELECT t.end, NEW.begin FROM t;
  UPDATE t SET a = CASE WHEN end > 3 THEN end ELSE (CASE 1 WHEN 1 THEN 2 END) END WHERE b = 'END';
END)",
             maria);
  expect_one("BEGIN NOT ATOMIC DECLARE x INT; SET x = 1; END", maria);
  expect_one("IF 1 THEN SELECT 1; SELECT 2; END IF", maria);
  expect_one("WHILE 0 DO SELECT 1; END WHILE", maria);
}

TEST(SplitScript, ComplainsAtTheBeginningOfWhatDoesNotEnd) {
  EXPECT_EQ(complaints_of("SELECT 1;\nSELECT 'abc;", lite), "f.sql:11:8: error: a string does not end\n");
  EXPECT_EQ(complaints_of("SELECT `abc;", maria), "f.sql:10:8: error: a quoted name does not end\n");
  EXPECT_EQ(complaints_of("SELECT \"abc;", maria), "f.sql:10:8: error: a string does not end\n");
  EXPECT_EQ(complaints_of("SELECT [abc;", lite), "f.sql:10:8: error: a quoted name does not end\n");
  EXPECT_EQ(complaints_of("SELECT 1 /* abc;", lite), "f.sql:10:10: error: a comment does not end\n");
  EXPECT_EQ(complaints_of("SELECT 'abc\\", maria), "f.sql:10:8: error: a string does not end\n");
  EXPECT_EQ(complaints_of("SELECT 0;\n CREATE TRIGGER t DELETE ON a BEGIN SELECT 1;", lite),
            "f.sql:11:2: error: a body does not end\n    hint: its END is missing\n");
  EXPECT_EQ(complaints_of("CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END;", maria),
            "f.sql:10:1: error: a body does not end\n    hint: its END is missing\n");
}

TEST(SplitScript, RefusesCommandsOfTheClient) {
  EXPECT_EQ(complaints_of("SELECT 1\\G", maria),
            "f.sql:10:9: error: a backslash command of the client cannot stand here\n"
            "    hint: end the statement with its delimiter\n");
  EXPECT_EQ(complaints_of("DELIMITER\n", maria), "f.sql:10:1: error: DELIMITER names no delimiter\n");
  EXPECT_EQ(complaints_of("DELIMITER \\\\\n", maria), "f.sql:10:1: error: a delimiter cannot hold a backslash\n");
}

}  // namespace
}  // namespace deployer::database
