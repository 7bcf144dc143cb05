#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backups/manifest.h"
#include "backups/progress.h"
#include "base/deadline.h"
#include "database/session.h"

namespace deployer {
struct Machine;
}

namespace deployer::backups {

/// How far a new backup is looked at before it counts.
enum class Check {
  none,
  checksum,  ///< read back whole and unpacked
  drill,     ///< restored and compared, table by table
};

struct BackupRequest {
  std::filesystem::path directory;  ///< where backups are; made (mode 0700) where it is missing
  std::filesystem::path path;       ///< a file of the caller's choice instead; its suffix says the format
  std::filesystem::path project;    ///< what a relative database file is relative to
  std::filesystem::path scratch;    ///< where a drill may make files
  std::vector<std::string> tables;  ///< only these, of a server; a file is backed up whole
  std::vector<std::string> tags;
  std::string run;
  Json revision = nullptr;  ///< the database's, for the manifest
  Json history = nullptr;   ///< the rows of the table of revisions, for the manifest
  Time now;
  Check check = Check::checksum;
};

/// Makes a backup: a consistent copy while others write, its schema and rows counted, compressed, synced, read back,
/// and then its manifest, which makes it one. Until then, and after any failure, there is no backup and no file (after
/// a crash there is a leftover: catalogue.h). The name is `backup_YYYYMMDD_HHMMSS` (UTC), with `-2`, `-3`, … where it
/// is taken. Of a database file the folder needs room for the copy and the backup; a server's schema is dumped
/// (database/dump.h) straight into the backup.
/// Errors: `invalid` for a path whose suffix is no format, and for `tables` of a database that is a file; `usage` for a
/// path that is taken; `failed` ("the backup is not good: …") if the check finds it bad, or where the schema changes
/// all the time; what the database and the disk say.
Manifest create(database::Session& session, const BackupRequest& request, const Machine& machine,
                const Deadline& deadline, const Progress& progress = {});

}  // namespace deployer::backups
