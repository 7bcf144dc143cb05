#include <gtest/gtest.h>
#include <sqlite3.h>

#include <thread>

#include "database/dialect.h"
#include "database/session.h"
#include "support/folder.h"

namespace deployer::database {
namespace {

const Deadline forever = Deadline::never();

class SqliteSessionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> session(Access access = Access::create, const std::string& file = "books.db") {
    return open(*parse_url("sqlite:///" + file), folder_.path(), access, Deadline::after(std::chrono::seconds(5)));
  }
  template <class Act>
  static SqlError error_of(Act act) {
    try {
      act();
    } catch (const SqlError& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return SqlError(ErrorKind::internal, "", 0);
  }
  test::Folder folder_;
};

TEST_F(SqliteSessionTest, KeepsEveryValueByteForByte) {
  const auto session = this->session();
  session->execute("CREATE TABLE t (a)", forever);
  const Row values = {Value{},
                      Value{std::int64_t{INT64_MIN}},
                      Value{0.1},
                      Value{std::string("a\0b\xc3\xa9", 5)},
                      Value{Blob{std::string("\0\xff", 2)}},
                      Value{Blob{}},
                      Value{std::string()}};
  for (const Value& value : values) EXPECT_EQ(session->execute("INSERT INTO t VALUES (?)", {value}, forever), 1);
  const Rows rows = session->query("SELECT a FROM t ORDER BY rowid", forever);
  ASSERT_EQ(rows.rows.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(rows.rows[i][0], values[i]);
  EXPECT_EQ(rows.columns, std::vector<std::string>{"a"});
}

TEST_F(SqliteSessionTest, OpensOnlyWhatIsThereUnlessItMayMakeIt) {
  for (const Access access : {Access::read_only, Access::existing}) {
    try {
      session(access);
      ADD_FAILURE() << "opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind, ErrorKind::not_found);
      EXPECT_EQ(error.message, "there is no database file " + (folder_ / "books.db").string());
    }
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "books.db"));
  try {
    session(Access::create, "missing/books.db");
    ADD_FAILURE() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.message,
              "cannot make the database file " + (folder_ / "missing/books.db").string() + ": its folder is not there");
  }
}

TEST_F(SqliteSessionTest, SaysThatAFileIsNoDatabase) {
  folder_.write("books.db", std::string(5000, 'x'));
  const SqlError error = error_of([&] { session(Access::read_only); });
  EXPECT_EQ(error.message, "cannot open " + (folder_ / "books.db").string() + ": file is not a database");
  EXPECT_EQ(error.code, SQLITE_NOTADB);
}

TEST_F(SqliteSessionTest, ReadsAWalDatabaseReadOnlyAndWritesNothing) {
  const auto writer = session();
  writer->query("PRAGMA journal_mode=WAL", forever);
  writer->execute("CREATE TABLE t (a)", forever);
  writer->execute("INSERT INTO t VALUES (1)", forever);
  const auto reader = session(Access::read_only);
  EXPECT_EQ(as_integer(reader->query("SELECT a FROM t", forever).rows.at(0).at(0)), 1);
  const SqlError error = error_of([&] { reader->execute("INSERT INTO t VALUES (2)", forever); });
  EXPECT_EQ(error.message, "attempt to write a readonly database");
  EXPECT_EQ(error.kind, ErrorKind::database);
}

TEST_F(SqliteSessionTest, RefusesASecondStatement) {
  const auto session = this->session();
  EXPECT_EQ(error_of([&] { session->execute("CREATE TABLE a (x); CREATE TABLE b (x)", forever); }).message,
            "the text holds more than one statement");
  EXPECT_FALSE(session->dialect().has_table(*session, "a", forever));
  session->execute("CREATE TABLE a (x); -- nothing more\n ;; /* */", forever);
  EXPECT_TRUE(session->dialect().has_table(*session, "A", forever));
  EXPECT_EQ(error_of([&] { session->execute(std::string("SELECT 1\0", 9), forever); }).message,
            "the statement holds a NUL byte");
  EXPECT_EQ(error_of([&] { session->execute("SELECT ?", forever); }).message,
            "the statement has 1 parameters, 0 are given");
}

TEST_F(SqliteSessionTest, KeepsTheExtendedResultCode) {
  const auto session = this->session();
  session->execute("CREATE TABLE t (a UNIQUE)", forever);
  session->execute("INSERT INTO t VALUES (1)", forever);
  const SqlError error = error_of([&] { session->execute("INSERT INTO t VALUES (1)", forever); });
  EXPECT_EQ(error.code, SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(error.message, "UNIQUE constraint failed: t.a");
}

TEST_F(SqliteSessionTest, CountsTheRowsThatAStatementChanged) {
  const auto session = this->session();
  session->execute("CREATE TABLE t (a)", forever);
  EXPECT_EQ(session->execute("INSERT INTO t VALUES (1), (2), (3)", forever), 3);
  EXPECT_EQ(session->execute("CREATE TABLE u (a)", forever), 0);
  EXPECT_EQ(session->execute("SELECT * FROM t", forever), 0);
  EXPECT_EQ(session->execute("UPDATE t SET a = a + 1 WHERE a > 1", forever), 2);
}

TEST_F(SqliteSessionTest, WaitsForALockUntilTheDeadline) {
  const auto one = session();
  one->execute("CREATE TABLE t (a)", forever);
  const auto two = session(Access::existing);
  one->begin(forever);
  const SqlError error = error_of([&] { two->begin(Deadline::after(std::chrono::milliseconds(50))); });
  EXPECT_EQ(error.kind, ErrorKind::timed_out);
  EXPECT_EQ(error.message, "the database is locked by somebody else");
  EXPECT_NE(error.hint, "");
  std::thread release([&] {
    Deadline::never().sleep(std::chrono::milliseconds(50));
    one->commit(forever);
  });
  two->begin(forever);
  EXPECT_TRUE(two->in_transaction());
  release.join();
  two->execute("INSERT INTO t VALUES (1)", forever);
  two->commit(forever);
  EXPECT_FALSE(two->in_transaction());
}

TEST_F(SqliteSessionTest, RepeatsOnlyTheCommitWhileAReaderHoldsItUp) {
  const auto writer = session();
  writer->execute("CREATE TABLE t (a)", forever);
  const auto reader = session(Access::read_only);
  reader->begin(forever);
  reader->query("SELECT * FROM t", forever);
  writer->begin(forever);
  writer->execute("INSERT INTO t VALUES (1)", forever);
  EXPECT_EQ(error_of([&] { writer->commit(Deadline::after(std::chrono::milliseconds(30))); }).kind,
            ErrorKind::timed_out);
  EXPECT_TRUE(writer->in_transaction());
  reader->rollback();
  writer->commit(Deadline::after(std::chrono::seconds(5)));
  EXPECT_EQ(as_integer(reader->query("SELECT COUNT(*) FROM t", forever).rows.at(0).at(0)), 1);
}

TEST_F(SqliteSessionTest, EndsAStatementAtTheDeadlineOnStopAndOnInterrupt) {
  const auto session = this->session();
  const char* endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
  const SqlError late = error_of([&] { session->query(endless, Deadline::after(std::chrono::milliseconds(30))); });
  EXPECT_EQ(late.kind, ErrorKind::timed_out);
  EXPECT_EQ(late.message, "the statement took too long and was interrupted");
  std::stop_source source;
  std::thread stopper([&] {
    Deadline::never().sleep(std::chrono::milliseconds(30));
    source.request_stop();
  });
  EXPECT_EQ(error_of([&] { session->query(endless, Deadline::never(source.get_token())); }).kind, ErrorKind::cancelled);
  stopper.join();
  std::thread interrupter([&] {
    Deadline::never().sleep(std::chrono::milliseconds(30));
    session->interrupt();
  });
  const SqlError interrupted = error_of([&] { session->query(endless, forever); });
  interrupter.join();
  EXPECT_EQ(interrupted.kind, ErrorKind::cancelled);
  EXPECT_EQ(interrupted.message, "the statement was cancelled");
  EXPECT_EQ(as_integer(session->query("SELECT 1", forever).rows.at(0).at(0)), 1);
}

TEST_F(SqliteSessionTest, IsUsableAfterARowsReceiverThrew) {
  const auto session = this->session();
  EXPECT_THROW(session->stream("SELECT 1 UNION SELECT 2", {}, forever, [](const Row&) { throw 5; }), int);
  session->execute("CREATE TABLE t (a)", forever);
}

TEST_F(SqliteSessionTest, SaysThatTheDiskIsFull) {
  const auto session = this->session();
  session->execute("CREATE TABLE t (a)", forever);
  session->query("PRAGMA max_page_count=3", forever);
  const SqlError error =
      error_of([&] { session->execute("INSERT INTO t VALUES (?)", {Blob{std::string(50000, 'x')}}, forever); });
  EXPECT_EQ(error.kind, ErrorKind::no_space);
  EXPECT_EQ(error.message, "database or disk is full");
  EXPECT_EQ(error.code, SQLITE_FULL);
}

TEST_F(SqliteSessionTest, SetsWhatSafetyNeeds) {
  const auto session = this->session();
  EXPECT_EQ(as_integer(session->query("PRAGMA synchronous", forever).rows.at(0).at(0)), 2);
  EXPECT_EQ(as_integer(session->query("PRAGMA foreign_keys", forever).rows.at(0).at(0)), 0);
  EXPECT_EQ(session->server().product, "SQLite");
}

TEST_F(SqliteSessionTest, FindsBrokenForeignKeys) {
  const auto session = this->session();
  session->execute("CREATE TABLE p (id INTEGER PRIMARY KEY)", forever);
  session->execute("CREATE TABLE c (p REFERENCES p)", forever);
  EXPECT_TRUE(session->dialect().broken_foreign_keys(*session, forever).empty());
  session->execute("INSERT INTO c VALUES (7)", forever);
  EXPECT_EQ(session->dialect().broken_foreign_keys(*session, forever),
            std::vector<std::string>{"table c: row 1 points at a row of p that is not there (foreign key 0)"});
  EXPECT_TRUE(session->dialect().integrity(*session, forever).empty());
}

}  // namespace
}  // namespace deployer::database
