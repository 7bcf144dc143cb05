#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace deployer {
class FileLock;
class Files;
}  // namespace deployer

namespace deployer::database {

/// The folder of one sandbox, gone with the object. In it `lock`, which its runner holds, and `server`, which is all
/// that the server program gets to see: `data`, `tmp`, `files` (for secure_file_priv), `plugins` (empty), `socket`.
///
/// It is below `folder` where a server can work there. It cannot as root, since it then runs as a user who may not
/// enter root's folders, nor where the socket's path would be longer than sun_path of unix(7) takes: then it is in
/// /var/tmp (which, unlike /tmp, is on a disk).
class SandboxHome {
 public:
  /// Removes those of dead runners first, and ends what is left of their processes. Errors `io`, `no_space`.
  SandboxHome(const std::filesystem::path& folder, Files& files);
  ~SandboxHome();
  SandboxHome(const SandboxHome&) = delete;
  SandboxHome& operator=(const SandboxHome&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path server() const { return path_ / "server"; }
  std::filesystem::path socket() const { return server() / "socket"; }
  /// As root: whom the server runs as, an id that nobody else on the machine has. So what it does reaches neither
  /// root's files nor those of the machine's own database server.
  std::optional<uid_t> user() const { return user_; }
  /// Gives a file or folder in `server`, with all that is in it, to that user.
  void give(const std::filesystem::path& path) const;

  /// The variable in the environment of all processes of a sandbox; its value is the home's path.
  static constexpr const char* variable = "DEPLOYER_SANDBOX";

 private:
  void choose_user();

  Files& files_;
  std::filesystem::path path_;
  std::unique_ptr<FileLock> lock_;
  std::optional<uid_t> user_;
};

}  // namespace deployer::database
