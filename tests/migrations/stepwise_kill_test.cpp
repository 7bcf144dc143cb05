// A runner that is killed while it migrates a server: where a revision stands is judged right, whatever was in hand.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "database/dialect.h"
#include "database/server.h"
#include "migrations/unit.h"
#include "server_project.h"
#include "support/mariadb.h"

namespace deployer::migrations {
namespace {

constexpr const char* before_sql =
    "CREATE TABLE p (id INT NOT NULL, v INT, PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN "
    "(100), PARTITION p1 VALUES LESS THAN MAXVALUE);"
    "CREATE TABLE swap (id INT NOT NULL, v INT, PRIMARY KEY (id));"
    "CREATE TABLE one (id INT PRIMARY KEY, f FLOAT); CREATE TABLE two (id INT PRIMARY KEY, f FLOAT);"
    "CREATE TABLE full_one (id INT PRIMARY KEY); CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM;"
    "CREATE TABLE parent (id INT PRIMARY KEY); CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY "
    "(parent) REFERENCES parent (id) ON DELETE CASCADE);"
    "CREATE TABLE log (n INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20));"
    "CREATE TRIGGER child_gone AFTER DELETE ON parent FOR EACH ROW INSERT INTO log (what) VALUES ('gone');"
    "CREATE TABLE d1 (id INT); CREATE TABLE d2 (id INT); CREATE TABLE d3 (id INT);"
    "INSERT INTO p VALUES (1, 1), (200, 2); INSERT INTO swap VALUES (5, 5);"
    "INSERT INTO one VALUES (1, 0.1); INSERT INTO two VALUES (2, 3.3333333);"
    "INSERT INTO full_one VALUES (1), (2); INSERT INTO m VALUES (1);"
    "INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2);";

constexpr const char* up_sql =
    "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE swap;\n"
    "RENAME TABLE one TO tmp, two TO one, tmp TO two;\n"
    "TRUNCATE TABLE full_one;\n"
    "CREATE OR REPLACE TABLE full_one (id INT PRIMARY KEY, y INT);\n"
    "INSERT INTO full_one VALUES (7, 7);\nDELETE FROM parent WHERE id = 1;\n"
    "DROP TABLE d1, d2, d3;\n"
    "ALTER TABLE p PARTITION BY HASH (id) PARTITIONS 3;\n"
    "ALTER TABLE m ADD y INT;\n"
    "UPDATE one SET f = f * 3;\n"
    "ALTER TABLE two ADD UNIQUE KEY f (f);\n"
    "CREATE VIEW v AS SELECT * FROM one;\n"
    "CREATE TRIGGER new_one BEFORE INSERT ON one FOR EACH ROW SET NEW.f = 1;\n"
    "CREATE PROCEDURE proc() SELECT 1;\n"
    "DROP PROCEDURE proc;";

class KilledStepwise : public ::testing::Test {
 protected:
  KilledStepwise() {
    project_.revision("a1", "", {up_sql, "", false});
    test::shared_mariadb();  // here, and not in a child
  }

  std::string prepared_schema() const {
    const std::string url = ServerProject::new_schema();
    run_script(*ServerProject::connect(url), before_sql);
    return url;
  }

  /// The schema and rows after each unit, on a schema of its own.
  std::vector<ServerPicture> all_pictures() {
    const std::string url = prepared_schema();
    const auto session = ServerProject::connect(url);
    const Graph graph = project_.server_graph();
    const Revision& revision = *graph.find("a1");
    std::vector<ServerPicture> pictures = {ServerProject::picture(*session)};
    const database::Script script = statements_of(*revision.up, revision.file, database::SqlDialect::mysql);
    for (const Unit& unit : units_of(script, {})) {
      for (const std::string& sql : unit.statements) session->execute(sql, Deadline::never());
      pictures.push_back(ServerProject::picture(*session));
    }
    return pictures;
  }

  /// Another process that applies a1, which calls `at` at each point.
  pid_t start(const std::string& url, const std::function<void(int)>& at) const {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    try {
      ExecutorOptions options = project_.options;
      int point = 0;
      options.fault = [&](const std::string&) { at(++point); };
      const Graph graph = project_.server_graph();
      const auto session = ServerProject::connect(url);
      Executor(*session, project_.history, options).apply(*graph.find("a1"), {}, Deadline::never());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the killed process: %s\n", error.what());
      _exit(2);
    }
    _exit(0);
  }

  /// After a death: waits until the server has ended what it was doing, judges, and compares with what is there.
  void expect_right_judgement(const std::string& url, const std::vector<ServerPicture>& pictures,
                              const std::string& where) const {
    const auto session = ServerProject::connect(url);
    const Standing standing = project_.settle(*session, "a1");
    ASSERT_TRUE(standing.text.empty()) << where << ": " << standing.text;
    std::size_t done = standing.done;
    if (standing.state == Standing::State::absent) done = 0;
    if (standing.state == Standing::State::applied) done = pictures.size() - 1;
    EXPECT_EQ(ServerProject::picture(*session), pictures.at(done)) << where << ", judged as " << done;
  }

  ServerProject project_;
};

TEST_F(KilledStepwise, AtEachPointIsJudgedRight) {
  const std::vector<ServerPicture> pictures = all_pictures();
  const bool all = std::getenv("DEPLOYER_CRASH_ALL") != nullptr;
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  int tried = 0;
  for (int victim = 1;; victim += all ? 1 : std::uniform_int_distribution<int>(1, 6)(random)) {
    const std::string url = prepared_schema();
    const pid_t pid = start(url, [&](int point) {
      if (point == victim) kill(getpid(), SIGKILL);
    });
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    expect_right_judgement(url, pictures, "point " + std::to_string(victim));
    ++tried;
  }
  std::printf("killed at %d points of the executor\n", tried);
  EXPECT_GT(tried, 3);
}

TEST_F(KilledStepwise, InsideStatementsIsJudgedRight) {
  const std::vector<ServerPicture> pictures = all_pictures();
  const int trials = std::getenv("DEPLOYER_CRASH_ALL") != nullptr ? 60 : 5;
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()) + 1);
  for (int trial = 0; trial < trials; ++trial) {
    const std::string url = prepared_schema();
    const pid_t pid = start(url, [](int) {});
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(5000, 350000)(random)));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    expect_right_judgement(url, pictures, "trial " + std::to_string(trial));
  }
}

}  // namespace
}  // namespace deployer::migrations
