#pragma once

#include <string>
#include <vector>

#include "backups/restore.h"
#include "backups/stored_file.h"

namespace deployer::backups {

/// `restore` where the database is a schema of a server.
Restored restore_schema(database::Session& session, const Source& source, Format format, const Machine& machine,
                        const Deadline& deadline, const Progress& progress, const RestoreOptions& options);

/// What loading a stored dump into an empty schema brought.
struct LoadedSchema {
  StoredContent stored;
  DatabaseContent content;
  std::vector<std::string> unchecked;  ///< views, routines and more that need another schema
};
/// Loads it into the session's schema, which nobody else uses, and counts it. `tolerant`: what needs another schema may
/// be missing, and is named.
LoadedSchema load_stored(database::Session& session, const Source& source, Format format, bool tolerant,
                         const Files& files, const Deadline& deadline, const Progress& progress);

[[noreturn]] void refuse_restore(const Source& source, const std::vector<std::string>& problems);

}  // namespace deployer::backups
