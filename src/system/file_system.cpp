#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "system/files.h"

namespace deployer {

namespace fs = std::filesystem;

namespace {

/// `path` itself, or the nearest of its parents that is there.
fs::path file_system_nearest(const fs::path& path) {
  fs::path place = fs::absolute(path);
  std::error_code ignored;
  while (!fs::exists(place, ignored) && place.has_relative_path()) place = place.parent_path();
  return place;
}

struct NetworkFileSystem {
  std::uint32_t magic;
  const char* name;
};

// statfs(2), linux/magic.h; those without a constant there by the number in their sources.
constexpr std::array network_file_systems = {
    NetworkFileSystem{NFS_SUPER_MAGIC, "nfs"},     NetworkFileSystem{0xFF534D42, "cifs"},
    NetworkFileSystem{0xFE534D42, "smb2"},         NetworkFileSystem{SMB_SUPER_MAGIC, "smb"},
    NetworkFileSystem{V9FS_MAGIC, "9p"},           NetworkFileSystem{0x00C36400, "ceph"},
    NetworkFileSystem{AFS_SUPER_MAGIC, "afs"},     NetworkFileSystem{AFS_FS_MAGIC, "afs"},
    NetworkFileSystem{CODA_SUPER_MAGIC, "coda"},   NetworkFileSystem{NCP_SUPER_MAGIC, "ncp"},
    NetworkFileSystem{OCFS2_SUPER_MAGIC, "ocfs2"}, NetworkFileSystem{0x01161970, "gfs2"},
    NetworkFileSystem{0x0BD00BD0, "lustre"},       NetworkFileSystem{0x19830326, "fhgfs"},
    NetworkFileSystem{0x47504653, "gpfs"},         NetworkFileSystem{0x786f4256, "vboxsf"},
};

// A FUSE file system tells by its subtype only whether a network is behind it.
constexpr std::array network_fuse_types = {"fuse.sshfs",     "fuse.glusterfs", "fuse.s3fs",      "fuse.rclone",
                                           "fuse.ceph",      "fuse.juicefs",   "fuse.davfs",     "fuse.gcsfuse",
                                           "fuse.ceph-fuse", "fuse.curlftpfs", "fuse.gvfsd-fuse"};

/// The type of the mounted file system on `device` ("major:minor"), as proc(5) shows it in mountinfo; or empty.
std::string mounted_type(const std::string& device) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, number, word;
    words >> id >> parent >> number;
    if (number != device) continue;
    while (words >> word && word != "-") continue;
    words >> word;
    return word;
  }
  return {};
}

}  // namespace

std::uint64_t Files::free_space(const fs::path& path) const {
  const fs::path place = file_system_nearest(path);
  struct statvfs data = {};
  if (::statvfs(place.c_str(), &data) != 0) {
    throw io_error(errno, "cannot look at the file system of " + place.string());
  }
  return static_cast<std::uint64_t>(data.f_bavail) * data.f_frsize;
}

std::optional<std::string> network_file_system(const fs::path& path) {
  const fs::path place = file_system_nearest(path);
  struct statfs data = {};
  if (::statfs(place.c_str(), &data) != 0) {
    throw io_error(errno, "cannot look at the file system of " + place.string());
  }
  const auto magic = static_cast<std::uint32_t>(data.f_type);
  for (const NetworkFileSystem& known : network_file_systems) {
    if (known.magic == magic) return known.name;
  }
  constexpr std::uint32_t fuse_magic = 0x65735546;
  if (magic != fuse_magic) return std::nullopt;
  struct stat entry = {};
  if (::stat(place.c_str(), &entry) != 0) throw io_error(errno, "cannot look at " + place.string());
  const std::string type =
      mounted_type(std::to_string(major(entry.st_dev)) + ":" + std::to_string(minor(entry.st_dev)));
  const auto* found = std::find(network_fuse_types.begin(), network_fuse_types.end(), type);
  if (found == network_fuse_types.end()) return std::nullopt;
  return type;
}

}  // namespace deployer
