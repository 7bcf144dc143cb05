#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deployer {

/// The calls on the file system that can lose data: what stands between Files and the kernel, so that a test can put a
/// disk there that forgets what was not synced, or is full at the n-th write. Each is the system call of its name and
/// returns what that returns, with errno set.
class FileCalls {
 public:
  virtual ~FileCalls() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual ssize_t write(int fd, const void* bytes, std::size_t count);
  virtual int fsync(int fd);
  virtual int close(int fd);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
  virtual int mkdir(const char* path, mode_t mode);
  virtual int rmdir(const char* path);
  virtual int symlink(const char* target, const char* link);
  virtual int ftruncate(int fd, off_t length);
  virtual int fallocate(int fd, off_t offset, off_t length);
};

struct FileInfo {
  bool is_folder = false;
  bool is_link = false;
  std::uint64_t bytes = 0;
  unsigned mode = 0;  ///< permission bits only
  std::chrono::system_clock::time_point modified;
  std::uint64_t inode = 0;
};

/// Files, written so that a crash at any instant leaves the old content or the new, never half of one. Every call that
/// changes something returns after fsync of the file and of its folder. Errors are thrown (`io`, `no_space`,
/// `not_found`) and name the path. Any thread; two writers of one path must be kept apart by the caller's lock.
class Files {
 public:
  Files();  ///< on the real disk
  explicit Files(FileCalls& calls);

  /// The whole file; `not_found` where there is none; `invalid` where it is larger than `limit` bytes.
  std::string read(const std::filesystem::path& file, std::uint64_t limit = UINT64_MAX) const;
  /// The same piece by piece, in order, for a file of any size; what `take` throws goes on.
  void read_in_pieces(const std::filesystem::path& file, const std::function<void(std::string_view)>& take) const;
  /// Nothing where there is no such file. Does not follow a link at the end.
  std::optional<FileInfo> info(const std::filesystem::path& file) const;
  bool exists(const std::filesystem::path& file) const { return info(file).has_value(); }
  /// The names in a folder, sorted; empty where there is no folder.
  std::vector<std::string> list(const std::filesystem::path& folder) const;
  /// Bytes that an unprivileged user may still write on the file system that holds `path` (or its nearest parent).
  std::uint64_t free_space(const std::filesystem::path& path) const;

  /// `text` at `file`, whole or not at all: `.part` beside it, fsync, rename, fsync of the folder.
  void publish(const std::filesystem::path& file, std::string_view text, unsigned mode = 0644);

  /// A file that is written piece by piece and published at the end. Without `commit` its destructor removes the
  /// `.part`. One thread at a time.
  class Publication {
   public:
    ~Publication();
    Publication(Publication&& other) noexcept;
    Publication& operator=(Publication&&) = delete;
    void write(std::string_view bytes);
    std::uint64_t bytes() const { return bytes_; }
    const std::filesystem::path& part() const { return part_; }
    /// fsync, so that what follows may rely on the bytes (a manifest beside them).
    void sync();
    /// fsync, close, rename to the final name, fsync of the folder.
    void commit();

   private:
    friend class Files;
    Publication(FileCalls& calls, std::filesystem::path file, int fd);
    FileCalls* calls_;
    std::filesystem::path file_;
    std::filesystem::path part_;
    int fd_ = -1;
    std::uint64_t bytes_ = 0;
  };
  Publication begin(const std::filesystem::path& file, unsigned mode = 0644);
  /// The same for a name that nobody else may have: nothing if there is such a file, or a `.part` of it, be it of
  /// somebody who writes it at this moment. Of two who ask at once, one gets it.
  std::optional<Publication> begin_new(const std::filesystem::path& file, unsigned mode = 0644);

  /// The folder and its missing parents, each synced into its parent. `mode` is for the new ones.
  void make_folder(const std::filesystem::path& folder, unsigned mode = 0755);
  /// rename(2), then fsync of both folders.
  void rename(const std::filesystem::path& from, const std::filesystem::path& to);
  /// Makes `link` a symbolic link to `target`, in one rename over what was there.
  void switch_link(const std::filesystem::path& link, const std::filesystem::path& target);
  /// The text of a symbolic link, or nothing if `link` is none.
  std::optional<std::filesystem::path> read_link(const std::filesystem::path& link) const;
  /// Removes a file or link; nothing happens if it is not there.
  void remove(const std::filesystem::path& file);
  /// Removes a folder with all that is in it, never following links; nothing happens if it is not there.
  void remove_folder(const std::filesystem::path& folder);
  /// A file of `bytes` bytes whose blocks are really taken (fallocate(2)): room kept for later.
  void reserve(const std::filesystem::path& file, std::uint64_t bytes);
  /// fsync of a folder.
  void sync_folder(const std::filesystem::path& folder);

 private:
  FileCalls* calls_;
};

/// The name of the file system that holds `path` (or its nearest parent) if it is one over a network (nfs, cifs, 9p,
/// ceph, …: statfs(2)), on which neither flock nor SQLite's WAL can be relied on; else nothing.
std::optional<std::string> network_file_system(const std::filesystem::path& path);

}  // namespace deployer
