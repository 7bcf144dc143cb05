#include "system/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace deployer {

namespace fs = std::filesystem;

namespace {

/// flock(2) without waiting: whether it was given.
bool file_lock_try(int fd, int kind, const fs::path& file) {
  while (::flock(fd, kind | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw io_error(errno, "cannot lock " + file.string());
  }
  return true;
}

constexpr Duration file_lock_pause = std::chrono::milliseconds(50);
// `is_held` holds it shared for an instant; who comes just then looks once more.
constexpr Duration file_lock_second_look = std::chrono::milliseconds(5);

}  // namespace

std::optional<FileLock> FileLock::try_take(const fs::path& file) {
  // Whoever can read the file can lock it: users who share a database meet here, and only the first can write into it.
  int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
  if (fd < 0 && errno == EACCES) fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) throw io_error(errno, "cannot open the lock file " + file.string());
  FileLock lock(fd);
  if (file_lock_try(fd, LOCK_EX, file)) return lock;
  (void)Deadline::never().sleep(file_lock_second_look);
  if (file_lock_try(fd, LOCK_EX, file)) return lock;
  return std::nullopt;
}

std::optional<FileLock> FileLock::take(const fs::path& file, const Deadline& deadline) {
  while (true) {
    if (std::optional<FileLock> lock = try_take(file)) return lock;
    if (deadline.cancelled()) throw Error(ErrorKind::cancelled, "cancelled: waiting for the lock " + file.string());
    if (deadline.expired()) return std::nullopt;
    (void)deadline.sleep(file_lock_pause);
  }
}

bool FileLock::is_held(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    throw io_error(errno, "cannot open the lock file " + file.string());
  }
  const FileLock probe(fd);
  return !file_lock_try(fd, LOCK_SH, file);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace deployer
