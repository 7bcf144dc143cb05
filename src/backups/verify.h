#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backups/manifest.h"
#include "backups/progress.h"
#include "base/deadline.h"
#include "database/url.h"

namespace deployer::backups {

/// What a look at a backup brought. No problem: it is good.
struct Finding {
  std::vector<std::string> problems;  ///< a sentence each, with the backup's name
  Duration restore{0};                ///< how long a drill took to have the file back
  bool good() const { return problems.empty(); }
};

/// Reads the whole file: size, digest, and every frame unpacked. Needs no database. Errors are only what kept it from
/// looking: `io`, `timed_out`, `cancelled`; a missing or damaged file is a problem.
Finding verify(const Manifest& manifest, const Files& files, const Deadline& deadline, const Progress& progress = {});

/// Restores it into a file below `scratch` (removed again, whatever happens), asks the database whether that is whole,
/// and compares its schema and every table's rows with the manifest. `url` says with what engine; nothing is done to
/// that database. Errors as of `verify`, and `no_space`.
Finding drill(const Manifest& manifest, const database::Url& url, const std::filesystem::path& scratch, Files& files,
              const Deadline& deadline, const Progress& progress = {});

}  // namespace deployer::backups
