#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backups/manifest.h"
#include "backups/progress.h"
#include "base/deadline.h"
#include "database/session.h"

namespace deployer::backups {

/// How a backup's file is stored; its suffix says so: of a database file `.ENGINE` is a plain copy, `.ENGINE.zst` a
/// compressed one; of a server's schema `.sql`, `.sql.zst` and, made by other tools, `.sql.gz`.
enum class Format { plain, zstd, gzip };

std::string suffix_of(Format format, std::string_view engine);
/// Whether `engine`, as a dialect calls itself, is a server, whose backups are SQL.
bool is_server(std::string_view engine);
/// Nothing for a file whose suffix is none of an engine's.
std::optional<Format> format_of(const std::filesystem::path& file, std::string_view engine);
/// The name of a backup: its file's without folder and suffix.
std::string name_of(const std::filesystem::path& file, std::string_view engine);

/// What a stored file turned out to be.
struct StoredContent {
  std::string digest;  ///< SHA-256 of the file as it is stored
  std::uint64_t bytes = 0;
  std::uint64_t bytes_raw = 0;
};

/// Reads a stored file whole, unpacks it on the way and gives what comes out to `take`. Errors: `not_found`, `io`;
/// `invalid` for a damaged one; what `take` throws; `timed_out`, `cancelled`.
StoredContent read_stored(const std::filesystem::path& file, Format format, const Files& files,
                          const Deadline& deadline, const std::function<void(std::string_view)>& take,
                          const Progress& progress, std::string_view phase);

/// In what a stored file is not what its manifest says, a sentence each; empty is good.
std::vector<std::string> compare(const StoredContent& content, const Manifest& manifest);

/// A database file's schema and rows.
struct DatabaseContent {
  std::string fingerprint;
  std::map<std::string, database::RowDigest> tables;
};
DatabaseContent read_content(database::Session& session, const Deadline& deadline);
std::vector<std::string> compare(const DatabaseContent& content, const Manifest& manifest);

/// A folder of one's own below another, removed with all that is in it at the end.
class ScratchFolder {
 public:
  /// The parent is made where it is missing. Errors `io`, `no_space`.
  ScratchFolder(const std::filesystem::path& parent, Files& files);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  Files& files_;
  std::filesystem::path path_;
};

/// The stored file unpacked to `target`, and what it was. Errors as of `read_stored`, and `io`, `no_space`.
StoredContent unpack(const std::filesystem::path& file, Format format, const std::filesystem::path& target,
                     Files& files, const Deadline& deadline, const Progress& progress);

/// A session that reads a database file of the engine of `url`.
std::unique_ptr<database::Session> open_copy(const database::Url& url, const std::filesystem::path& file,
                                             const Deadline& deadline);

}  // namespace deployer::backups
