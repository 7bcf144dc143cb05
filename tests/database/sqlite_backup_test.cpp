#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>

#include "database/dialect.h"
#include "database/row_digest.h"
#include "database/session.h"
#include "support/folder.h"

namespace deployer::database {
namespace {

const Deadline no_end = Deadline::never();

/// Another process, python3 with the file open, that answers `SELECT COUNT(*) FROM t` for each line it is sent.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& file) {
    int down[2];
    int up[2];
    if (pipe(down) != 0 || pipe(up) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      dup2(down[0], 0);
      dup2(up[1], 1);
      for (const int fd : {down[0], down[1], up[0], up[1]}) close(fd);
      const char* program =
          "import sqlite3,sys\n"
          "c=sqlite3.connect(sys.argv[1])\n"
          "for line in sys.stdin: print(c.execute('SELECT COUNT(*) FROM t').fetchone()[0],flush=True)\n";
      execlp("python3", "python3", "-c", program, file.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(down[0]);
    close(up[1]);
    to_ = fdopen(down[1], "w");
    from_ = fdopen(up[0], "r");
  }
  ~Holder() {
    fclose(to_);
    fclose(from_);
    waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  int count() {
    fputs("\n", to_);
    fflush(to_);
    int number = -1;
    return fscanf(from_, "%d", &number) == 1 ? number : -1;
  }

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

class SqliteCopy : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Session> open_file(const std::string& name) {
    return open(*parse_url("sqlite:///" + name), folder_.path(), Access::create,
                Deadline::after(std::chrono::seconds(10)));
  }
  std::unique_ptr<Session> filled(const std::string& name, int rows) {
    auto session = open_file(name);
    session->query(std::string("PRAGMA journal_mode=") + GetParam(), no_end);
    session->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB)", no_end);
    fill(*session, rows);
    return session;
  }
  static void fill(Session& session, int rows) {
    session.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO t (a) SELECT randomblob(900) FROM n",
        {std::int64_t{rows}}, no_end);
  }
  static std::int64_t count(Session& session) {
    return as_integer(session.query("SELECT COUNT(*) FROM t", no_end).rows.at(0).at(0));
  }
  static RowDigest digest(Session& session) {
    const Schema schema = session.dialect().introspect(session, no_end);
    return row_digest(session, *schema.find("t"), no_end);
  }
  test::Folder folder_;
};

TEST_P(SqliteCopy, IsOneFileWithTheSameRows) {
  const auto live = filled("live.db", 3000);
  std::uint64_t last = 0;
  std::uint64_t all = 0;
  live->dialect().copy_to_file(*live, folder_ / "copy.db", no_end, [&](std::uint64_t done, std::uint64_t total) {
    last = done;
    all = total;
  });
  EXPECT_GT(all, 500U);
  EXPECT_EQ(last, all);
  const auto copy = open(*parse_url("sqlite:///copy.db"), folder_.path(), Access::read_only, no_end);
  EXPECT_EQ(digest(*copy), digest(*live));
  EXPECT_EQ(as_text(copy->query("PRAGMA journal_mode", no_end).rows.at(0).at(0)), "delete");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "copy.db-wal"));
}

TEST_P(SqliteCopy, ComesToAnEndWhileWritersGoOn) {
  const auto live = filled("live.db", 3000);
  const auto writer = open_file("live.db");
  live->dialect().copy_to_file(*live, folder_ / "copy.db", Deadline::after(std::chrono::seconds(20)),
                               [&](std::uint64_t done, std::uint64_t total) {
                                 if (done < total) fill(*writer, 1);
                               });
  const auto copy = open_file("copy.db");
  EXPECT_GE(count(*copy), 3000);
  EXPECT_LE(count(*copy), count(*live));
  EXPECT_TRUE(copy->dialect().integrity(*copy, no_end).empty());
}

TEST_P(SqliteCopy, LeavesNothingWhenItIsStopped) {
  const auto live = filled("live.db", 3000);
  std::stop_source source;
  EXPECT_THROW(live->dialect().copy_to_file(*live, folder_ / "copy.db", Deadline::never(source.get_token()),
                                            [&](std::uint64_t, std::uint64_t) { source.request_stop(); }),
               SqlError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "copy.db"));
  folder_.write("copy.db", "");
  try {
    live->dialect().copy_to_file(*live, folder_ / "copy.db", no_end);
    ADD_FAILURE() << "an existing file was overwritten";
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "cannot make " + (folder_ / "copy.db").string() + ": it is there already");
  }
}

TEST_P(SqliteCopy, BackIntoTheLiveFileIsSeenAtOnceByWhoHasItOpen) {
  const auto live = filled("live.db", 100);
  live->dialect().copy_to_file(*live, folder_ / "copy.db", no_end);
  Holder holder(folder_ / "live.db");
  fill(*live, 23);
  EXPECT_EQ(holder.count(), 123);
  live->dialect().copy_from_file(*live, folder_ / "copy.db", no_end);
  EXPECT_EQ(holder.count(), 100);
  EXPECT_EQ(as_text(live->query("PRAGMA journal_mode", no_end).rows.at(0).at(0)), GetParam());
  fill(*live, 1);
  EXPECT_EQ(holder.count(), 101);
}

TEST_P(SqliteCopy, BackWaitsForAWriterUntilTheDeadline) {
  const auto live = filled("live.db", 10);
  live->dialect().copy_to_file(*live, folder_ / "copy.db", no_end);
  const auto writer = open_file("live.db");
  writer->begin(no_end);
  try {
    live->dialect().copy_from_file(*live, folder_ / "copy.db", Deadline::after(std::chrono::milliseconds(50)));
    ADD_FAILURE() << "did not wait";
  } catch (const SqlError& error) {
    EXPECT_EQ(error.kind, ErrorKind::timed_out);
    EXPECT_EQ(error.message, "cannot copy " + (folder_ / "copy.db").string() + " into " +
                                 (folder_ / "live.db").string() + ": the database is locked by somebody else");
  }
  writer->rollback();
  live->dialect().copy_from_file(*live, folder_ / "copy.db", no_end);
}

TEST_P(SqliteCopy, BackThatIsKilledInsideLeavesTheOldContentOrTheNew) {
  {
    const auto live = filled("live.db", 3000);
    live->dialect().copy_to_file(*live, folder_ / "copy.db", no_end);
    fill(*live, 500);
  }
  for (const int milliseconds : {1, 4, 8, 15, 30}) {
    const pid_t pid = fork();
    if (pid == 0) {
      const auto live = open_file("live.db");
      live->dialect().copy_from_file(*live, folder_ / "copy.db", no_end);
      _exit(0);
    }
    no_end.sleep(std::chrono::milliseconds(milliseconds));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    const auto live = open_file("live.db");
    const std::int64_t rows = count(*live);
    EXPECT_TRUE(rows == 3000 || rows == 3500) << rows;
    EXPECT_TRUE(live->dialect().integrity(*live, no_end).empty());
    if (rows == 3000) fill(*live, 500);
  }
}

INSTANTIATE_TEST_SUITE_P(InJournalMode, SqliteCopy, ::testing::Values("delete", "wal"));

}  // namespace
}  // namespace deployer::database
