#include "actions/release/shared.h"

#include <algorithm>

#include "base/error.h"
#include "system/files.h"

namespace deployer {

namespace {

/// `a/b` for `./a//b/`.
std::filesystem::path shared_path(const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

bool leaves(const std::filesystem::path& path) {
  return path.is_absolute() || path.empty() || path == "." || *path.begin() == "..";
}

bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  const auto [end, ignored] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end();
}

/// The folders above the link, in the release itself: over a link of the release one would land elsewhere.
void make_folders_above(Files& files, const std::filesystem::path& folder, const std::filesystem::path& path) {
  std::filesystem::path above = folder;
  for (const std::filesystem::path& name : path.parent_path()) {
    above /= name;
    const auto info = files.info(above);
    if (info && !info->is_folder) {
      throw Error(ErrorKind::failed, "'" + path.string() + "' cannot be shared: the release has " +
                                         above.lexically_relative(folder).string() + " as " +
                                         (info->is_link ? "a link" : "a file"));
    }
  }
  files.make_folder(above);
}

}  // namespace

std::optional<std::string> shared_paths_complaint(const Json& value) {
  std::vector<std::filesystem::path> before;
  for (const Json& item : value) {
    const std::string text = item.get<std::string>();
    const std::filesystem::path path = shared_path(text);
    if (text.find('\0') != std::string::npos || leaves(path)) return "'" + text + "' is no path inside the release";
    for (const std::filesystem::path& other : before) {
      if (is_within(path, other) || is_within(other, path)) {
        return "'" + text + "' and '" + other.string() + "' are one within the other";
      }
    }
    before.push_back(path);
  }
  return std::nullopt;
}

std::vector<std::filesystem::path> missing_shared_folders(const ReleaseLayout& layout, const Files& files,
                                                          const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> missing;
  for (const std::string& text : paths) {
    std::filesystem::path folder = layout.shared();
    for (const std::filesystem::path& name : shared_path(text)) {
      folder /= name;
      const bool is_new = std::find(missing.begin(), missing.end(), folder) == missing.end();
      if (is_new && !files.exists(folder)) missing.push_back(folder);
    }
  }
  return missing;
}

void link_shared(const ReleaseLayout& layout, Files& files, const std::vector<std::string>& paths,
                 const std::vector<std::filesystem::path>& made, const std::filesystem::path& folder) {
  for (const std::string& text : paths) {
    const std::filesystem::path path = shared_path(text);
    const std::filesystem::path target = layout.shared() / path;
    const std::filesystem::path link = folder / path;
    make_folders_above(files, folder, path);
    const auto info = files.info(link);
    const bool is_made = std::find(made.begin(), made.end(), target) != made.end();
    if (info && !info->is_folder && is_made) {
      throw Error(ErrorKind::failed, target.string() + " does not exist, and the release has a file there",
                  "put the file that all releases share there once");
    }
    if (info && info->is_folder) {
      remove_release(link, files);
    } else if (info) {
      files.remove(link);
    }
    files.switch_link(link, target.lexically_relative(layout.releases() / "ID" / path.parent_path()));
  }
}

}  // namespace deployer
