#include "backups/verify.h"

#include <fmt/format.h>

#include "backups/stored_file.h"
#include "database/dialect.h"
#include "system/files.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

/// How the manifest's file is stored; else a problem.
std::optional<Format> verify_format(const Manifest& manifest, Finding& finding) {
  const std::optional<Format> format = format_of(manifest.file, manifest.engine);
  if (!format)
    finding.problems.push_back(
        fmt::format("{}: {} is in no format of {}", manifest.name, manifest.file.string(), manifest.engine));
  return format;
}

/// True for what says that the backup is bad, not that it could not be looked at.
bool is_verdict(const Error& error) {
  return error.kind == ErrorKind::invalid || error.kind == ErrorKind::not_found || error.kind == ErrorKind::database;
}

void add_all(std::vector<std::string>& problems, const std::vector<std::string>& more) {
  problems.insert(problems.end(), more.begin(), more.end());
}

}  // namespace

Finding verify(const Manifest& manifest, const Files& files, const Deadline& deadline, const Progress& progress) {
  Finding finding;
  const std::optional<Format> format = verify_format(manifest, finding);
  if (!format) return finding;
  try {
    const auto drop = [](std::string_view) {};
    add_all(finding.problems,
            compare(read_stored(manifest.file, *format, files, deadline, drop, progress, "checking"), manifest));
  } catch (const Error& error) {
    if (!is_verdict(error)) throw;
    finding.problems.push_back(fmt::format("{}: {}", manifest.name, error.summary()));
  }
  return finding;
}

Finding drill(const Manifest& manifest, const database::Url& url, const fs::path& scratch, Files& files,
              const Deadline& deadline, const Progress& progress) {
  Finding finding;
  if (const std::string_view engine = database::dialect_of(url.engine).name(); engine != manifest.engine) {
    finding.problems.push_back(
        fmt::format("{}: it is a backup of {}, not of {}", manifest.name, manifest.engine, engine));
    return finding;
  }
  const std::optional<Format> format = verify_format(manifest, finding);
  if (!format) return finding;
  const ScratchFolder folder(scratch, files);
  const fs::path file = folder.path() / (manifest.name + suffix_of(Format::plain, manifest.engine));
  try {
    const auto begin = Deadline::Clock::now();
    add_all(finding.problems, compare(unpack(manifest.file, *format, file, files, deadline, progress), manifest));
    finding.restore = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begin);
    const std::unique_ptr<database::Session> session = open_copy(url, file, deadline);
    for (const std::string& problem : session->dialect().integrity(*session, deadline)) {
      finding.problems.push_back(fmt::format("{}: {}", manifest.name, problem));
    }
    add_all(finding.problems, compare(read_content(*session, deadline), manifest));
  } catch (const Error& error) {
    if (!is_verdict(error)) throw;
    finding.problems.push_back(fmt::format("{}: {}", manifest.name, error.summary()));
  }
  return finding;
}

}  // namespace deployer::backups
