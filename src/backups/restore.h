#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "backups/manifest.h"
#include "backups/progress.h"
#include "base/deadline.h"
#include "database/session.h"

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

struct Restored {
  Source source;
  Json revision = nullptr;  ///< of the manifest
  std::uint64_t bytes = 0;  ///< unpacked
  bool compared = false;    ///< with a manifest; else the database alone found the file whole
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;
  Duration took{0};
};

/// Brings a backup back into the live database: unpacks it into a file below `scratch` (removed again), compares
/// checksum, schema and every table's rows with the manifest (a file of any other origin: asks the database whether it
/// is whole), and only then copies it in, as one transaction: whoever has the database open sees the old content or the
/// new one, at once and without opening it anew. Waits for writers until the deadline.
/// Errors before anything was touched: `invalid` for a format that is none of this database, `failed` ("cannot restore
/// NAME: …") for a backup that is not good, what the database and the disk say.
Restored restore(database::Session& session, const Source& source, const std::filesystem::path& scratch, Files& files,
                 const Deadline& deadline, const Progress& progress = {});

}  // namespace deployer::backups
