#include "actions/release/layout.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>

#include "actions/inputs.h"
#include "base/error.h"
#include "system/files.h"

namespace deployer {

namespace {

constexpr std::size_t release_time_length = 14;
constexpr std::size_t release_commit_length = 7;
constexpr std::string_view release_part_suffix = ".part";

/// A folder's entries can be removed by its owner only where it is writable; a release may hold others.
void make_removable(const std::filesystem::path& folder) {
  std::error_code failure;
  const auto status = std::filesystem::symlink_status(folder, failure);
  if (failure || status.type() != std::filesystem::file_type::directory) return;
  using std::filesystem::perms;
  if ((status.permissions() & perms::owner_all) != perms::owner_all) {
    std::filesystem::permissions(folder, perms::owner_all, std::filesystem::perm_options::add, failure);
    if (failure) throw io_error(failure.value(), "cannot make " + folder.string() + " writable");
  }
  std::filesystem::directory_iterator entries(folder, failure);
  for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    if (!entries->is_symlink()) make_removable(entries->path());
  }
  if (failure) throw io_error(failure.value(), "cannot list " + folder.string());
}

bool is_in_release(const std::filesystem::path& path, const std::filesystem::path& release) {
  const std::filesystem::path inner = path.lexically_relative(release);
  return !inner.empty() && *inner.begin() != "..";
}

std::filesystem::path link_end(const ReleaseLayout& layout, const std::string& text) {
  return (layout.directory / text).lexically_normal();
}

/// Where something still points to, most of it in releases.
std::vector<std::filesystem::path> linked_paths(const ReleaseLayout& layout, const Files& files,
                                                const std::vector<std::string>& needed) {
  std::vector<std::filesystem::path> linked;
  for (const std::string& text : needed) linked.push_back(link_end(layout, text));
  for (const std::string& name : files.list(layout.directory)) {
    if (const auto text = files.read_link(layout.directory / name)) linked.push_back(link_end(layout, text->string()));
  }
  return linked;
}

}  // namespace

ReleaseLayout::ReleaseLayout(const ActionContext& context)
    : directory(context.path(text_input(context.inputs(), "directory"))) {
  if (!directory.has_filename()) directory = directory.parent_path();
}

std::string new_release_id(const ReleaseLayout& layout, const Files& files, std::chrono::system_clock::time_point now,
                           const std::string& commit) {
  std::string id = fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  if (!commit.empty()) id += "-" + commit.substr(0, release_commit_length);
  std::string free = id;
  for (int n = 2; files.exists(layout.release(free)) || files.exists(layout.part(free)); ++n) {
    free = id + "-" + std::to_string(n);
  }
  return free;
}

bool is_release_id(std::string_view name) {
  if (name.size() < release_time_length) return false;
  const std::string_view rest = name.substr(release_time_length);
  return name.substr(0, release_time_length).find_first_not_of("0123456789") == std::string_view::npos &&
         (rest.empty() || rest.front() == '-') && rest.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

void remove_release_parts(const ReleaseLayout& layout, Files& files) {
  for (const std::string& name : files.list(layout.releases())) {
    if (!name.ends_with(release_part_suffix)) continue;
    if (!is_release_id(std::string_view(name).substr(0, name.size() - release_part_suffix.size()))) continue;
    remove_release(layout.releases() / name, files);
  }
}

void remove_release(const std::filesystem::path& folder, Files& files) {
  make_removable(folder);
  files.remove_folder(folder);
}

std::vector<std::string> remove_old_releases(const ReleaseLayout& layout, Files& files, std::size_t keep,
                                             const std::vector<std::string>& needed) {
  remove_release_parts(layout, files);
  std::vector<std::string> ids;
  for (const std::string& name : files.list(layout.releases())) {
    const auto info = files.info(layout.release(name));
    if (is_release_id(name) && info && info->is_folder) ids.push_back(name);
  }
  ids.resize(ids.size() - std::min(keep, ids.size()));
  const std::vector<std::filesystem::path> linked = linked_paths(layout, files, needed);
  std::erase_if(ids, [&](const std::string& id) {
    return std::any_of(linked.begin(), linked.end(),
                       [&](const std::filesystem::path& path) { return is_in_release(path, layout.release(id)); });
  });
  for (const std::string& id : ids) {
    // Under its own name it is whole, or not there at all.
    files.rename(layout.release(id), layout.part(id));
    remove_release(layout.part(id), files);
  }
  return ids;
}

}  // namespace deployer
