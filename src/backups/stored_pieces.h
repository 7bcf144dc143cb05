#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "backups/stored_file.h"
#include "base/deadline.h"

namespace deployer::backups {

/// A stored file, unpacked and handed out piece by piece: read and unpacked in a thread of its own, a few megabytes
/// ahead. One thread asks.
class StoredPieces {
 public:
  /// `files` and `deadline` must live longer.
  StoredPieces(const std::filesystem::path& file, Format format, const Files& files, const Deadline& deadline);
  ~StoredPieces();
  StoredPieces(const StoredPieces&) = delete;
  StoredPieces& operator=(const StoredPieces&) = delete;

  /// The next piece; empty at the end. Errors as of `read_stored`.
  std::string next();
  /// What the file turned out to be; known once `next` has given nothing.
  const StoredContent& content() const { return content_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t bytes_total() const { return bytes_total_; }

 private:
  void read(const std::filesystem::path& file, Format format, const Files& files, const Deadline& deadline);
  void put(std::string_view piece);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  std::size_t held_ = 0;
  bool ended_ = false;
  bool left_ = false;  ///< nobody asks any more
  std::exception_ptr error_;
  StoredContent content_;
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::uint64_t> bytes_total_{0};
  std::thread thread_;
};

}  // namespace deployer::backups
