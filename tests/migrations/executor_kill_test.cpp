// A runner that is killed leaves of a revision all or nothing, and a whole database.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "database/dialect.h"
#include "project.h"

namespace deployer::migrations {
namespace {

constexpr const char* long_up =
    "CREATE TABLE b (i INTEGER PRIMARY KEY, t TEXT);\n"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) INSERT INTO b SELECT i, 'text' FROM "
    "n;\n"
    "UPDATE a SET x = x + 1;\n"
    "ALTER TABLE a ADD COLUMN y;\n"
    "CREATE INDEX b_t ON b (t);";

class KilledExecutor : public ::testing::Test {
 protected:
  KilledExecutor() {
    project_.revision("a1", "", {"CREATE TABLE a (x);\nINSERT INTO a VALUES (1), (2);", "DROP TABLE a;"});
    project_.revision("b1", "a1", {long_up, "DROP TABLE b;\nALTER TABLE a DROP COLUMN y;\nUPDATE a SET x = x - 1;"});
    const auto session = project_.session();
    project_.upgrade(*session, "a1");
  }

  /// Another process that applies b1; `at` is told before each statement.
  pid_t start(const std::function<void(std::size_t)>& at) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    try {
      ExecutorOptions options = project_.options;
      options.on_statement = [&](std::size_t number, std::size_t, std::string_view) { at(number); };
      const auto session = project_.session();
      Executor(*session, project_.history, options).apply(*project_.graph().find("b1"), {"a1"}, Deadline::never());
    } catch (...) {
      _exit(2);
    }
    _exit(0);
  }

  /// All of b1 or nothing of it, and the file is whole.
  bool expect_all_or_nothing() {
    const auto session = project_.session();
    const bool applied = project_.history.read(*session, Deadline::never()).count("b1") > 0;
    EXPECT_EQ(first_value(*session, "PRAGMA integrity_check"), "ok");
    EXPECT_EQ(session->dialect().has_table(*session, "b", Deadline::never()), applied);
    EXPECT_EQ(first_value(*session, "SELECT SUM(x) FROM a"), applied ? "5" : "3");
    EXPECT_EQ(first_value(*session, "SELECT COUNT(*) FROM pragma_table_info('a')"), applied ? "2" : "1");
    if (applied) {
      EXPECT_EQ(first_value(*session, "SELECT COUNT(*) FROM b"), "5000");
      const auto rows = project_.history.read(*session, Deadline::never());
      Executor(*session, project_.history, project_.options).revert(rows.at("b1"), {"a1", "b1"}, Deadline::never());
    }
    return applied;
  }

  Project project_;
};

TEST_F(KilledExecutor, BeforeAnyStatementLeavesNothing) {
  for (std::size_t victim = 1; victim <= 5; ++victim) {
    const pid_t pid = start([&](std::size_t number) {
      if (number == victim) kill(getpid(), SIGKILL);
    });
    int status = 0;
    waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_FALSE(expect_all_or_nothing()) << "statement " << victim;
  }
}

TEST_F(KilledExecutor, AtAnyInstantLeavesAllOrNothing) {
  for (int i = 0; i < 8; ++i) {
    const pid_t pid = start([](std::size_t) {});
    std::this_thread::sleep_for(std::chrono::microseconds(i * 3500));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    expect_all_or_nothing();
  }
}

}  // namespace
}  // namespace deployer::migrations
