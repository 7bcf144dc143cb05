#include <gtest/gtest.h>

#include "database/lexer.h"

namespace deployer::database {
namespace {

StatementKind kind_of(std::string_view text, SqlDialect dialect = SqlDialect::mysql) {
  const Script script = split_script(text, dialect);
  EXPECT_EQ(script.statements.size(), 1U) << text;
  return script.statements.empty() ? StatementKind{} : classify(script.statements[0]);
}

std::string words_of(std::string_view text, SqlDialect dialect = SqlDialect::mysql) {
  const StatementKind kind = kind_of(text, dialect);
  return kind.verb + "|" + kind.object + "|" + kind.name;
}

TEST(Classify, NamesVerbObjectAndName) {
  EXPECT_EQ(words_of("create table if not exists `my``books` (id int)"), "CREATE|TABLE|my`books");
  EXPECT_EQ(words_of("CREATE TEMP TABLE main.[a b] (x)", SqlDialect::sqlite), "CREATE|TABLE|main.a b");
  EXPECT_EQ(words_of("CREATE UNIQUE INDEX i ON t (a)"), "CREATE|INDEX|i");
  EXPECT_EQ(words_of("CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`x`@`y` SQL SECURITY DEFINER VIEW v AS SELECT 1"),
            "CREATE|VIEW|v");
  EXPECT_EQ(words_of("DROP TABLE IF EXISTS prod.\"t\"\"1\"", SqlDialect::sqlite), "DROP|TABLE|prod.t\"1");
  EXPECT_EQ(words_of("ALTER TABLE t ADD INDEX (a)"), "ALTER|TABLE|t");
  EXPECT_EQ(words_of("RENAME TABLE a TO b"), "RENAME|TABLE|a");
  EXPECT_EQ(words_of("/*!40000 ALTER TABLE t DISABLE KEYS */"), "ALTER|TABLE|t");
  EXPECT_EQ(words_of("INSERT OR REPLACE INTO t SELECT * FROM u", SqlDialect::sqlite), "INSERT||t");
  EXPECT_EQ(words_of("INSERT IGNORE t VALUES (1)"), "INSERT||t");
  EXPECT_EQ(words_of("UPDATE LOW_PRIORITY IGNORE t SET a = (SELECT b FROM u)"), "UPDATE||t");
  EXPECT_EQ(words_of("DELETE QUICK FROM a.t WHERE 1"), "DELETE||a.t");
  EXPECT_EQ(words_of("TRUNCATE t"), "TRUNCATE||t");
  EXPECT_EQ(words_of("LOAD DATA INFILE 'x' INTO TABLE t"), "LOAD||t");
  EXPECT_EQ(words_of("WITH a AS (SELECT 1), b AS (DELETE FROM x) INSERT INTO t SELECT * FROM a"), "INSERT||t");
  EXPECT_EQ(words_of("PRAGMA journal_mode"), "PRAGMA||");
}

TEST(Classify, TellsWhatAStatementChanges) {
  EXPECT_TRUE(kind_of("CREATE TABLE t (a int)").changes_schema);
  EXPECT_FALSE(kind_of("CREATE TABLE t (a int)").changes_rows);
  EXPECT_TRUE(kind_of("TRUNCATE TABLE t").changes_schema);
  EXPECT_TRUE(kind_of("TRUNCATE TABLE t").changes_rows);
  EXPECT_TRUE(kind_of("WITH a AS (SELECT 1) UPDATE t SET a = 1").changes_rows);
  for (const char* read : {"SELECT 1", "(SELECT 1) UNION (SELECT 2)", "WITH a AS (SELECT 1) SELECT * FROM a",
                           "SHOW TABLES", "EXPLAIN DELETE FROM t", "VALUES (1)"}) {
    EXPECT_TRUE(kind_of(read).is_read) << read;
    EXPECT_FALSE(kind_of(read).changes_rows) << read;
  }
}

TEST(Classify, TellsTransactionControl) {
  for (const char* control : {"BEGIN", "begin immediate", "START TRANSACTION READ ONLY", "COMMIT", "END",
                              "ROLLBACK TO a", "SAVEPOINT a", "RELEASE a", "XA START 'x'"}) {
    EXPECT_TRUE(kind_of(control).transaction_control) << control;
  }
  for (const char* other : {"BEGIN NOT ATOMIC SELECT 1; END", "START SLAVE", "SELECT 1"}) {
    EXPECT_FALSE(kind_of(other).transaction_control) << other;
  }
}

TEST(TokenDigest, CountsTokensAndNothingBetweenThem) {
  const std::string plain = token_digest("CREATE TABLE t (a TEXT DEFAULT 'x y');", SqlDialect::sqlite);
  EXPECT_EQ(plain.size(), 64U);
  EXPECT_EQ(plain, token_digest("\xEF\xBB\xBF-- made by hand\r\nCREATE  TABLE/**/t(a\tTEXT DEFAULT 'x y')\r\n ; \r\n",
                                SqlDialect::sqlite));
  for (const char* other : {"CREATE TABLE t (a TEXT DEFAULT 'x  y');", "CREATE TABLE t (a TEXT DEFAULT 'X y');",
                            "CREATE TABLE \"t\" (a TEXT DEFAULT 'x y');", "CREATE TABLE t (a TEXT DEFAULT 'x' 'y');",
                            "CREATE TABLE ta (TEXT DEFAULT 'x y');"}) {
    EXPECT_NE(plain, token_digest(other, SqlDialect::sqlite)) << other;
  }
  EXPECT_NE(token_digest("SELECT 'a\r\nb'", SqlDialect::mysql), token_digest("SELECT 'a\nb'", SqlDialect::mysql));
  EXPECT_NE(token_digest("/*! SELECT 1 */", SqlDialect::mysql), token_digest("SELECT 1", SqlDialect::mysql));
  EXPECT_EQ(token_digest("", SqlDialect::mysql), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace deployer::database
