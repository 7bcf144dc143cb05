#include "backups/backup.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "backups/new_file.h"
#include "backups/stored_file.h"
#include "backups/verify.h"
#include "database/dialect.h"
#include "database/dump.h"
#include "database/server.h"
#include "system/files.h"
#include "system/machine.h"
#include "system/stream/stream.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

void refuse_what_cannot_be(const database::Session& session, const BackupRequest& request) {
  const database::Dialect& dialect = session.dialect();
  if (dialect.server() != nullptr) return;
  if (!dialect.capabilities().online_backup) {
    throw Error(ErrorKind::invalid, fmt::format("a {} database cannot be backed up", dialect.name()));
  }
  if (!request.tables.empty()) {
    throw Error(ErrorKind::invalid, "a backup of some tables alone is not possible with this database",
                "leave the tables out: a backup holds the whole database");
  }
}

std::string timed_name(Time now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  return fmt::format("backup_{:04}{:02}{:02}_{:02}{:02}{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

struct Place {
  fs::path file;
  std::string name;
  Format format = Format::zstd;
  NewFile out;
};

Place chosen_place(const BackupRequest& request, std::string_view engine, Files& files) {
  const fs::path file = fs::absolute(request.path).lexically_normal();
  const std::optional<Format> format = format_of(file, engine);
  if (!format || *format == Format::gzip) {  // gzip is read only
    throw Error(ErrorKind::invalid, fmt::format("{} says no format of a backup by its suffix", request.path.string()),
                fmt::format("{} is compressed, {} is a plain copy", suffix_of(Format::zstd, engine),
                            suffix_of(Format::plain, engine)));
  }
  std::string name = name_of(file, engine);
  std::optional<NewFile> out = NewFile::claim(file, file.parent_path() / (name + ".json"), files);
  if (!out) {
    throw Error(ErrorKind::usage, fmt::format("{} or its manifest is there already", request.path.string()),
                "a backup never replaces another file; take another name");
  }
  return {file, std::move(name), *format, std::move(*out)};
}

Place timed_place(const BackupRequest& request, std::string_view engine, Files& files) {
  const fs::path folder = fs::absolute(request.directory).lexically_normal();
  files.make_folder(folder, 0700);
  const std::string base = timed_name(request.now);
  for (int number = 1;; ++number) {
    std::string name = number == 1 ? base : fmt::format("{}-{}", base, number);
    if (files.exists(folder / (name + suffix_of(Format::plain, engine)))) continue;
    const fs::path file = folder / (name + suffix_of(Format::zstd, engine));
    if (std::optional<NewFile> out = NewFile::claim(file, folder / (name + ".json"), files)) {
      return {file, std::move(name), Format::zstd, std::move(*out)};
    }
  }
}

/// Takes a backup's content and stores it as its format says; sizes and digest go into the manifest.
class Storing {
 public:
  Storing(const Place& place, NewFile& out, Manifest& manifest)
      : out_(out),
        manifest_(manifest),
        stored_([this](std::string_view piece) { store(piece); }),
        compressor_(stored_),
        first_(place.format == Format::zstd ? static_cast<ByteSink&>(compressor_) : stored_) {}

  void write(std::string_view piece) {
    first_.write(piece);
    manifest_.bytes_raw += piece.size();
  }
  void commit() {
    first_.finish();
    manifest_.digest = digest_.hex();
    out_.commit();
  }

 private:
  void store(std::string_view piece) {
    digest_.update(piece);
    out_.write(piece);
    manifest_.bytes += piece.size();
  }

  NewFile& out_;
  Manifest& manifest_;
  Sha256 digest_;
  FunctionSink stored_;
  ZstdCompressor compressor_;
  ByteSink& first_;
};

/// A database file: its own consistent copy beside the backup first, which is then counted and stored.
void store_file(database::Session& session, Place& place, Manifest& manifest, const Files& files,
                const Deadline& deadline, const Progress& progress) {
  const fs::path copy = place.out.copy();
  session.dialect().copy_to_file(session, copy, deadline, [&](std::uint64_t done, std::uint64_t total) {
    if (progress) progress("copying", done, total);
  });
  {
    const std::unique_ptr<database::Session> opened = open_copy(session.url(), copy, deadline);
    DatabaseContent content = read_content(*opened, deadline);
    manifest.fingerprint = std::move(content.fingerprint);
    manifest.tables = std::move(content.tables);
  }
  const std::uint64_t total = files.info(copy).value_or(FileInfo{}).bytes;
  Storing storing(place, place.out, manifest);
  files.read_in_pieces(copy, [&](std::string_view piece) {
    deadline.check("compressing " + copy.string());
    storing.write(piece);
    if (progress) progress("compressing", manifest.bytes_raw, total);
  });
  storing.commit();
  place.out.remove_copy();
}

/// A server's schema: its dump goes into the file as it comes, and is counted on the way.
void store_schema(database::Session& session, const BackupRequest& request, Place& place, Manifest& manifest,
                  const Machine& machine, const Deadline& deadline, const Progress& progress) {
  database::DumpOptions options;
  options.tables = request.tables;
  if (progress) options.progress = [&](std::uint64_t done, std::uint64_t total) { progress("dumping", done, total); };
  Storing storing(place, place.out, manifest);
  database::Dumped dumped = session.dialect().server()->dump(session, options, machine, deadline,
                                                             [&](std::string_view piece) { storing.write(piece); });
  storing.commit();
  manifest.partial = !request.tables.empty();
  manifest.fingerprint = dumped.schema.fingerprint();
  manifest.tables = std::move(dumped.tables);
  manifest.log_position = std::move(dumped.log_position);
  manifest.inconsistent = std::move(dumped.inconsistent);
  manifest.unfaithful = std::move(dumped.unfaithful);
  manifest.load_with = std::move(dumped.load_with);
}

/// Looks at the stored file as far as it was asked for, and notes it. Error `failed` if it is bad.
void check_stored(const database::Url& url, Manifest& manifest, const BackupRequest& request, const Machine& machine,
                  const Deadline& deadline, const Progress& progress) {
  if (request.check == Check::none) return;
  const Finding finding = request.check == Check::drill
                              ? drill(manifest, url, request.scratch, machine, deadline, progress)
                              : verify(manifest, machine.files, deadline, progress);
  if (!finding.good()) throw Error(ErrorKind::failed, "the backup is not good: " + finding.problems.front());
  manifest.verified_at = request.now;
  if (request.check == Check::drill) {
    manifest.drilled_at = request.now;
    manifest.restore_ms = finding.restore;
  }
}

}  // namespace

Manifest create(database::Session& session, const BackupRequest& request, const Machine& machine,
                const Deadline& deadline, const Progress& progress) {
  Files& files = machine.files;
  refuse_what_cannot_be(session, request);
  const database::Dialect& dialect = session.dialect();
  Place place =
      request.path.empty() ? timed_place(request, dialect.name(), files) : chosen_place(request, dialect.name(), files);
  Manifest manifest;
  manifest.name = place.name;
  manifest.file = place.file;
  manifest.database = session.url().identity(request.project.string());
  manifest.engine = dialect.name();
  manifest.created_at = request.now;
  manifest.revision = request.revision;
  manifest.history = request.history;
  manifest.tags = request.tags;
  manifest.run = request.run;

  if (dialect.server() != nullptr) {
    store_schema(session, request, place, manifest, machine, deadline, progress);
  } else {
    store_file(session, place, manifest, files, deadline, progress);
  }
  check_stored(session.url(), manifest, request, machine, deadline, progress);
  publish(manifest, files);
  place.out.keep();
  return manifest;
}

}  // namespace deployer::backups
