#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "database/row_digest.h"

namespace deployer {
class Files;
}

namespace deployer::backups {

using Time = std::chrono::system_clock::time_point;

/// What is known of a backup: the file `NAME.json` beside the backup's own. A backup without it is none.
struct Manifest {
  std::string name;
  std::filesystem::path file;  ///< absolute; the manifest names it without its folder, so that both can be moved
  std::string database;        ///< the database's identity, without user and password
  std::string engine;          ///< as the dialect calls itself
  Time created_at;
  Json revision = nullptr;  ///< as in `migrate status`: a string, an array of them, or null
  std::uint64_t bytes = 0;
  std::uint64_t bytes_raw = 0;  ///< unpacked
  std::string digest;           ///< SHA-256 of the stored file
  bool encrypted = false;
  std::vector<std::string> tags;
  std::string run;  ///< the run that made it, or empty
  std::optional<Time> verified_at;
  std::optional<Time> drilled_at;
  std::optional<Duration> restore_ms;  ///< how long the last drill took to restore it

  // Of servers alone; empty for a database that is a file.
  Json history = nullptr;                 ///< the rows of the table of revisions, which is in no backup
  bool partial = false;                   ///< it holds chosen tables alone
  std::string log_position;               ///< where the binary log stood at the moment of the backup
  std::vector<std::string> inconsistent;  ///< tables without transactions: not of that moment
  std::vector<std::string> unfaithful;    ///< what the backup does not hold as it is, a sentence each
  std::string load_with;                  ///< the client's command that takes the unpacked file on standard input

  std::string fingerprint;                            ///< of the schema
  std::map<std::string, database::RowDigest> tables;  ///< of every table, without deployer's own

  /// The object of `backup list` (cli.md) with `fingerprint` and `tables: {NAME: {rows, sum}}`.
  Json json() const;
  /// From such an object beside which the backup stands in `folder`. Error `invalid` that names what is missing.
  static Result<Manifest> from(const Json& json, const std::filesystem::path& folder);

  std::filesystem::path manifest_file() const;
  /// The command that restores it without deployer, for a shell, without password; empty for a database that is a file.
  std::string restore_command() const;
};

/// Writes the manifest beside the backup, whole or not at all. Errors `io`, `no_space`.
void publish(const Manifest& manifest, Files& files);
/// Reads one. Error `invalid` for a file that is no manifest.
Manifest read_manifest(const std::filesystem::path& file, const Files& files);

/// Writes into its manifest that a backup was found good. Errors `io`, `no_space`.
void note_verified(Manifest& manifest, Time now, Files& files);
void note_drilled(Manifest& manifest, Time now, Duration restore, Files& files);

}  // namespace deployer::backups
