// A private server that can be thrown away, on a real MariaDB: what is in it is the target's alike, and nothing that
// happens in it reaches anything else.
#include "database/sandbox.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "database/dialect.h"
#include "database/server.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"
#include "system/files.h"
#include "system/machine.h"
#include "system/process.h"

namespace deployer::database {
namespace {

namespace fs = std::filesystem;

const Deadline sandbox_patience = Deadline::after(std::chrono::minutes(5));

std::string usual_path() { return std::getenv("PATH"); }

/// A project's scratch folder; the templates are shared by all tests of the machine, as they are by all runs.
class SandboxTest : public ::testing::Test {
 protected:
  static fs::path scratch() {
    return fs::temp_directory_path() / ("deployer-test-sandboxes-" + std::to_string(geteuid())) /
           (::testing::UnitTest::GetInstance()->current_test_info()->name() + ("-" + std::to_string(getpid())));
  }

  ~SandboxTest() override {
    std::error_code ignored;
    fs::remove_all(scratch(), ignored);
  }

  static std::unique_ptr<Session> target(const std::string& url) {
    return open(*parse_url(url), "/", Access::existing, sandbox_patience);
  }

  std::unique_ptr<Sandbox> start(Session& like) { return Sandbox::start(like, scratch(), machine_, sandbox_patience); }

  static std::string value(Session& session, const std::string& sql) {
    return as_text(session.query(sql, sandbox_patience).rows.at(0).at(0));
  }

  /// The processes of the sandbox that a session leads into.
  static std::vector<ProcessRecord> processes_of(Session& inside) {
    const fs::path home = home_of(inside);
    return find_by_environment("DEPLOYER_SANDBOX", home.string());
  }
  static fs::path home_of(Session& inside) { return fs::path(inside.url().socket).parent_path().parent_path(); }

  static bool become_true(const std::function<bool()>& condition) {
    const Deadline patience = Deadline::after(std::chrono::seconds(20));
    while (!condition()) {
      if (!patience.sleep(std::chrono::milliseconds(10))) return false;
    }
    return true;
  }

  Files files_;
  Processes processes_;
  Machine machine_{files_, processes_, usual_path()};
};

TEST_F(SandboxTest, HasAnEmptySchemaOfTheTargetsNameAndIsGoneAtItsEnd) {
  const auto like = target(test::shared_mariadb().new_database("sandboxed"));
  like->execute("CREATE TABLE books (id INT)", sandbox_patience);
  auto sandbox = start(*like);
  auto inside = sandbox->open(sandbox_patience);
  EXPECT_EQ(value(*inside, "SELECT DATABASE()"), "sandboxed");
  EXPECT_EQ(value(*inside, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'sandboxed'"), "0");
  EXPECT_EQ(inside->dialect().server()->lock_holder(*inside, sandbox_patience), inside->server().connection_id);
  const fs::path home = home_of(*inside);
  EXPECT_GE(processes_of(*inside).size(), 2U);
  inside.reset();
  sandbox.reset();
  EXPECT_FALSE(fs::exists(home));
  EXPECT_TRUE(find_by_environment("DEPLOYER_SANDBOX", home.string()).empty());
  EXPECT_EQ(value(*like, "SELECT COUNT(*) FROM books"), "0") << "the target is untouched";
}

TEST_F(SandboxTest, IsEmptyAgainAfterAReset) {
  const auto like = target(test::shared_mariadb().new_database("reset_often"));
  const auto sandbox = start(*like);
  sandbox->open(sandbox_patience)->execute("CREATE TABLE books (id INT)", sandbox_patience);
  sandbox->reset(sandbox_patience);
  const auto inside = sandbox->open(sandbox_patience);
  inside->execute("CREATE TABLE books (title TEXT)", sandbox_patience);
  sandbox->reset(sandbox_patience);
  inside->execute("USE reset_often", sandbox_patience);
  EXPECT_EQ(inside->query("SHOW TABLES", sandbox_patience).rows.size(), 0U);
}

TEST_F(SandboxTest, TakesOverWhatDecidesHowStatementsAreRead) {
  test::MariaDb server(test::MariaDb::Options{
      false,
      "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES --character-set-server=latin2 --lower-case-table-names=1 "
      "--default-time-zone=-03:30 --explicit-defaults-for-timestamp=0 --innodb-strict-mode=0 --max-allowed-packet=2M "
      "--auto-increment-increment=7 --log-bin --event-scheduler=ON"});
  const std::string url = server.new_database("odd");
  server.client("", "ALTER DATABASE odd CHARACTER SET utf8mb4 COLLATE utf8mb4_czech_ci");
  const auto like = target(url);
  const auto sandbox = start(*like);
  const auto inside = sandbox->open(sandbox_patience);
  for (const char* same : {"@@global.sql_mode", "@@character_set_server", "@@lower_case_table_names",
                           "@@global.time_zone", "@@explicit_defaults_for_timestamp", "@@innodb_strict_mode",
                           "@@max_allowed_packet", "@@auto_increment_increment", "@@collation_server",
                           "@@collation_database", "TIMEDIFF(NOW(), UTC_TIMESTAMP())"}) {
    const std::string sql = std::string("SELECT ") + same;
    EXPECT_EQ(value(*inside, sql), value(*like, sql)) << same;
  }
  EXPECT_EQ(value(*inside, "SELECT CONCAT_WS(' ', @@log_bin + 0, @@event_scheduler, @@local_infile + 0)"), "0 OFF 0");
}

TEST_F(SandboxTest, KnowsTimeZonesByNameWhereTheTargetDoes) {
  test::MariaDb server;
  const std::string url = server.new_database("zones");
  for (const std::string zone : {"UTC", "Europe/London", "Europe/Berlin"}) {
    const std::string load = "mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo/" + zone + " " + zone +
                             " 2>/dev/null | mariadb --no-defaults -uroot -S " + server.socket() + " mysql";
    ASSERT_EQ(std::system(load.c_str()), 0);
  }
  server.client("", "SET GLOBAL time_zone = 'Europe/Berlin'");
  const auto like = target(url);
  const auto sandbox = start(*like);
  const auto inside = sandbox->open(sandbox_patience);
  EXPECT_EQ(value(*inside, "SELECT @@global.time_zone"), "Europe/Berlin");
  EXPECT_EQ(value(*inside, "SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')"), "2026-07-01 14:00:00");
}

TEST_F(SandboxTest, HasTheAccountsInWhoseNameRoutinesAndTriggersRun) {
  test::MariaDb& server = test::shared_mariadb();
  const auto like = target(server.new_database("defined"));
  server.client("defined",
                "CREATE USER IF NOT EXISTS 'o''brien'@'%'; CREATE TABLE t (i INT); CREATE DEFINER = 'o''brien'@'%' "
                "TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.i = NEW.i + 1");
  const auto sandbox = start(*like);
  const auto inside = sandbox->open(sandbox_patience);
  inside->execute("CREATE TABLE t (i INT)", sandbox_patience);
  inside->execute("CREATE DEFINER = 'o''brien'@'%' TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.i = NEW.i + 1",
                  sandbox_patience);
  inside->execute("INSERT INTO t VALUES (1)", sandbox_patience);
  EXPECT_EQ(value(*inside, "SELECT i FROM t"), "2");
}

TEST_F(SandboxTest, HasNoWayOut) {
  const auto like = target(test::shared_mariadb().new_database("hostile"));
  const auto sandbox = start(*like);
  const auto inside = sandbox->open(sandbox_patience);
  const test::Folder outside;
  fs::permissions(outside.path(), fs::perms::all);
  const std::string folder = outside.path().string();
  const std::vector<std::string> refused = {"SELECT 1 INTO OUTFILE '" + folder + "/out'",
                                            "INSTALL SONAME 'ha_federatedx'",
                                            "CREATE FUNCTION f RETURNS INT SONAME 'lib.so'",
                                            "SET GLOBAL secure_file_priv = ''", "SET GLOBAL skip_networking = 0"};
  for (const std::string& sql : refused) {
    EXPECT_THROW(inside->execute(sql, sandbox_patience), SqlError) << sql;
  }
  inside->execute("CREATE TABLE t (i INT) DATA DIRECTORY = '" + folder + "'", sandbox_patience);
  inside->execute("CREATE TABLE m (i INT) ENGINE = MyISAM DATA DIRECTORY = '" + folder + "'", sandbox_patience);
  EXPECT_TRUE(fs::is_empty(outside.path()));
  EXPECT_EQ(value(*inside, "SELECT LOAD_FILE('/etc/passwd') IS NULL"), "1");
  // What the server may do on this machine is what a user may who owns nothing here.
  if (geteuid() == 0) {
    const test::Folder private_folder;
    EXPECT_THROW(inside->execute("SET GLOBAL general_log_file = '" + private_folder.path().string() + "/x.ibd'",
                                 sandbox_patience),
                 SqlError);
  }
}

TEST_F(SandboxTest, CanBeEnteredByNobodyElse) {
  const auto like = target(test::shared_mariadb().new_database("entered"));
  const auto sandbox = start(*like);
  const auto inside = sandbox->open(sandbox_patience);
  const std::string socket = inside->url().socket;
  EXPECT_EQ(fs::status(fs::path(socket).parent_path()).permissions(), fs::perms::owner_all);
  for (const char* user : {"mysql", "deployer-sandbox", "nobody"}) {
    Url url;
    url.engine = Engine::mariadb;
    url.socket = socket;
    url.user = user;
    EXPECT_THROW(open(url, "/", Access::existing, sandbox_patience), SqlError) << user;
  }
}

TEST_F(SandboxTest, EndsWithARunnerThatIsKilled) {
  const std::string url = test::shared_mariadb().new_database("orphaned");
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t runner = fork();
  if (runner == 0) {
    Files files;
    Processes processes;
    const auto like = target(url);
    const auto sandbox = Sandbox::start(*like, scratch(), {files, processes, usual_path()}, sandbox_patience);
    const auto inside = sandbox->open(sandbox_patience);
    const std::string home = home_of(*inside).string() + "\n";
    if (write(report[1], home.data(), home.size()) < 0) _exit(1);
    inside->execute("DO SLEEP(100)", sandbox_patience);
    _exit(0);
  }
  close(report[1]);
  std::string home;
  char c = 0;
  while (read(report[0], &c, 1) == 1 && c != '\n') home += c;
  close(report[0]);
  ASSERT_TRUE(fs::exists(home));
  EXPECT_GE(find_by_environment("DEPLOYER_SANDBOX", home).size(), 2U);
  kill(runner, SIGKILL);
  waitpid(runner, nullptr, 0);
  EXPECT_TRUE(become_true([&] { return !fs::exists(home); })) << home;
  EXPECT_TRUE(become_true([&] { return find_by_environment("DEPLOYER_SANDBOX", home).empty(); }));
}

TEST_F(SandboxTest, EndsWithItsSupervisorAndWhatIsLeftIsSweptByTheNext) {
  const std::string url = test::shared_mariadb().new_database("swept");
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t runner = fork();
  if (runner == 0) {
    Files files;
    Processes processes;
    const auto like = target(url);
    const auto sandbox = Sandbox::start(*like, scratch(), {files, processes, usual_path()}, sandbox_patience);
    const std::string home = home_of(*sandbox->open(sandbox_patience)).string();
    for (const ProcessRecord& record : find_by_environment("DEPLOYER_SANDBOX", home)) {
      std::ifstream command("/proc/" + std::to_string(record.pid) + "/comm");
      std::string name;
      command >> name;
      if (name == "sh" || name == "dash" || name == "bash") kill(record.pid, SIGKILL);
    }
    if (write(report[1], (home + "\n").data(), home.size() + 1) < 0) _exit(1);
    kill(getpid(), SIGKILL);
  }
  close(report[1]);
  std::string home;
  char c = 0;
  while (read(report[0], &c, 1) == 1 && c != '\n') home += c;
  close(report[0]);
  waitpid(runner, nullptr, 0);
  EXPECT_TRUE(become_true([&] { return find_by_environment("DEPLOYER_SANDBOX", home).empty(); }));
  EXPECT_TRUE(fs::exists(home));
  const auto like = target(url);
  start(*like);
  EXPECT_FALSE(fs::exists(home));
}

TEST_F(SandboxTest, LeavesTheSandboxOfALivingRunnerAlone) {
  const auto like = target(test::shared_mariadb().new_database("two_at_once"));
  const auto first = start(*like);
  const auto second = start(*like);
  EXPECT_EQ(value(*first->open(sandbox_patience), "SELECT 1"), "1");
  EXPECT_EQ(value(*second->open(sandbox_patience), "SELECT 1"), "1");
}

TEST_F(SandboxTest, PreparesItsDataFolderOnceAlsoWhenTwoAskAtOnce) {
  const auto like = target(test::shared_mariadb().new_database("prepared"));
  const auto like_too =
      target(like->url().socket.empty() ? "" : "mariadb://root@localhost/prepared?socket=" + like->url().socket);
  const test::Folder state;
  const auto start_in = [&](Session& session, const std::string& run) {
    Sandbox::start(session, state / run, machine_, sandbox_patience)->open(sandbox_patience);
  };
  {
    const std::jthread other([&] { start_in(*like_too, "run-1"); });
    start_in(*like, "run-2");
  }
  std::vector<std::string> kept = files_.list(state.path());
  std::erase_if(kept, [](const std::string& name) { return name.find("template") == std::string::npos; });
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].rfind("sandbox-template-10.", 0), 0U) << kept[0];
  start_in(*like, "run-3");
}

TEST_F(SandboxTest, SaysWhatIsMissing) {
  const auto like = target(test::shared_mariadb().new_database("tools"));
  const test::Folder folder;
  const fs::path server = folder.write("mariadbd", "#!/bin/sh\necho 'mariadbd  Ver 11.4.2-MariaDB for Linux'\n", 0755);
  const Machine other{files_, processes_, folder.path().string() + ":" + usual_path()};
  try {
    Sandbox::start(*like, scratch(), other, sandbox_patience);
    ADD_FAILURE() << "a server of another series was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::missing_tool);
    EXPECT_EQ(error.text(), "error: a sandbox needs a server of the series of the database, MariaDB 10.11, and " +
                                server.string() +
                                " is 11.4.2-MariaDB\nhint: install mariadb-server of series 10.11 on this machine "
                                "(database.scratch)");
  }
  EXPECT_FALSE(fs::exists(scratch()));
}

TEST_F(SandboxTest, StopsStartingAtItsDeadline) {
  const auto like = target(test::shared_mariadb().new_database("late"));
  std::stop_source stop;
  stop.request_stop();
  try {
    Sandbox::start(*like, scratch(), machine_, Deadline::never(stop.get_token()));
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::cancelled);
  }
}

TEST_F(SandboxTest, TellsTheLastWordsOfAServerThatEnds) {
  const auto like = target(test::shared_mariadb().new_database("failing"));
  const test::Folder folder;
  folder.write(
      "mariadbd",
      "#!/bin/sh\ncase $* in *--version*) exec /usr/sbin/mariadbd \"$@\";; esac\necho 'InnoDB: Error 28, Out of "
      "disk space' >&2\nexit 1\n",
      0755);
  fs::permissions(folder.path(), fs::perms::owner_all | fs::perms::others_exec | fs::perms::group_exec);
  const Machine other{files_, processes_, folder.path().string() + ":" + usual_path()};
  start(*like);  // the template is there
  try {
    Sandbox::start(*like, scratch(), other, sandbox_patience);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::no_space);
    EXPECT_EQ(error.message, "the server of the sandbox ended while it started: InnoDB: Error 28, Out of disk space");
  }
}

}  // namespace
}  // namespace deployer::database
