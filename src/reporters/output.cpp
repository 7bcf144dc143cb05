#include <poll.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "reporters/table.h"
#include "system/process_spawn.h"

namespace deployer {

namespace {

// poll(2) promises that so much can be written to a pipe without blocking (pipe(7), PIPE_BUF).
constexpr std::size_t output_piece = 4096;
constexpr std::size_t output_kept = std::size_t{8} << 20;
constexpr int output_look_ms = 100;

class OutputWriter {
 public:
  OutputWriter(int fd, std::chrono::milliseconds patience) : fd_(fd), patience_(patience) {}

  ~OutputWriter() {
    std::unique_lock lock(mutex_);
    std::size_t left = kept_bytes_;
    while (!kept_.empty()) {
      taken_.wait_for(lock, patience_, [&] { return kept_.empty() || kept_bytes_ < left; });
      if (kept_bytes_ == left) break;
      left = kept_bytes_;
    }
    lock.unlock();
    thread_.request_stop();
  }
  OutputWriter(const OutputWriter&) = delete;
  OutputWriter& operator=(const OutputWriter&) = delete;

  void write(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (kept_.empty()) {
      text.remove_prefix(write_now(text, 0));
      if (text.empty() || gone_) return;
    } else if (kept_bytes_ + text.size() > output_kept) {
      return;
    }
    kept_.emplace_back(text);
    kept_bytes_ += text.size();
    if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { write_kept(stop); });
    came_.notify_one();
  }

 private:
  /// Writes what is taken without blocking; how much that was, or all of it where it can never be written.
  std::size_t write_now(std::string_view text, int wait_ms) {
    std::size_t done = 0;
    while (done < text.size()) {
      pollfd ready = {fd_, POLLOUT, 0};
      const int polled = ::poll(&ready, 1, wait_ms);
      if (polled < 0 && errno == EINTR) continue;
      if (polled == 0) return done;
      std::string_view piece = text.substr(done, output_piece);
      // A line that a full disk has cut is ended, so that the next one is whole.
      if (cut_ && done == 0) piece = "\n";
      const ssize_t taken = process::write_without_signal(fd_, piece.data(), piece.size());
      if (taken < 0 && (errno == EINTR || errno == EAGAIN)) {
        if (errno == EAGAIN) return done;
        continue;
      }
      if (taken <= 0) {
        cut_ = line_open_;
        gone_ = errno != ENOSPC && errno != EDQUOT && errno != EFBIG;
        return text.size();
      }
      if (cut_ && done == 0) {
        cut_ = line_open_ = false;
        continue;
      }
      line_open_ = piece[static_cast<std::size_t>(taken) - 1] != '\n';
      done += static_cast<std::size_t>(taken);
    }
    return done;
  }

  void write_kept(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (came_.wait(lock, stop, [&] { return !kept_.empty(); })) {
      // Only this thread takes from the front, and growing at the end leaves the front where it is.
      std::string& front = kept_.front();
      lock.unlock();
      pollfd ready = {fd_, POLLOUT, 0};
      const bool can = ::poll(&ready, 1, output_look_ms) > 0;
      lock.lock();
      if (stop.stop_requested()) return;
      if (!can) continue;
      const std::size_t taken = write_now(front, 0);
      kept_bytes_ -= taken;
      front.erase(0, taken);
      if (front.empty()) kept_.pop_front();
      if (gone_) {
        kept_.clear();
        kept_bytes_ = 0;
      }
      taken_.notify_all();
    }
  }

  int fd_;
  std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  std::condition_variable taken_;
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0;
  bool gone_ = false;
  bool line_open_ = false;  ///< what was written last was not the end of a line
  bool cut_ = false;        ///< and its end is lost
  std::jthread thread_;
};

}  // namespace

ReportOutput output_to(int fd, std::chrono::milliseconds patience) {
  const auto writer = std::make_shared<OutputWriter>(fd, patience);
  return [writer](std::string_view text) { writer->write(text); };
}

}  // namespace deployer
