#pragma once

#include <map>
#include <memory>
#include <string>

#include "backups/backup.h"
#include "database/dialect.h"
#include "database/row_digest.h"
#include "support/folder.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer::backups::test {

/// A small book library in a real database file (WAL, as services have it), and a folder for its backups.
class Library {
 public:
  explicit Library(int books = 20);

  std::filesystem::path database() const { return folder_ / "library.db"; }
  std::filesystem::path backups() const { return folder_ / "backups"; }
  std::filesystem::path scratch() const { return folder_ / "scratch"; }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }
  const deployer::test::Folder& folder() const { return folder_; }

  /// Another session to the same database, as another process would have it.
  std::unique_ptr<deployer::database::Session> open() const;
  deployer::database::Session& session() { return *session_; }
  void run(const std::string& sql);
  std::int64_t number(const std::string& sql);
  std::map<std::string, deployer::database::RowDigest> rows();

  BackupRequest request() const;
  /// A backup on the real disk.
  Manifest back_up(Check check = Check::none);

 private:
  deployer::test::Folder folder_;
  std::unique_ptr<deployer::database::Session> session_;
};

/// 2026-11-24 02:00:00 UTC, and so many seconds later.
Time at_two(std::int64_t seconds_later = 0);

/// The sorted names in a folder; empty where there is none.
std::vector<std::string> names_in(const std::filesystem::path& folder);

/// This machine with such a disk.
Machine machine_of(Files& files);

/// A deadline that is far away.
Deadline soon_enough();

/// The error that `act` throws; a test failure if there is none.
Error error_of(const std::function<void()>& act);

}  // namespace deployer::backups::test
