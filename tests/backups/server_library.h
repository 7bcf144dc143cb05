#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backups/restore.h"
#include "database/dialect.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"
#include "system/files.h"

namespace deployer::backups::test {

/// A library of books in a schema of a real server: foreign keys in a circle and to itself, a trigger, a view, a
/// routine, an event, a partitioned table, a sequence, a table without transactions; and a folder for its backups.
class ServerLibrary {
 public:
  /// `schema` is unique within the test program.
  explicit ServerLibrary(std::string schema);
  ServerLibrary(std::string schema, deployer::test::MariaDb& server);
  ~ServerLibrary();

  deployer::database::Session& session() { return *session_; }
  std::unique_ptr<deployer::database::Session> open(const std::string& user = "root") const;
  /// Another session in place of one whose server is gone.
  void reconnect() { session_ = open(); }
  void run(const std::string& sql);
  std::string text(const std::string& sql);
  /// All rows of the tables and all definitions, in one text.
  std::string state();
  std::string fingerprint();
  bool has_schema(const std::string& name);
  const std::string& schema() const { return schema_; }
  const std::string& url() const { return url_; }

  /// A backup as `backups::create` makes it, and its manifest.
  Manifest back_up(const std::string& name = "backup_20261124_020000");
  Restored restore(const Source& source, const RestoreOptions& options = {});
  Restored restore(const Manifest& manifest, const RestoreOptions& options = {});

  std::filesystem::path folder() const { return folder_.path(); }
  Files files;

 private:
  deployer::test::Folder folder_;
  deployer::test::MariaDb& server_;
  std::string schema_;
  std::string url_;
  std::unique_ptr<deployer::database::Session> session_;
};

}  // namespace deployer::backups::test
