#include "backups/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "backups/marks.h"
#include "backups/verify.h"
#include "system/file_lock.h"
#include "system/files.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

/// Why a backup's file cannot be the manifest's, by a glance; empty if nothing speaks against it.
std::string catalogue_complaint(const Manifest& manifest, const Files& files) {
  const std::optional<FileInfo> info = files.info(manifest.file);
  if (!info) return fmt::format("backup {}: its file {} is gone", manifest.name, manifest.file.string());
  if (info->bytes == manifest.bytes) return {};
  return fmt::format("backup {}: its file has {} bytes, the manifest says {}", manifest.name, info->bytes,
                     manifest.bytes);
}

}  // namespace

Catalogue list(const fs::path& folder, const Files& files) {
  Catalogue catalogue;
  for (const std::string& entry : files.list(folder)) {
    if (!entry.ends_with(".json")) continue;
    try {
      Manifest manifest = read_manifest(folder / entry, files);
      std::string complaint = catalogue_complaint(manifest, files);
      if (complaint.empty()) {
        catalogue.backups.push_back(std::move(manifest));
      } else {
        catalogue.problems.push_back(std::move(complaint));
      }
    } catch (const Error& error) {
      if (error.kind == ErrorKind::not_found) continue;  // removed while we looked
      catalogue.problems.push_back(error.summary());
    }
  }
  std::stable_sort(catalogue.backups.begin(), catalogue.backups.end(), [](const Manifest& a, const Manifest& b) {
    return a.created_at != b.created_at ? a.created_at > b.created_at : a.name > b.name;
  });
  return catalogue;
}

Manifest show(const fs::path& folder, const std::string& name, const Files& files) {
  const Catalogue catalogue = list(folder, files);
  for (const Manifest& manifest : catalogue.backups) {
    const bool is_it = manifest.name == name || manifest.file.filename() == name || manifest.file == fs::absolute(name);
    if (is_it) return manifest;
  }
  throw Error(ErrorKind::not_found, fmt::format("there is no backup {} in {}", name, folder.string()),
              "`deployer backup list` shows them");
}

std::optional<std::string> newest_good(const std::vector<Manifest>& backups, const Files& files,
                                       const Deadline& deadline) {
  std::vector<const Manifest*> newest_first;
  for (const Manifest& backup : backups) newest_first.push_back(&backup);
  std::stable_sort(newest_first.begin(), newest_first.end(),
                   [](const Manifest* a, const Manifest* b) { return a->created_at > b->created_at; });
  for (const Manifest* backup : newest_first) {
    if (verify(*backup, files, deadline).good()) return backup->name;
  }
  return std::nullopt;
}

void remove(const Manifest& backup, Files& files) {
  const fs::path mark = with_suffix(backup.file, removed_suffix);
  if (files.exists(backup.manifest_file())) files.rename(backup.manifest_file(), mark);
  if (!files.exists(mark)) return;
  files.remove(backup.file);
  files.remove(mark);
}

namespace {

/// The sweep of a folder's leftovers.
class Sweep {
 public:
  Sweep(const fs::path& folder, Files& files) : folder_(folder), files_(files) {
    for (const std::string& name : files.list(folder)) names_.insert(name);
    for (const std::string& name : names_) {
      if (!name.ends_with(".json")) continue;
      try {
        backed_.insert(read_manifest(folder / name, files).file.filename().string());
      } catch (const Error&) {
        unsure_ = true;
      }
    }
  }

  std::vector<std::string> run() {
    for (const std::string& name : names_) {
      for (const std::string_view suffix : {writing_suffix, removed_suffix}) {
        if (name.ends_with(suffix)) settle(name, name.substr(0, name.size() - suffix.size()));
      }
    }
    return removed_;
  }

 private:
  /// All that belongs to the file that `mark` marks; the mark last.
  void settle(const std::string& mark, const std::string& file) {
    const std::string writing = file + std::string(writing_suffix);
    std::optional<FileLock> lock;
    if (names_.contains(writing)) {
      lock = FileLock::try_take(folder_ / writing);
      if (!lock) return;  // its writer lives
    }
    if (!backed_.contains(file)) {
      if (unsure_) return;
      take(file);
    }
    for (const std::string& name : names_) {
      if (name.starts_with(file + std::string(copy_suffix)) || name == file + ".part" || is_manifest_part(name, file)) {
        take(name);
      }
    }
    take(mark);
  }

  /// Whether `name` is what a manifest of `file` was written into.
  static bool is_manifest_part(const std::string& name, const std::string& file) {
    constexpr std::string_view suffix = ".json.part";
    return name.ends_with(suffix) && file.starts_with(name.substr(0, name.size() - suffix.size()) + ".");
  }

  void take(const std::string& name) {
    if (!files_.exists(folder_ / name)) return;
    files_.remove(folder_ / name);
    removed_.push_back(name);
  }

  fs::path folder_;
  Files& files_;
  std::set<std::string> names_;
  std::set<std::string> backed_;  ///< files that a manifest vouches for
  bool unsure_ = false;           ///< a manifest cannot be read: it may be of any file, so none is taken away
  std::vector<std::string> removed_;
};

}  // namespace

std::vector<std::string> remove_leftovers(const fs::path& folder, Files& files) {
  // Where a file stands in the place of the folder, a backup has failed for that, and left nothing.
  const std::optional<FileInfo> info = files.info(folder);
  if (!info || !info->is_folder) return {};
  return Sweep(folder, files).run();
}

}  // namespace deployer::backups
