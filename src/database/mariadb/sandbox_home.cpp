#include "database/mariadb/sandbox_home.h"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "system/file_lock.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::database {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view home_prefix = "deployer-sandbox-";
constexpr std::string_view unfinished_prefix = ".deployer-sandbox-";  // until its lock is held
constexpr auto unfinished_for = std::chrono::hours(1);                // really an instant
constexpr std::size_t random_digits = 6;                              // of mkdtemp(3)

// Where systemd takes the ids of DynamicUser= from, so that no distribution gives them to anybody
// (systemd.exec(5), "DynamicUser="; systemd's UIDS-GIDS document).
constexpr uid_t first_dynamic_user = 61184;
constexpr uid_t last_dynamic_user = 65519;
constexpr uid_t overflow_user = 65534;  // `nobody`

fs::path sandbox_temp_folder() {
  std::error_code unknown;
  const fs::path on_disk = "/var/tmp";
  if (fs::is_directory(on_disk, unknown) && ::access(on_disk.c_str(), W_OK | X_OK) == 0) return on_disk;
  return fs::temp_directory_path();
}

bool socket_fits(const fs::path& folder) {
  const std::string socket =
      (folder / std::string(home_prefix)).string() + std::string(random_digits, 'X') + "/server/socket";
  return socket.size() < sizeof(sockaddr_un::sun_path);
}

bool is_own_folder(const fs::path& path, struct stat& info) {
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

void end_processes_of(const fs::path& home) {
  const auto left = find_by_environment(SandboxHome::variable, home.string());
  if (!left.empty()) end_processes(left, Duration(0), Deadline::after(std::chrono::seconds(30)));
}

/// The homes in `folder` whose runner is dead. Somebody else may be at it too, be it their own supervisor: then they
/// are gone, or go at the next time.
void sweep(const fs::path& folder, Files& files) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    struct stat info {};
    if (!is_own_folder(entry.path(), info)) continue;
    try {
      if (name.rfind(home_prefix, 0) == 0) {
        if (FileLock::is_held(entry.path() / "lock")) continue;
        end_processes_of(entry.path());
        files.remove_folder(entry.path());
      } else if (name.rfind(unfinished_prefix, 0) == 0) {
        const auto changed = std::chrono::system_clock::from_time_t(info.st_mtime);
        if (std::chrono::system_clock::now() - changed > unfinished_for) files.remove_folder(entry.path());
      }
    } catch (const Error&) {
      continue;
    }
  }
}

fs::path new_folder(const fs::path& parent) {
  std::string path = (parent / std::string(unfinished_prefix)).string() + std::string(random_digits, 'X');
  if (::mkdtemp(path.data()) == nullptr) throw io_error(errno, "cannot make a folder in " + parent.string());
  return path;
}

void change_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) throw io_error(errno, "cannot change the mode of " + path.string());
}

bool change_owner(const fs::path& path, uid_t user) {
  if (::lchown(path.c_str(), user, static_cast<gid_t>(user)) == 0) return true;
  if (errno == EINVAL) return false;  // an id that this user namespace does not have (user_namespaces(7))
  throw io_error(errno, "cannot change the owner of " + path.string());
}

bool is_somebodys(uid_t user) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  return ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
}

uid_t unused_user() {
  const uid_t count = last_dynamic_user - first_dynamic_user + 1;
  const auto begin = static_cast<uid_t>(std::stoul(random_hex(6), nullptr, 16));
  for (uid_t i = 0; i < count; ++i) {
    const uid_t user = first_dynamic_user + (begin + i) % count;
    if (!is_somebodys(user)) return user;
  }
  return overflow_user;
}

}  // namespace

SandboxHome::SandboxHome(const fs::path& folder, Files& files) : files_(files) {
  const bool inside = ::geteuid() != 0 && socket_fits(folder);
  const fs::path parent = inside ? folder : sandbox_temp_folder();
  sweep(sandbox_temp_folder(), files);
  if (inside) {
    files.make_folder(folder, 0700);
    std::error_code unreadable;
    for (const auto& entry : fs::directory_iterator(folder.parent_path(), unreadable)) {
      if (entry.is_directory(unreadable)) sweep(entry.path(), files);
    }
  }
  path_ = new_folder(parent);
  try {
    // A home is one by its name, which it gets once its lock is held: no sweep may take it for that of a dead runner.
    auto lock = FileLock::try_take(path_ / "lock");
    if (!lock) throw Error(ErrorKind::io, "somebody else has locked " + path_.string());
    lock_ = std::make_unique<FileLock>(std::move(*lock));
    const fs::path named = parent / path_.filename().string().substr(1);
    files.rename(path_, named);
    path_ = named;
    for (const char* each : {"", "tmp", "files", "plugins"}) files.make_folder(server() / each, 0700);
    if (::geteuid() == 0) choose_user();
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    throw;
  }
}

SandboxHome::~SandboxHome() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);  // mostly gone already, by its supervisor
}

void SandboxHome::choose_user() {
  change_mode(path_, 0711);
  for (const uid_t user : {unused_user(), overflow_user}) {
    if (!change_owner(server(), user)) continue;
    user_ = user;
    give(server());
    return;
  }
  throw Error(ErrorKind::io, "a database server must not run as root, and there is no other user here",
              "run deployer as an ordinary user");
}

void SandboxHome::give(const fs::path& path) const {
  if (!user_) return;
  change_owner(path, *user_);
  if (!fs::is_directory(fs::symlink_status(path))) return;
  for (const auto& entry : fs::recursive_directory_iterator(path)) change_owner(entry.path(), *user_);
}

}  // namespace deployer::database
