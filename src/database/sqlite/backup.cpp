#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "database/sqlite/dialect.h"
#include "database/sqlite/session.h"
#include "system/files.h"

namespace deployer::database {

namespace {

constexpr int pages_per_step = 500;
constexpr int most_restarts = 3;  // by writers in between; then the rest is copied under one lock
constexpr Duration pause_for_writers = std::chrono::milliseconds(2);

SqliteSession& sqlite_session(Session& session, std::string_view act) {
  auto* own = dynamic_cast<SqliteSession*>(&session);
  if (own == nullptr) throw Error(ErrorKind::internal, fmt::format("{} needs a session on a SQLite file", act));
  if (own->in_transaction()) throw Error(ErrorKind::internal, fmt::format("{} within a transaction", act));
  return *own;
}

/// A running copy from one handle to another.
class SqliteBackup {
 public:
  SqliteBackup(SqliteConnection& to, SqliteConnection& from, const Deadline& deadline, std::string what)
      : to_(to), deadline_(deadline), what_(std::move(what)) {
    backup_ = sqlite3_backup_init(to.get(), "main", from.get(), "main");
    if (backup_ == nullptr) throw_sqlite_error(to.get(), sqlite3_extended_errcode(to.get()), deadline, what_);
  }
  ~SqliteBackup() { sqlite3_backup_finish(backup_); }
  SqliteBackup(const SqliteBackup&) = delete;
  SqliteBackup& operator=(const SqliteBackup&) = delete;

  /// Copies the next pages, all for -1; false when nothing is left. Waits for locks.
  bool step(int pages) {
    for (;;) {
      const int code = sqlite3_backup_step(backup_, pages);
      if (code == SQLITE_OK) return true;
      if (code == SQLITE_DONE) return false;
      const int primary = code & 0xff;
      // The handles' own error texts are not set by a step.
      if (primary != SQLITE_BUSY) throw_sqlite_error(nullptr, code, deadline_, what_);
      wait_for_sqlite_lock(nullptr, SQLITE_BUSY, deadline_, what_);
    }
  }

  /// The end, with the error that only it may tell.
  void finish() {
    const int code = sqlite3_backup_finish(std::exchange(backup_, nullptr));
    if (code != SQLITE_OK) throw_sqlite_error(to_.get(), code, deadline_, what_);
  }

  std::uint64_t total() const { return static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup_)); }
  std::uint64_t done() const { return total() - static_cast<std::uint64_t>(sqlite3_backup_remaining(backup_)); }

 private:
  SqliteConnection& to_;
  const Deadline& deadline_;
  std::string what_;
  sqlite3_backup* backup_;
};

void check_over(sqlite3* handle, const Deadline& deadline, const std::string& what) {
  if (deadline.cancelled() || deadline.expired()) throw_sqlite_error(handle, SQLITE_INTERRUPT, deadline, what);
}

/// All pages of the session's database into a new file, consistent, in small steps so that writers can go on. When one
/// of another process wrote, SQLite begins anew by itself; to end at all, the last attempt is one step.
void copy_pages(SqliteSession& session, const std::filesystem::path& target, const Deadline& deadline,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::string what = fmt::format("cannot copy {} to {}", session.file().string(), target.string());
  SqliteConnection copy(target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, deadline);
  copy.run("PRAGMA journal_mode=OFF", deadline);  // a torn copy is thrown away, never repaired
  copy.run("PRAGMA synchronous=OFF", deadline);   // synced once, at the end
  const SqliteCall reading(session.connection(), deadline);
  const SqliteCall writing(copy, deadline);
  SqliteBackup backup(copy, session.connection(), deadline, what);
  int restarts = 0;
  std::uint64_t before = 0;
  while (backup.step(restarts < most_restarts ? pages_per_step : -1)) {
    if (backup.done() < before + pages_per_step) ++restarts;
    before = backup.done();
    if (progress) progress(before, backup.total());
    check_over(session.handle(), deadline, what);
    deadline.sleep(pause_for_writers);
  }
  if (progress) progress(backup.total(), backup.total());
  backup.finish();
  copy.close();
}

/// A copy of a database in WAL mode says so in its header, and whoever opens it makes a -wal and a -shm file beside
/// it; a copy is one file.
void leave_wal(const std::filesystem::path& target, const Deadline& deadline) {
  SqliteConnection copy(target, SQLITE_OPEN_READWRITE, deadline);
  copy.run("PRAGMA journal_mode=DELETE", deadline);
  copy.close();
}

void sync_file(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw io_error(errno, fmt::format("cannot open {}", file.string()));
  const int synced = ::fsync(fd);
  const int code = errno;
  ::close(fd);
  if (synced != 0) throw io_error(code, fmt::format("cannot sync {}", file.string()));
}

void remove_copy(const std::filesystem::path& target) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;  // the error that led here is the one to tell
    std::filesystem::remove(target.string() + suffix, ignored);
  }
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

}  // namespace

void SqliteDialect::copy_to_file(Session& session, const std::filesystem::path& target, const Deadline& deadline,
                                 const std::function<void(std::uint64_t, std::uint64_t)>& progress) const {
  SqliteSession& own = sqlite_session(session, "a copy to a file");
  Files files;
  if (files.exists(target))
    throw Error(ErrorKind::io, fmt::format("cannot make {}: it is there already", target.string()));
  try {
    copy_pages(own, target, deadline, progress);
    leave_wal(target, deadline);
    sync_file(target);
    files.sync_folder(folder_of(target));
  } catch (...) {
    remove_copy(target);
    throw;
  }
}

void SqliteDialect::copy_from_file(Session& session, const std::filesystem::path& source,
                                   const Deadline& deadline) const {
  SqliteSession& own = sqlite_session(session, "a copy from a file");
  const std::string what = fmt::format("cannot copy {} into {}", source.string(), own.file().string());
  std::error_code failed;
  if (!std::filesystem::exists(source, failed)) {
    throw Error(ErrorKind::not_found, fmt::format("there is no database file {}", source.string()));
  }
  if (std::filesystem::equivalent(source, own.file(), failed)) {
    throw Error(ErrorKind::invalid, what + ": they are the same file");
  }
  SqliteConnection from(source, SQLITE_OPEN_READONLY, deadline);
  from.run("PRAGMA schema_version", deadline);  // no database at all is told before anything is locked
  const SqliteCall reading(from, deadline);
  const SqliteCall writing(own.connection(), deadline);
  SqliteBackup backup(own.connection(), from, deadline, what);
  backup.step(-1);
  backup.finish();
}

}  // namespace deployer::database
