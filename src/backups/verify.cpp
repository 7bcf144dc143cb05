#include "backups/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "backups/restore_server.h"
#include "backups/stored_file.h"
#include "database/dialect.h"
#include "database/sandbox.h"
#include "system/files.h"
#include "system/machine.h"

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

namespace {

/// Runs `act`; what it says against the backup goes into the finding.
void judge_backup(const Manifest& manifest, Finding& finding, const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    if (!is_verdict(error)) throw;
    finding.problems.push_back(fmt::format("{}: {}", manifest.name, error.summary()));
  }
}

void drill_file(const Manifest& manifest, Format format, const database::Url& url, const fs::path& scratch,
                Files& files, const Deadline& deadline, const Progress& progress, Finding& finding) {
  const ScratchFolder folder(scratch, files);
  const fs::path file = folder.path() / (manifest.name + suffix_of(Format::plain, manifest.engine));
  judge_backup(manifest, finding, [&] {
    const auto begin = Deadline::Clock::now();
    add_all(finding.problems, compare(unpack(manifest.file, format, file, files, deadline, progress), manifest));
    finding.restore = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begin);
    const std::unique_ptr<database::Session> session = open_copy(url, file, deadline);
    for (const std::string& problem : session->dialect().integrity(*session, deadline)) {
      finding.problems.push_back(fmt::format("{}: {}", manifest.name, problem));
    }
    add_all(finding.problems, compare(read_content(*session, deadline), manifest));
  });
}

/// The manifest as far as it can be compared: with views missing, the schema as a whole cannot.
Manifest comparable(Manifest manifest, const LoadedSchema& loaded) {
  const bool views_missing = std::any_of(loaded.unchecked.begin(), loaded.unchecked.end(),
                                         [](const std::string& text) { return text.starts_with("view "); });
  if (views_missing) manifest.fingerprint = loaded.content.fingerprint;
  return manifest;
}

void drill_schema(const Manifest& manifest, Format format, const database::Url& url, const fs::path& scratch,
                  const Machine& machine, const Deadline& deadline, const Progress& progress, Finding& finding) {
  // Without the server that it came from nobody knows what a private one must be like.
  const ScratchFolder folder(scratch, machine.files);
  std::unique_ptr<database::Sandbox> sandbox;  // ends before its folder goes
  {
    const std::unique_ptr<database::Session> like =
        database::open(url, folder.path(), database::Access::read_only, deadline);
    sandbox = database::Sandbox::start(*like, folder.path(), machine, deadline);
  }
  const std::unique_ptr<database::Session> session = sandbox->open(deadline);
  judge_backup(manifest, finding, [&] {
    const auto begin = Deadline::Clock::now();
    const LoadedSchema loaded =
        load_stored(*session, {manifest.file, manifest}, format, true, machine.files, deadline, progress);
    finding.restore = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begin);
    finding.unchecked = loaded.unchecked;
    add_all(finding.problems, compare(loaded.stored, manifest));
    add_all(finding.problems, compare(loaded.content, comparable(manifest, loaded)));
  });
}

}  // namespace

Finding drill(const Manifest& manifest, const database::Url& url, const fs::path& scratch, const Machine& machine,
              const Deadline& deadline, const Progress& progress) {
  Finding finding;
  const database::Dialect& dialect = database::dialect_of(url.engine);
  if (dialect.name() != manifest.engine) {
    finding.problems.push_back(
        fmt::format("{}: it is a backup of {}, not of {}", manifest.name, manifest.engine, dialect.name()));
    return finding;
  }
  const std::optional<Format> format = verify_format(manifest, finding);
  if (!format) return finding;
  if (dialect.server() != nullptr) {
    drill_schema(manifest, *format, url, scratch, machine, deadline, progress, finding);
  } else {
    drill_file(manifest, *format, url, scratch, machine.files, deadline, progress, finding);
  }
  return finding;
}

}  // namespace deployer::backups
