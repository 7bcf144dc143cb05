#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace deployer::test {

/// A web server on 127.0.0.1 that gives every request the same answer and remembers what it was asked, as long as the
/// object lives.
class HttpAnswerer {
 public:
  /// `answer` is the whole of it: status line, headers, body. An empty one is never given: the client waits.
  explicit HttpAnswerer(std::string answer);
  ~HttpAnswerer();
  HttpAnswerer(const HttpAnswerer&) = delete;
  HttpAnswerer& operator=(const HttpAnswerer&) = delete;

  std::string url(const std::string& path) const;
  /// The requests so far, each with its head and body.
  std::vector<std::string> requests() const;

 private:
  void serve();
  std::string answer_;
  int listener_;
  int port_ = 0;
  std::atomic<bool> done_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

/// An answer with this status line's end, as in "200 OK", and body.
std::string http_answer(const std::string& status, const std::string& body, const std::string& headers = {});

}  // namespace deployer::test
