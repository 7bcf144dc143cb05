#include "backups/restore.h"

#include <fmt/format.h>

#include <algorithm>

#include "backups/marks.h"
#include "backups/restore_server.h"
#include "backups/stored_file.h"
#include "base/text.h"
#include "database/dialect.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

Source source_of(const fs::path& file, std::string_view engine, const Files& files) {
  if (is_marked(file, files) && !files.exists(file.parent_path() / (name_of(file, engine) + ".json"))) {
    throw Error(ErrorKind::invalid, file.string() + " is what an interrupted backup or removal left");
  }
  Source source{file, std::nullopt};
  const fs::path manifest_file = file.parent_path() / (name_of(file, engine) + ".json");
  if (!files.exists(manifest_file)) return source;
  Manifest manifest = read_manifest(manifest_file, files);
  if (manifest.file == file) source.manifest = std::move(manifest);
  return source;
}

void expect_good(const Source& source, const std::vector<std::string>& problems) {
  if (!problems.empty()) refuse_restore(source, problems);
}

}  // namespace

Source find_source(const std::string& name, const fs::path& directory, const database::Session& session,
                   const Files& files) {
  const std::string_view engine = session.dialect().name();
  const std::optional<FileInfo> as_path = name.empty() ? std::nullopt : files.info(name);
  if (as_path && !as_path->is_folder) return source_of(fs::absolute(name).lexically_normal(), engine, files);
  std::vector<std::string> found;
  for (const std::string& entry : files.list(directory)) {
    const bool in_format = format_of(entry, engine).has_value();
    if (entry == name || (in_format && name_of(entry, engine) == name)) found.push_back(entry);
  }
  if (found.empty()) {
    throw Error(ErrorKind::not_found, fmt::format("there is no backup {} in {}", name, directory.string()),
                "`deployer backup list` shows them");
  }
  if (found.size() > 1) {
    throw Error(ErrorKind::usage, fmt::format("{} may be {}", name, listing(found)), "write the name with its suffix");
  }
  return source_of(fs::absolute(directory / found.front()).lexically_normal(), engine, files);
}

namespace {

Restored restore_file(database::Session& session, const Source& source, Format format, const fs::path& scratch,
                      Files& files, const Deadline& deadline, const Progress& progress) {
  const database::Dialect& dialect = session.dialect();
  const ScratchFolder folder(scratch, files);
  const fs::path file = folder.path() / ("restored" + suffix_of(Format::plain, dialect.name()));
  Restored restored;
  restored.source = source;
  if (source.manifest) restored.revision = source.manifest->revision;
  const StoredContent stored = unpack(source.file, format, file, files, deadline, progress);
  restored.bytes = stored.bytes_raw;
  // An empty file is a whole, empty database to some; as a backup it is one that was cut off.
  if (stored.bytes_raw == 0) refuse_restore(source, {"it is empty"});
  if (source.manifest) expect_good(source, compare(stored, *source.manifest));
  {
    const std::unique_ptr<database::Session> copy = open_copy(session.url(), file, deadline);
    expect_good(source, dialect.integrity(*copy, deadline));
    const DatabaseContent content = read_content(*copy, deadline);
    if (source.manifest) expect_good(source, compare(content, *source.manifest));
    restored.compared = source.manifest.has_value();
    restored.tables = content.tables.size();
    for (const auto& entry : content.tables) restored.rows += entry.second.rows;
  }
  dialect.copy_from_file(session, file, deadline);
  return restored;
}

[[noreturn]] void refuse_format(const Source& source, const database::Dialect& dialect) {
  const bool server = dialect.server() != nullptr;
  const auto suffix = [&](Format format) { return suffix_of(format, dialect.name()); };
  throw Error(
      ErrorKind::invalid,
      fmt::format("{} is in no format that can be restored into this database", source.file.string()),
      server ? fmt::format("it takes {}, {} and {}", suffix(Format::plain), suffix(Format::zstd), suffix(Format::gzip))
             : fmt::format("it takes {} and {}", suffix(Format::plain), suffix(Format::zstd)));
}

}  // namespace

Restored restore(database::Session& session, const Source& source, const fs::path& scratch, const Machine& machine,
                 const Deadline& deadline, const Progress& progress, const RestoreOptions& options) {
  const auto begin = Deadline::Clock::now();
  const database::Dialect& dialect = session.dialect();
  const std::optional<Format> format = format_of(source.file, dialect.name());
  if (!format) refuse_format(source, dialect);
  if (source.manifest && source.manifest->engine != dialect.name()) {
    refuse_restore(source, {fmt::format("it is a backup of {}, not of {}", source.manifest->engine, dialect.name())});
  }
  const bool server = dialect.server() != nullptr;
  if (!server && !options.tables.empty()) {
    throw Error(ErrorKind::invalid, "some tables alone cannot be restored into this database",
                "leave the tables out: a backup holds the whole database");
  }
  Restored restored = server ? restore_schema(session, source, *format, machine, deadline, progress, options)
                             : restore_file(session, source, *format, scratch, machine.files, deadline, progress);
  restored.took = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begin);
  return restored;
}

}  // namespace deployer::backups
