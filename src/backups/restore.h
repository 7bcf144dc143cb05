#pragma once

#include <filesystem>
#include <functional>
#include <optional>
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

/// What is to be restored: a file, and its manifest where it has one.
struct Source {
  std::filesystem::path file;
  std::optional<Manifest> manifest;
};

/// The file that `name` means: a path, or a name in the backup folder with or without its suffixes. Errors:
/// `not_found`; `usage` if two match, naming both; `invalid` for a file that an interrupted backup or removal left, or
/// whose manifest cannot be read.
Source find_source(const std::string& name, const std::filesystem::path& directory, const database::Session& session,
                   const Files& files);

struct RestoreOptions {
  /// Of a server's schema only these tables, and those tied to them by foreign keys, with their triggers and nothing
  /// else; empty: all of it.
  std::vector<std::string> tables;
  /// A table of deployer's own that goes with the content, or empty: on a server it is made aside by `fill` and swapped
  /// in with the rest. Not used where a backup is the whole database, which has it.
  std::string own_table;
  std::function<void(database::Session& aside)> fill;
};

struct Restored {
  Source source;
  Json revision = nullptr;  ///< of the manifest
  std::uint64_t bytes = 0;  ///< unpacked
  bool compared = false;    ///< with a manifest; else the database alone found the file whole
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;
  /// Tables that the backup does not have, and where they stand now: `NAME as SCHEMA.NAME`.
  std::vector<std::string> held;
  Duration took{0};
};

/// Brings a backup back into the live database, which nobody sees before it has been found good.
///
/// A file: unpacks it below `scratch` (removed again), compares checksum, schema and every table's rows with the
/// manifest (a file of any other origin: asks the database whether it is whole), and only then copies it in, as one
/// transaction: whoever has the database open sees the old content or the new one, at once and without opening it anew.
/// Waits for writers until the deadline.
///
/// A server's schema NAME: loads it into a schema NAME_deployer of the same server, compares it there, and then swaps
/// all tables by one RENAME TABLE: whoever reads sees the old tables or the new ones. AUTO_INCREMENT and sequences
/// never go back. What is not a table is made again right afterwards, where it differs: views, routines, events;
/// triggers always, so that for the moment around the swap rows may be written without them. Tables that the backup
/// does not have stay in NAME_deployer under another name. Killed at any instant, the live schema has the old tables or
/// the new ones; the next restore, or `settle_restore`, makes again what was away, and removes the rest. The user needs
/// all privileges on NAME_deployer and on NAME_deployer_old, where the old tables are for a moment.
///
/// Errors before anything was touched: `invalid` for a format that is none of this database, `failed` ("cannot restore
/// NAME: …") for a backup that is not good, what the database and the disk say.
Restored restore(database::Session& session, const Source& source, const std::filesystem::path& scratch,
                 const Machine& machine, const Deadline& deadline, const Progress& progress = {},
                 const RestoreOptions& options = {});

/// Brings a backup into a server's schema that is empty, and compares it there. Errors as of `restore`; what was loaded
/// until then stays.
Restored restore_into(database::Session& empty, const Source& source, const Machine& machine, const Deadline& deadline,
                      const Progress& progress = {});

/// Ends what a restore that died has begun in the session's schema: forwards if its tables were swapped already, else
/// back. Does nothing if there is nothing. SqlError as of the server.
void settle_restore(database::Session& session, const Deadline& deadline);

}  // namespace deployer::backups
