#include "backups/stored_pieces.h"

#include <utility>

#include "base/error.h"

namespace deployer::backups {

namespace {

constexpr std::size_t most_held = 4 * 1024 * 1024;

}  // namespace

StoredPieces::StoredPieces(const std::filesystem::path& file, Format format, const Files& files,
                           const Deadline& deadline)
    : thread_([this, file, format, &files, &deadline] { read(file, format, files, deadline); }) {}

StoredPieces::~StoredPieces() {
  {
    const std::lock_guard lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void StoredPieces::read(const std::filesystem::path& file, Format format, const Files& files,
                        const Deadline& deadline) {
  std::exception_ptr error;
  StoredContent content;
  try {
    content = read_stored(
        file, format, files, deadline, [this](std::string_view piece) { put(piece); },
        [this](std::string_view, std::uint64_t done, std::uint64_t total) {
          bytes_read_ = done;
          bytes_total_ = total;
        },
        "unpacking");
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  content_ = content;
  error_ = error;
  ended_ = true;
  changed_.notify_all();
}

void StoredPieces::put(std::string_view piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return held_ < most_held || left_; });
  if (left_) throw Error(ErrorKind::cancelled, "nobody reads on");
  pieces_.emplace_back(piece);
  held_ += piece.size();
  changed_.notify_all();
}

std::string StoredPieces::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !pieces_.empty() || ended_; });
  if (pieces_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return {};
  }
  std::string piece = std::move(pieces_.front());
  pieces_.pop_front();
  held_ -= piece.size();
  changed_.notify_all();
  return piece;
}

}  // namespace deployer::backups
