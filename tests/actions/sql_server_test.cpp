#include <gmock/gmock.h>

#include "actions/harness.h"
#include "base/text.h"
#include "support/mariadb.h"

namespace deployer::test {
namespace {

using testing::HasSubstr;

/// The action `sql` on a server whose schema changes end a transaction.
class SqlOnAServer : public testing::Test {
 protected:
  void SetUp() override {
    harness_.pipeline().database = {{"url", shared_mariadb().new_database(schema())}};
    client(
        "CREATE TABLE books (id INT PRIMARY KEY, title VARCHAR(99), price DECIMAL(9,2)) ENGINE=InnoDB;"
        "INSERT INTO books VALUES (1, 'Dune', 9.50), (2, 'Emma', 7.00)");
  }
  /// One of the test's own.
  static std::string schema() { return testing::UnitTest::GetInstance()->current_test_info()->name(); }
  static std::string client(const std::string& sql) {
    return std::string(trim(shared_mariadb().client(schema(), sql)));
  }
  static std::string titles() { return client("SELECT GROUP_CONCAT(title ORDER BY id) FROM books"); }
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

TEST_F(SqlOnAServer, BindsCountsAndGivesTheValueAsTheServerHasIt) {
  add(R"yaml({statement: ["UPDATE books SET price = price + ? WHERE title = ?", SELECT SUM(price) FROM books], parameters: [1, Dune]})yaml");
  EXPECT_EQ(outputs(), (Json{{"rows", 1}, {"value", "17.50"}}));
}

TEST_F(SqlOnAServer, AFailureLeavesNothingOfATransaction) {
  add("statement: [DELETE FROM books WHERE id = 1, CREATE TEMPORARY TABLE t (a INT), DELETE FROM nothing]");
  EXPECT_THAT(fails(), HasSubstr("statement 3, line 1: "));
  EXPECT_EQ(titles(), "Dune,Emma");
}

TEST_F(SqlOnAServer, ChangesASchemaWithoutATransaction) {
  add("{statement: [ALTER TABLE books ADD pages INT, UPDATE books SET pages = 1], transaction: false}");
  EXPECT_EQ(outputs(), (Json{{"rows", 2}}));
  EXPECT_EQ(client("SELECT SUM(pages) FROM books"), "2");
}

TEST_F(SqlOnAServer, FindsOutThatARoutineHasEndedItsTransaction) {
  client("DELIMITER //\nCREATE PROCEDURE keep() BEGIN DELETE FROM books WHERE id = 2; COMMIT; END//\n");
  add("statement: [UPDATE books SET title = 'x' WHERE id = 1, CALL keep(), DELETE FROM books]");
  EXPECT_EQ(fails(), "statement 2, line 1: the transaction has ended in this statement, so what came before it stays");
  EXPECT_EQ(titles(), "x");
}

}  // namespace
}  // namespace deployer::test
