#include <gmock/gmock.h>

#include "actions/harness.h"
#include "base/text.h"
#include "database/session.h"

namespace deployer::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sql : public testing::Test {
 protected:
  void SetUp() override {
    harness_.pipeline().database = {{"url", "sqlite:///library.db"}};
    execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT UNIQUE)");
    execute("INSERT INTO books VALUES (1, 'Dune'), (2, 'Emma')");
  }

  std::unique_ptr<database::Session> open(const std::string& file = "library.db") const {
    return database::open(value_or_throw(database::parse_url("sqlite:///" + file)), harness_.project(),
                          database::Access::create, Deadline::never());
  }
  void execute(const std::string& sql) const { open()->execute(sql, Deadline::never()); }
  /// The titles in the order of their ids.
  std::string titles() const {
    std::vector<std::string> found;
    for (const database::Row& row : open()->query("SELECT title FROM books ORDER BY id", Deadline::never()).rows) {
      found.push_back(database::as_text(row.front()));
    }
    return join(found, ", ");
  }
  Step& add(const std::string& with) {
    harness_.clear();
    return harness_.add("sql", with);
  }
  std::string fails() {
    const RunState state = harness_.run();
    EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
    return step_of(state, "sql").error;
  }
  Json outputs() {
    const RunState state = harness_.run();
    EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
    return step_of(state, "sql").outputs;
  }

  RunHarness harness_;
};

TEST_F(Sql, RunsStatementsAndGivesRowsAndTheFirstValueOfTheLastResult) {
  add("statement: [\"UPDATE books SET title = title || '!'\", 'DELETE FROM books WHERE id = 2', "
      "'SELECT COUNT(*), 7 FROM books']");
  EXPECT_EQ(outputs(), (Json{{"rows", 3}, {"value", 1}}));
  EXPECT_EQ(titles(), "Dune!");
}

TEST_F(Sql, AResultWithoutARowIsNullAndNoResultIsNoOutput) {
  add("statement: SELECT title FROM books WHERE id = 9");
  EXPECT_EQ(outputs(), (Json{{"rows", 0}, {"value", nullptr}}));
  add("statement: DELETE FROM books");
  EXPECT_EQ(outputs(), (Json{{"rows", 2}}));
}

TEST_F(Sql, CountsAndGivesWhatReturningReturns) {
  add("statement: UPDATE books SET title = upper(title) RETURNING title");
  EXPECT_EQ(outputs(), (Json{{"rows", 2}, {"value", "DUNE"}}));
}

TEST_F(Sql, BindsParametersOverAllStatements) {
  add(R"yaml({statement: ["INSERT INTO books VALUES (?, ?)", "UPDATE books SET title = ? WHERE id = ?; DELETE FROM books WHERE title = 'Dune'"],
         parameters: [3, "'); DROP TABLE books;--", null, 2]})yaml");
  EXPECT_EQ(outputs(), (Json{{"rows", 3}}));
  EXPECT_EQ(titles(), ", '); DROP TABLE books;--");
}

TEST_F(Sql, TakesAsManyParametersAsThereArePlaces) {
  add("{statement: \"SELECT '?', ? -- ?\", parameters: [1, 2]}");
  EXPECT_EQ(harness_.check(),
            "error: step 'sql': there are 2 parameters for 1 `?`\n"
            "hint: each `?` takes the next parameter, over all statements");
  add("statement: SELECT :title");
  EXPECT_EQ(harness_.check(), "error: step 'sql': line 1: ':title' cannot be bound\nhint: write `?`");
}

TEST_F(Sql, AFailureLeavesNothingOfATransaction) {
  add("statement: [DELETE FROM books WHERE id = 1, \"INSERT INTO books VALUES (5, 'x');\\nINSERT INTO books VALUES (5, "
      "'y')\"]");
  EXPECT_EQ(fails(), "statement 2, line 2: UNIQUE constraint failed: books.id");
  EXPECT_EQ(titles(), "Dune, Emma");
}

TEST_F(Sql, WithoutATransactionWhatCameBeforeTheFailureStays) {
  add("{statement: [DELETE FROM books WHERE id = 1, INSERT INTO books VALUES (2)], transaction: false}");
  EXPECT_THAT(fails(), HasSubstr("statement 2, line 1: table books has 2 columns but 1 values were supplied"));
  EXPECT_EQ(titles(), "Emma");
}

TEST_F(Sql, ReadsAFileAndNamesItsLines) {
  harness_.folder().write("fill.sql", "-- first\nDELETE FROM books WHERE id = 1;\n\nDELETE FROM no_such;\n");
  add("file: fill.sql");
  EXPECT_EQ(fails(), (harness_.project() / "fill.sql").string() + ":4: no such table: no_such");
  EXPECT_EQ(titles(), "Dune, Emma");
  add("file: missing.sql");
  EXPECT_THAT(harness_.check(), HasSubstr("cannot open " + (harness_.project() / "missing.sql").string()));
}

TEST_F(Sql, RefusesWhatWouldEndItsTransaction) {
  const std::string hint = "\nhint: take it out, or say transaction: false";
  for (const char* statement : {"COMMIT", "BEGIN", "ROLLBACK", "SAVEPOINT a", "END"}) {
    add(std::string("statement: [SELECT 1, ' SELECT 2; \n\n\n ") + statement + "']");
    const std::string verb = split(statement, ' ').front();
    EXPECT_EQ(harness_.check(), "error: step 'sql': statement 2, line 3: " + verb +
                                    " would end the transaction that the step makes" + hint);
  }
  add("{statement: [BEGIN, DELETE FROM books, COMMIT], transaction: false}");
  EXPECT_EQ(outputs(), (Json{{"rows", 2}}));
}

TEST_F(Sql, RefusesOnAServerThatCommitsBySchemaChangesWhatWouldDoSo) {
  const std::string url = "url: 'mysql://app:pw-of-app@127.0.0.1:1/books'";
  for (const char* statement : {"ALTER TABLE t ADD c INT", "CREATE TABLE t (a INT)", "TRUNCATE t", "LOCK TABLES t READ",
                                "GRANT SELECT ON t TO u", "SET PASSWORD = 'x'", "ANALYZE TABLE t"}) {
    add("{statement: \"" + std::string(statement) + "\", " + url + "}");
    EXPECT_THAT(harness_.check(), HasSubstr(" ends a transaction on this server")) << statement;
    add("{statement: \"" + std::string(statement) + "\", transaction: false, " + url + "}");
    EXPECT_EQ(harness_.check(), "") << statement;
  }
  for (const char* statement : {"CREATE TEMPORARY TABLE t (a INT)", "SET @a = 1", "SELECT 1", "START SLAVE"}) {
    add("{statement: \"" + std::string(statement) + "\", " + url + "}");
    EXPECT_EQ(harness_.check().empty(), std::string(statement) != "START SLAVE") << statement;
  }
}

TEST_F(Sql, TellsNoPasswordOfAServerThatIsNotThere) {
  add("{statement: SELECT 1, url: 'mysql://app:pw-of-app@127.0.0.1:" + std::to_string(free_port()) + "/books'}");
  EXPECT_THAT(fails(), testing::Not(HasSubstr("pw-of-app")));
}

TEST_F(Sql, RunsOnADatabaseOfItsOwn) {
  open("other.db")->execute("CREATE TABLE films (id INTEGER)", Deadline::never());
  add("{statement: INSERT INTO films VALUES (1), url: 'sqlite:///other.db'}");
  EXPECT_EQ(outputs(), (Json{{"rows", 1}}));
  add("{statement: SELECT 1, url: 'sqlite:///no-such.db'}");
  EXPECT_THAT(fails(), HasSubstr("no-such.db"));
}

TEST_F(Sql, NeedsADatabaseAndEitherStatementOrFile) {
  add("{statement: SELECT 1, file: x.sql}");
  EXPECT_EQ(harness_.check(), "error: step 'sql': either statement or file is needed");
  add("statement: ' -- nothing'");
  EXPECT_EQ(harness_.check(), "error: step 'sql': there is no statement");
  harness_.pipeline().database = Json::object();
  add("statement: SELECT 1");
  EXPECT_EQ(harness_.check(),
            "error: step 'sql': there is no database\nhint: give a url, or `database: {url: …}` in the document");
}

TEST_F(Sql, DoesNotLeadTheRunToAnotherDatabase) {
  add("{statement: \"ATTACH 'x.db' AS x\", transaction: false}");
  EXPECT_EQ(harness_.check(),
            "error: step 'sql': line 1: ATTACH would lead later steps of the run to another database\n"
            "hint: give the step a url of its own");
}

TEST_F(Sql, TakesNoExpressionInItsText) {
  EXPECT_THAT(RunHarness::complaints("sql", "statement: 'SELECT ${{ vars.x }}'"),
              ElementsAre("an expression cannot stand in 'statement': its value would become code"));
  EXPECT_THAT(RunHarness::complaints("sql", "{statement: 'SELECT ?', parameters: {a: 1}, url: 'oracle://x'}"),
              ElementsAre("'parameters': a list is needed", HasSubstr("'url': ")));
  EXPECT_THAT(RunHarness::complaints("sql", "{statement: 'SELECT ?', parameters: [1.5]}"), IsEmpty());
}

TEST_F(Sql, AValueThatIsASecretIsNotKept) {
  harness_.redactor().add("TOKEN", "s3cr3t-t0ken");
  add("{statement: 'SELECT ?', parameters: [s3cr3t-t0ken]}");
  EXPECT_EQ(outputs(), (Json{{"rows", 0}}));
  EXPECT_THAT(harness_.output(), Contains("warning: output 'value' holds a secret and was not kept"));
}

TEST_F(Sql, IsTakenBackByTheStepsRollback) {
  Step& step = add("statement: DELETE FROM books");
  step.rollback = UndoOverride{};
  step.rollback->command.shell_text = "touch undone";
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_TRUE(std::filesystem::exists(harness_.project() / "undone"));
}

TEST_F(Sql, KilledBeforeItsCommitLeavesNothing) {
  add("statement: [DELETE FROM books, SELECT 1]");
  harness_.run_killed_on([](const Event& event) { return event.kind == "effect_intended"; });
  EXPECT_EQ(titles(), "Dune, Emma");
}

}  // namespace
}  // namespace deployer::test
