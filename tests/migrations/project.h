#pragma once

#include <memory>
#include <string>

#include "database/session.h"
#include "migrations/executor.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "support/folder.h"
#include "system/files.h"

namespace deployer::migrations {

/// The sections of a revision file, written short.
struct Sections {
  std::string up;
  std::string down;
  bool has_down = true;
};

/// A folder with revision files and a SQLite database beside them.
class Project {
 public:
  /// The file's name is the id. `header`: further lines of the header, without `--`.
  void revision(const std::string& id, const std::string& revises, const Sections& sections = {},
                const std::vector<std::string>& header = {}) const;
  void file(const std::string& name, const std::string& text) const;
  std::filesystem::path folder() const { return folder_ / "migrations"; }
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  Graph graph() const;
  /// The complaint of the graph, with the folder cut out of the paths.
  std::string complaint() const;

  std::unique_ptr<database::Session> session() const;
  /// Applies what is pending, each revision with the executor.
  void upgrade(database::Session& session, const std::string& target = "heads") const;

  const History history{"deployer_migrations"};
  ExecutorOptions options{"run-1", "me@here", "0.1", "2026-11-24T10:00:00.000Z", nullptr};
  mutable Files files;

 private:
  test::Folder folder_;
};

/// The whole text of the error that `act` throws; a test failure if it throws none.
template <class Act>
std::string error_text(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.text();
  }
  return "nothing was thrown";
}

std::string first_value(database::Session& session, const std::string& sql);

}  // namespace deployer::migrations
