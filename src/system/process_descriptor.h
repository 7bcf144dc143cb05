#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace deployer::process {

/// Owns an open file descriptor, or none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    other.reset();
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// The descriptor that a system call returned, moved out of the way of 0, 1 and 2 (a runner may have been started with
/// these closed), or Error `io` by errno: "cannot WHAT: …".
inline Descriptor take_descriptor(int fd, const char* what) {
  if (fd < 0) throw io_error(errno, std::string("cannot ") + what);
  Descriptor taken(fd);
  if (fd > STDERR_FILENO) return taken;
  return take_descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), what);
}

}  // namespace deployer::process
