#include "migrations/revision_file.h"

#include <gtest/gtest.h>

namespace deployer::migrations {
namespace {

Revision parsed(std::string_view text, database::SqlDialect dialect = database::SqlDialect::sqlite) {
  Diagnostics wrong;
  Revision revision = parse_revision(text, "r.sql", dialect, wrong);
  for (const Diagnostic& one : wrong) ADD_FAILURE() << one.text();
  return revision;
}

std::string mistakes_of(std::string_view text, database::SqlDialect dialect = database::SqlDialect::sqlite) {
  Diagnostics wrong;
  parse_revision(text, "r.sql", dialect, wrong);
  std::string all;
  for (const Diagnostic& one : wrong) all += one.text() + "\n";
  return all;
}

/// The mistakes of a statement in line 3, the only one of its file.
std::string mistakes_of_statement(const std::string& statement, const std::string& header = "",
                                  database::SqlDialect dialect = database::SqlDialect::sqlite) {
  return mistakes_of("-- revision: 1\n-- migrate:up\n" + statement + "\n" + header, dialect);
}

TEST(RevisionFile, ReadsHeaderDescriptionAndSections) {
  const Revision revision = parsed(
      "\xEF\xBB\xBF-- revision: 9a385a344ba4\r\n--revises:decb1406ac43, 0b1c\r\n-- created: 2026-11-23T10:00:00Z\r\n"
      "-- branch-labels: billing\r\n-- depends-on: 1f0c2d3e4a5b\r\n-- transaction: auto\r\n-- phase: expand\r\n"
      "-- Fix: add user preferences\r\n-- more about it\r\n\r\n"
      "-- migrate:up\r\nCREATE TABLE a (x);\r\nINSERT INTO a VALUES ('a\r\nb');\r\n"
      "-- migrate:down\r\nDROP TABLE a;");
  EXPECT_EQ(revision.id, "9a385a344ba4");
  EXPECT_EQ(revision.down_revisions, (std::vector<std::string>{"decb1406ac43", "0b1c"}));
  EXPECT_EQ(revision.depends_on, std::vector<std::string>{"1f0c2d3e4a5b"});
  EXPECT_EQ(revision.branch_labels, std::vector<std::string>{"billing"});
  EXPECT_EQ(revision.created, "2026-11-23T10:00:00Z");
  EXPECT_EQ(revision.description, "Fix: add user preferences");
  EXPECT_TRUE(revision.in_transaction);
  EXPECT_EQ(revision.up->text, "CREATE TABLE a (x);\r\nINSERT INTO a VALUES ('a\r\nb');\r\n");
  EXPECT_EQ(revision.up->first_line, 12);
  EXPECT_EQ(revision.down->text, "DROP TABLE a;");
  EXPECT_EQ(revision.down->first_line, 16);
  EXPECT_EQ(revision.header_lines.at("revises"), 2);
  EXPECT_EQ(revision.checksum_down, database::token_digest("DROP TABLE a;", database::SqlDialect::sqlite));
}

TEST(RevisionFile, TellsAnIrreversibleRevisionFromOneWithNothingToUndo) {
  EXPECT_FALSE(parsed("-- revision: 1\n-- migrate:up\nCREATE TABLE a (x);").down);
  const Revision nothing = parsed("-- revision: 1\n-- migrate:up\n-- migrate:down\n");
  EXPECT_EQ(nothing.up->text, "");
  EXPECT_EQ(nothing.down->text, "");
  EXPECT_TRUE(parsed("-- revision: 1\n-- migrate:down\nSELECT 1;\n-- migrate:up\nSELECT 2;").down);
}

TEST(RevisionFile, TakesMarkersInStringsAndBodiesForWhatTheyAre) {
  const Revision revision = parsed(
      "-- revision: 1\n-- migrate:up\nINSERT INTO a VALUES ('\n-- migrate:down\n');\n/*\n-- migrate:down\n*/\n"
      "CREATE TABLE b (x); -- migrate:down\n  -- migrate:down\nDROP TABLE b;\n");
  EXPECT_EQ(revision.down->text, "DROP TABLE b;\n");
  EXPECT_EQ(statements_of(*revision.up, "r.sql", database::SqlDialect::sqlite).statements.size(), 2U);
  EXPECT_EQ(statements_of(*revision.down, "r.sql", database::SqlDialect::sqlite).statements[0].at,
            (Location{"r.sql", 11, 1}));
}

TEST(RevisionFile, IsReadWithTheLanguageOfItsDatabase) {
  const Revision revision = parsed(
      "-- revision: 1\n-- migrate:up\nDELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 'it\\'s;'; # x\nEND$$\n"
      "DELIMITER ;\n# a comment\n-- migrate:down\nDROP PROCEDURE p;\n",
      database::SqlDialect::mysql);
  EXPECT_EQ(statements_of(*revision.up, "r.sql", database::SqlDialect::mysql).statements.size(), 1U);
  EXPECT_EQ(revision.down->text, "DROP PROCEDURE p;\n");
}

TEST(RevisionFile, HasChecksumsThatCommentsAndBlanksDoNotChange) {
  const Revision a = parsed("-- revision: 1\n-- migrate:up\nCREATE TABLE a (x);\n-- migrate:down\nDROP TABLE a;");
  const Revision b = parsed(
      "-- revision: 1\r\n-- new words\r\n-- migrate:up\r\n\tCREATE TABLE a(x) ; -- why\r\n"
      "-- migrate:down\r\nDROP  TABLE a;\r\n");
  EXPECT_EQ(a.checksum_up, b.checksum_up);
  EXPECT_EQ(a.checksum_down, b.checksum_down);
  EXPECT_NE(a.checksum_up, parsed("-- revision: 1\n-- migrate:up\nCREATE TABLE a (y);").checksum_up);
}

TEST(RevisionFile, MustHaveAnIdAndAnUpSection) {
  EXPECT_EQ(mistakes_of("CREATE TABLE a (x);\nDROP TABLE a;\n"),
            "r.sql:1:1: error: something stands before '-- migrate:up'\n    hint: statements belong behind that line\n"
            "r.sql:1:1: error: the header has no revision\n    hint: its first line is written -- revision: ID\n"
            "r.sql:1:1: error: the section '-- migrate:up' is missing\n");
  EXPECT_EQ(mistakes_of(""),
            "r.sql:1:1: error: the header has no revision\n    hint: its first line is written -- revision: ID\n"
            "r.sql:1:1: error: the section '-- migrate:up' is missing\n");
}

TEST(RevisionFile, SaysWhatIsWrongInItsHeader) {
  EXPECT_EQ(mistakes_of("-- revision: a b\n-- revises: c, ,head\n-- revision: d\n-- transaction: off\n-- phase: later\n"
                        "-- depends-on: e, e\n-- migrate:up\n-- migrate:up\n"),
            "r.sql:1:1: error: 'a b' is no id of a revision\n"
            "    hint: letters, digits, _ and - (not first), and not head, heads, base or current\n"
            "r.sql:2:1: error: '' is no id of a revision\n"
            "    hint: letters, digits, _ and - (not first), and not head, heads, base or current\n"
            "r.sql:2:1: error: 'head' is no id of a revision\n"
            "    hint: letters, digits, _ and - (not first), and not head, heads, base or current\n"
            "r.sql:3:1: error: 'revision' stands twice in the header\n"
            "r.sql:4:1: error: transaction must be auto or none, not 'off'\n"
            "r.sql:5:1: error: phase must be expand or contract, not 'later'\n"
            "r.sql:6:1: error: 'e' stands twice\n"
            "r.sql:8:1: error: the section '-- migrate:up' stands twice\n");
  EXPECT_EQ(mistakes_of("-- revision: 1\n-- phase: contract\n-- migrate:up\n"),
            "r.sql:2:1: error: 'phase: contract' is not in this version\n"
            "    hint: leave it out, and upgrade after the deployment\n");
}

TEST(RevisionFile, AsksWhatWasMeantWhereAKeyIsMisspelt) {
  EXPECT_EQ(
      mistakes_of("-- revision: 1\n-- Revises: 9a38\n-- depends_on: 9a38\n-- branch-label: x\n-- transactions: none\n"
                  "-- migrate:up\n"),
      "r.sql:2:1: error: 'Revises' is no key of the header\n    hint: did you mean 'revises'?\n"
      "r.sql:3:1: error: 'depends_on' is no key of the header\n    hint: did you mean 'depends-on'?\n"
      "r.sql:4:1: error: 'branch-label' is no key of the header\n    hint: did you mean 'branch-labels'?\n"
      "r.sql:5:1: error: 'transactions' is no key of the header\n    hint: did you mean 'transaction'?\n");
  for (const char* description :
       {"Fix: x", "Create: the users table", "create: users", "Note: 9a38", "Phases: of the moon",
        "Transactions: faster", "migrate up: the tables", "Goose: down and feathers"}) {
    EXPECT_EQ(parsed(std::string("-- revision: 1\n-- ") + description + "\n-- migrate:up\n").description, description);
  }
}

TEST(RevisionFile, RefusesWhatOnlyLooksLikeASection) {
  for (const char* marker : {"--migrate:down", "-- Migrate:Down", "-- migrate: down", "--  migrate:down",
                             "-- migrate:down transaction:false", "-- +goose Down", "-- +migrate Down"}) {
    EXPECT_EQ(mistakes_of(std::string("-- revision: 1\n-- migrate:up\nSELECT 1;\n") + marker + "\nSELECT 2;\n"),
              std::string("r.sql:4:1: error: '") + marker + "' begins no section\n" +
                  "    hint: sections are written -- migrate:up and -- migrate:down\n");
  }
  EXPECT_EQ(mistakes_of("-- revision: 1\n-- +goose Up\nSELECT 1;\n"),
            "r.sql:2:1: error: '-- +goose Up' begins no section\n"
            "    hint: sections are written -- migrate:up and -- migrate:down\n");
}

TEST(RevisionFile, MustBeText) {
  EXPECT_EQ(mistakes_of("-- revision: 1\n-- \xE9t\xE9\n"), "r.sql:2:4: error: the file is not UTF-8\n");
  EXPECT_EQ(mistakes_of(std::string("-- revision: 1\n-- migrate:up\nSELECT '\0';", 39)),
            "r.sql:3:9: error: the file holds a NUL byte\n");
}

TEST(RevisionFile, TellsWhereItsSqlCannotBeCut) {
  EXPECT_EQ(mistakes_of_statement("SELECT 1;\n  SELECT 'it"), "r.sql:4:10: error: a string does not end\n");
  EXPECT_EQ(mistakes_of_statement("SELECT 1\\G", "", database::SqlDialect::mysql),
            "r.sql:3:9: error: a backslash command of the client cannot stand here\n"
            "    hint: end the statement with its delimiter\n");
}

TEST(RevisionFile, RefusesStatementsThatWouldEndItsTransaction) {
  const std::string remedy =
      " cannot stand in a migration\n    hint: a revision is one transaction already; take it out\n";
  EXPECT_EQ(mistakes_of_statement("begin;"), "r.sql:3:1: error: BEGIN" + remedy);
  EXPECT_EQ(mistakes_of_statement("SELECT 1; COMMIT;"), "r.sql:3:11: error: COMMIT" + remedy);
  EXPECT_EQ(mistakes_of_statement("END TRANSACTION;"), "r.sql:3:1: error: END" + remedy);
  EXPECT_EQ(mistakes_of_statement("/* x */ ROLLBACK;"), "r.sql:3:9: error: ROLLBACK" + remedy);
  EXPECT_EQ(mistakes_of_statement("SAVEPOINT a;"), "r.sql:3:1: error: SAVEPOINT" + remedy);
  EXPECT_EQ(mistakes_of_statement("RELEASE a;"), "r.sql:3:1: error: RELEASE" + remedy);
  EXPECT_EQ(mistakes_of_statement("", "-- migrate:down\nCOMMIT;\n"), "r.sql:5:1: error: COMMIT" + remedy);
  EXPECT_EQ(mistakes_of_statement("START TRANSACTION;", "", database::SqlDialect::mysql),
            "r.sql:3:1: error: START transaction" + remedy);
  EXPECT_EQ(mistakes_of_statement("SET @@session.autocommit = 0;", "", database::SqlDialect::mysql),
            "r.sql:3:1: error: SET autocommit" + remedy);
}

TEST(RevisionFile, RefusesStatementsThatLeaveTheDatabaseOrItsSafety) {
  for (const char* statement : {"ATTACH 'x.db' AS x;", "DETACH x;", "PRAGMA journal_mode = WAL;",
                                "PRAGMA main.Synchronous=OFF;", "PRAGMA \"writable_schema\" = 1;", "VACUUM;"}) {
    EXPECT_NE(mistakes_of_statement(statement), "") << statement;
  }
  EXPECT_EQ(mistakes_of_statement("VACUUM;"),
            "r.sql:3:1: error: VACUUM cannot stand in a migration\n"
            "    hint: it cannot run in a transaction: give it a revision of its own with -- transaction: none\n");
  for (const char* statement :
       {"LOCK TABLES a WRITE;", "UNLOCK TABLES;", "FLUSH TABLES WITH READ LOCK;", "SELECT GET_LOCK('a', 1);", "KILL 5;",
        "SET sql_log_bin = 0;", "SET SESSION wsrep_on = OFF;", "XA START 'a';"}) {
    EXPECT_NE(mistakes_of_statement(statement, "", database::SqlDialect::mysql), "") << statement;
  }
  for (const char* statement : {"PRAGMA foreign_keys = OFF;", "PRAGMA user_version = 3;",
                                "CREATE TRIGGER t DELETE ON a BEGIN SELECT 1; END;", "SELECT 'COMMIT';"}) {
    EXPECT_EQ(mistakes_of_statement(statement), "") << statement;
  }
  for (const char* statement : {"BEGIN NOT ATOMIC SELECT 1; END;", "SET @autocommit = 1;", "FLUSH TABLES;"}) {
    EXPECT_EQ(mistakes_of_statement(statement, "", database::SqlDialect::mysql), "") << statement;
  }
}

TEST(RevisionFile, AllowsOneStatementWithoutTransaction) {
  const std::string header = "-- revision: 1\n-- transaction: none\n-- migrate:up\n";
  EXPECT_EQ(mistakes_of(header + "VACUUM;\n-- migrate:down\n"), "");
  EXPECT_EQ(mistakes_of(header + "VACUUM;\nCREATE TABLE a (x);\n"),
            "r.sql:5:1: error: 'transaction: none' allows one statement in a section\n"
            "    hint: make a revision of each: one that fails half-way could not be taken back\n");
  EXPECT_EQ(mistakes_of(header), "r.sql:3:1: error: 'transaction: none' is for one statement, and there is none\n");
  EXPECT_EQ(mistakes_of(header + "PRAGMA foreign_keys = ON;\n"),
            "r.sql:4:1: error: PRAGMA foreign_keys cannot stand in a migration\n"
            "    hint: later revisions would run with it; deployer checks foreign keys itself\n");
}

}  // namespace
}  // namespace deployer::migrations
