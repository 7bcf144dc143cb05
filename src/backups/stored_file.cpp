#include "backups/stored_file.h"

#include <fmt/format.h>

#include "base/id.h"
#include "database/dialect.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer::backups {

namespace fs = std::filesystem;

bool is_server(std::string_view engine) {
  const database::Dialect* dialect = database::dialect_named(engine);
  return dialect != nullptr && dialect->server() != nullptr;
}

std::string suffix_of(Format format, std::string_view engine) {
  const std::string base = is_server(engine) ? ".sql" : "." + std::string(engine);
  switch (format) {
    case Format::zstd:
      return base + ".zst";
    case Format::gzip:
      return base + ".gz";
    case Format::plain:
      break;
  }
  return base;
}

std::optional<Format> format_of(const fs::path& file, std::string_view engine) {
  const std::string name = file.filename().string();
  for (const Format format : {Format::zstd, Format::gzip, Format::plain}) {
    if (format == Format::gzip && !is_server(engine)) continue;
    const std::string suffix = suffix_of(format, engine);
    if (name.size() > suffix.size() && name.ends_with(suffix)) return format;
  }
  return std::nullopt;
}

std::string name_of(const fs::path& file, std::string_view engine) {
  std::string name = file.filename().string();
  const std::optional<Format> format = format_of(file, engine);
  if (format) name.resize(name.size() - suffix_of(*format, engine).size());
  return name;
}

StoredContent read_stored(const fs::path& file, Format format, const Files& files, const Deadline& deadline,
                          const std::function<void(std::string_view)>& take, const Progress& progress,
                          std::string_view phase) {
  const std::optional<FileInfo> info = files.info(file);
  if (!info) throw Error(ErrorKind::not_found, "there is no backup file " + file.string());
  StoredContent content;
  Sha256 digest;
  FunctionSink out([&](std::string_view piece) {
    content.bytes_raw += piece.size();
    take(piece);
  });
  std::unique_ptr<ByteSink> decompressor;
  if (format == Format::zstd) decompressor = std::make_unique<ZstdDecompressor>(out);
  if (format == Format::gzip) decompressor = std::make_unique<GzipDecompressor>(out);
  ByteSink& first = decompressor ? *decompressor : out;
  try {
    files.read_in_pieces(file, [&](std::string_view piece) {
      deadline.check(fmt::format("{} {}", phase, file.string()));
      content.bytes += piece.size();
      digest.update(piece);
      first.write(piece);
      if (progress) progress(phase, content.bytes, info->bytes);
    });
    first.finish();
  } catch (const Error& error) {
    if (error.kind != ErrorKind::invalid) throw;
    throw Error(ErrorKind::invalid, "backup file " + file.string() + " is damaged").caused_by(error);
  }
  content.digest = digest.hex();
  return content;
}

std::vector<std::string> compare(const StoredContent& content, const Manifest& manifest) {
  std::vector<std::string> problems;
  const auto differs = [&](std::string_view what, const auto& is, const auto& noted) {
    if (is != noted)
      problems.push_back(fmt::format("{}: {} is {}, the manifest says {}", manifest.name, what, is, noted));
  };
  differs("its size", content.bytes, manifest.bytes);
  differs("its digest", content.digest, manifest.digest);
  differs("its size unpacked", content.bytes_raw, manifest.bytes_raw);
  return problems;
}

DatabaseContent read_content(database::Session& session, const Deadline& deadline) {
  const database::Schema schema = session.dialect().introspect(session, deadline);
  return {schema.fingerprint(), database::row_digests(session, schema, deadline)};
}

std::vector<std::string> compare(const DatabaseContent& content, const Manifest& manifest) {
  std::vector<std::string> problems;
  const std::string& name = manifest.name;
  if (content.fingerprint != manifest.fingerprint) {
    problems.push_back(fmt::format("{}: the schema is not the one in the manifest", name));
  }
  for (const auto& [table, noted] : manifest.tables) {
    const auto found = content.tables.find(table);
    if (found == content.tables.end()) {
      problems.push_back(fmt::format("{}: table {} is missing", name, table));
    } else if (found->second.rows != noted.rows) {
      problems.push_back(
          fmt::format("{}: table {} has {} rows, the manifest says {}", name, table, found->second.rows, noted.rows));
    } else if (found->second != noted) {
      problems.push_back(fmt::format("{}: the rows of table {} are not those in the manifest", name, table));
    }
  }
  for (const auto& entry : content.tables) {
    if (!manifest.tables.contains(entry.first)) {
      problems.push_back(fmt::format("{}: table {} is not in the manifest", name, entry.first));
    }
  }
  return problems;
}

ScratchFolder::ScratchFolder(const fs::path& parent, Files& files)
    : files_(files), path_(fs::absolute(parent) / ("backup-" + random_hex(12))) {
  files_.make_folder(parent, 0700);
  files_.make_folder(path_, 0700);
}

ScratchFolder::~ScratchFolder() {
  try {
    files_.remove_folder(path_);
  } catch (const Error&) {
    // What is left of a scratch folder disturbs nobody; the error that led here, if any, is the one to tell.
  }
}

StoredContent unpack(const fs::path& file, Format format, const fs::path& target, Files& files,
                     const Deadline& deadline, const Progress& progress) {
  Files::Publication out = files.begin(target, 0600);
  const StoredContent content = read_stored(
      file, format, files, deadline, [&out](std::string_view piece) { out.write(piece); }, progress, "unpacking");
  out.commit();
  return content;
}

std::unique_ptr<database::Session> open_copy(const database::Url& url, const fs::path& file, const Deadline& deadline) {
  database::Url copy = url;
  copy.file = fs::absolute(file).string();
  return database::open(copy, file.parent_path(), database::Access::read_only, deadline);
}

}  // namespace deployer::backups
