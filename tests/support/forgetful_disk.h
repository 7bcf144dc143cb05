#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "system/files.h"

namespace deployer::test {

/// A disk under one real folder that loses at a power cut what was not synced: the content of a file lasts from the
/// fsync of the file, an entry of a folder (made, removed, renamed) from the fsync of the folder. Each call can be made
/// to fail. What is in the folder when it is made is durable. A file that somebody
/// makes by other ways than through it lasts, empty, from the next fsync of its folder.
class ForgetfulDisk : public FileCalls {
 public:
  enum class Call { any, open, write, fsync, close, rename, unlink, mkdir, rmdir, symlink, ftruncate, fallocate };
  /// What a power cut does with what was not synced: a disk may lose all of it, or keep the names (the journal of the
  /// file system came through) but not the bytes.
  enum class Unsynced { lost, names_kept };

  explicit ForgetfulDisk(std::filesystem::path folder);
  ~ForgetfulDisk() override;

  /// The `n`-th call (from 1) of this kind fails with `code`, once.
  void fail(Call call, std::uint64_t n, int code);
  /// That one and all after it, until `repair`.
  void fail_from(Call call, std::uint64_t n, int code);
  void repair();
  /// From the `n`-th call of any kind on nothing has an effect any more: every call fails with EIO.
  void cut_power_at(std::uint64_t n);
  /// write(2) takes at most so many bytes at a time.
  void write_at_most(std::size_t bytes) { write_limit_ = bytes; }

  /// Calls of this kind so far.
  std::uint64_t count(Call call) const;

  /// Puts the real folder into the state in which it comes up after a power cut at this moment. Open descriptors and
  /// failures that were ordered are forgotten.
  void lose_power(Unsynced unsynced = Unsynced::lost);

  int open(const char* path, int flags, mode_t mode) override;
  ssize_t write(int fd, const void* bytes, std::size_t count) override;
  int fsync(int fd) override;
  int close(int fd) override;
  int rename(const char* from, const char* to) override;
  int unlink(const char* path) override;
  int mkdir(const char* path, mode_t mode) override;
  int rmdir(const char* path) override;
  int symlink(const char* target, const char* link) override;
  int ftruncate(int fd, off_t length) override;
  int fallocate(int fd, off_t offset, off_t length) override;

 private:
  struct Node;
  using NodePointer = std::shared_ptr<Node>;
  struct Order {
    Call call;
    std::uint64_t first;
    bool once;
    int code;
  };

  bool refuses(Call call);
  NodePointer scan(const std::filesystem::path& path) const;
  void rebuild(const std::filesystem::path& path, const NodePointer& node, Unsynced unsynced) const;
  /// What came into a folder, and went out of it, by other ways than through this disk.
  void notice_others(Node& node, const std::filesystem::path& folder) const;
  NodePointer folder_of(const std::filesystem::path& path) const;
  NodePointer find(const std::filesystem::path& path) const;

  std::filesystem::path root_path_;
  NodePointer root_;
  std::map<int, NodePointer> open_;
  std::map<Call, std::uint64_t> counts_;
  std::optional<Order> order_;
  std::uint64_t cut_at_ = 0;
  std::size_t write_limit_ = SIZE_MAX;
  mutable std::recursive_mutex mutex_;
};

}  // namespace deployer::test
