#include "backups/library.h"

#include <gtest/gtest.h>

#include "database/url.h"
#include "system/process.h"

namespace deployer::backups::test {

namespace database = deployer::database;

namespace fs = std::filesystem;

Library::Library(int books) {
  session_ = database::open(value_or_throw(database::parse_url("sqlite:///" + database().string())), folder_.path(),
                            database::Access::create, soon_enough());
  run("PRAGMA journal_mode=WAL");
  run("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
  run("CREATE TABLE books (id INTEGER PRIMARY KEY, author INTEGER REFERENCES authors(id), title TEXT, price REAL)");
  run("CREATE VIEW titles AS SELECT title FROM books");
  run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(books) +
      ") INSERT INTO books SELECT i, 1, 'book ' || i || hex(randomblob(40)), i / 3.0 FROM n");
  run("INSERT INTO authors VALUES (1, 'Ada'), (2, 'Grace')");
}

std::unique_ptr<deployer::database::Session> Library::open() const {
  return database::open(value_or_throw(database::parse_url("sqlite:///" + database().string())), folder_.path(),
                        database::Access::existing, soon_enough());
}

void Library::run(const std::string& sql) { session_->execute(sql, soon_enough()); }

std::int64_t Library::number(const std::string& sql) {
  return database::as_integer(session_->query(sql, soon_enough()).rows.at(0).at(0));
}

std::map<std::string, database::RowDigest> Library::rows() {
  return database::row_digests(*session_, session_->dialect().introspect(*session_, soon_enough()), soon_enough());
}

BackupRequest Library::request() const {
  BackupRequest request;
  request.directory = backups();
  request.project = folder_.path();
  request.scratch = scratch();
  request.now = at_two();
  request.check = Check::none;
  return request;
}

Manifest Library::back_up(Check check) {
  BackupRequest wanted = request();
  wanted.check = check;
  Files files;
  return create(*session_, wanted, machine_of(files), soon_enough());
}

Time at_two(std::int64_t seconds_later) { return Time(std::chrono::seconds(1'795'485'600 + seconds_later)); }

std::vector<std::string> names_in(const fs::path& folder) { return Files().list(folder); }

Machine machine_of(Files& files) {
  static Processes processes;
  return {files, processes, "/usr/local/bin:/usr/bin:/bin"};
}

Deadline soon_enough() { return Deadline::after(std::chrono::seconds(60)); }

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error came";
  return Error(ErrorKind::internal, "none");
}

}  // namespace deployer::backups::test
