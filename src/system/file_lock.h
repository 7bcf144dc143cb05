#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/deadline.h"

namespace deployer {

/// An exclusive flock(2) on a file of its own. It ends with the process, however that ends, or with the object; no
/// child inherits it (close-on-exec, and a child closes all it was not given before it waits for anything). The file
/// stays: removing it would let two hold "the" lock.
class FileLock {
 public:
  /// Takes the lock if it is free. The file is made (mode 0644: who can read it can lock it) where it is missing; its
  /// folder must be there. Nothing if somebody else holds it, in this process too. Error `io` if the file cannot be
  /// opened.
  static std::optional<FileLock> try_take(const std::filesystem::path& file);
  /// Waits for it until the deadline (looking every 50 ms); nothing if that came first. Error `cancelled`.
  static std::optional<FileLock> take(const std::filesystem::path& file, const Deadline& deadline);
  /// True if somebody holds it at this moment. Makes no file.
  static bool is_held(const std::filesystem::path& file);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace deployer
