#include "backups/backup.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "backups/new_file.h"
#include "backups/stored_file.h"
#include "backups/verify.h"
#include "database/dialect.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

void refuse_what_cannot_be(const database::Session& session, const BackupRequest& request) {
  if (!session.dialect().capabilities().online_backup) {
    throw Error(ErrorKind::invalid, fmt::format("a backup of a {} database needs an engine that is not there yet",
                                                session.dialect().name()));
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
  if (!format) {
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

/// The copy's bytes as the backup stores them; sizes and digest go into the manifest.
void store(const Place& place, NewFile& out, Manifest& manifest, const Files& files, const Deadline& deadline,
           const Progress& progress) {
  const fs::path copy = out.copy();
  const std::uint64_t total = files.info(copy).value_or(FileInfo{}).bytes;
  Sha256 digest;
  FunctionSink stored([&](std::string_view piece) {
    digest.update(piece);
    out.write(piece);
    manifest.bytes += piece.size();
  });
  ZstdCompressor compressor(stored);
  ByteSink& first = place.format == Format::zstd ? static_cast<ByteSink&>(compressor) : stored;
  files.read_in_pieces(copy, [&](std::string_view piece) {
    deadline.check("compressing " + copy.string());
    first.write(piece);
    manifest.bytes_raw += piece.size();
    if (progress) progress("compressing", manifest.bytes_raw, total);
  });
  first.finish();
  manifest.digest = digest.hex();
  out.commit();
}

/// Looks at the stored file as far as it was asked for, and notes it. Error `failed` if it is bad.
void check_stored(const database::Url& url, Manifest& manifest, const BackupRequest& request, Files& files,
                  const Deadline& deadline, const Progress& progress) {
  if (request.check == Check::none) return;
  const Finding finding = request.check == Check::drill
                              ? drill(manifest, url, request.scratch, files, deadline, progress)
                              : verify(manifest, files, deadline, progress);
  if (!finding.good()) throw Error(ErrorKind::failed, "the backup is not good: " + finding.problems.front());
  manifest.verified_at = request.now;
  if (request.check == Check::drill) {
    manifest.drilled_at = request.now;
    manifest.restore_ms = finding.restore;
  }
}

}  // namespace

Manifest create(database::Session& session, const BackupRequest& request, Files& files, const Deadline& deadline,
                const Progress& progress) {
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
  manifest.tags = request.tags;
  manifest.run = request.run;

  dialect.copy_to_file(session, place.out.copy(), deadline, [&](std::uint64_t done, std::uint64_t total) {
    if (progress) progress("copying", done, total);
  });
  {
    const std::unique_ptr<database::Session> copy = open_copy(session.url(), place.out.copy(), deadline);
    DatabaseContent content = read_content(*copy, deadline);
    manifest.fingerprint = std::move(content.fingerprint);
    manifest.tables = std::move(content.tables);
  }
  store(place, place.out, manifest, files, deadline, progress);
  place.out.remove_copy();
  check_stored(session.url(), manifest, request, files, deadline, progress);
  publish(manifest, files);
  place.out.keep();
  return manifest;
}

}  // namespace deployer::backups
