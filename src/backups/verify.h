#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backups/manifest.h"
#include "backups/progress.h"
#include "base/deadline.h"
#include "database/url.h"

namespace deployer {
struct Machine;
}

namespace deployer::backups {

/// What a look at a backup brought. No problem: it is good.
struct Finding {
  std::vector<std::string> problems;  ///< a sentence each, with the backup's name
  /// Views, routines and more that need another schema, so that a drill could not try them; a sentence each.
  std::vector<std::string> unchecked;
  Duration restore{0};  ///< how long a drill took to have the content back
  bool good() const { return problems.empty(); }
};

/// Reads the whole file: size, digest, and every frame unpacked. Needs no database. Errors are only what kept it from
/// looking: `io`, `timed_out`, `cancelled`; a missing or damaged file is a problem.
Finding verify(const Manifest& manifest, const Files& files, const Deadline& deadline, const Progress& progress = {});

/// Restores it where nothing else is, and compares its schema and every table's rows with the manifest. A file: below
/// `scratch` (removed again, whatever happens), and the database is asked whether that is whole. A server's schema: in
/// a private server (database/sandbox.h) below `scratch`. `url` says with what engine, and of which server a private
/// one must be the like; nothing is done to that database. Errors as of `verify`, `no_space`, and of the private
/// server.
Finding drill(const Manifest& manifest, const database::Url& url, const std::filesystem::path& scratch,
              const Machine& machine, const Deadline& deadline, const Progress& progress = {});

}  // namespace deployer::backups
