#include "system/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/error.h"

namespace deployer {

namespace fs = std::filesystem;

int FileCalls::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
ssize_t FileCalls::write(int fd, const void* bytes, std::size_t count) { return ::write(fd, bytes, count); }
int FileCalls::fsync(int fd) { return ::fsync(fd); }
int FileCalls::close(int fd) { return ::close(fd); }
int FileCalls::rename(const char* from, const char* to) { return ::rename(from, to); }
int FileCalls::unlink(const char* path) { return ::unlink(path); }
int FileCalls::mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }
int FileCalls::rmdir(const char* path) { return ::rmdir(path); }
int FileCalls::symlink(const char* target, const char* link) { return ::symlink(target, link); }
int FileCalls::ftruncate(int fd, off_t length) { return ::ftruncate(fd, length); }
int FileCalls::fallocate(int fd, off_t offset, off_t length) { return ::fallocate(fd, 0, offset, length); }

namespace {

constexpr std::size_t files_piece = 64 * 1024;

[[noreturn]] void files_fail(int code, std::string_view what, const fs::path& path, bool missing_is_not_found = false) {
  throw io_error(code, "cannot " + std::string(what) + " " + path.string(), missing_is_not_found);
}

/// The folder in which the entry of `path` stands.
fs::path files_folder_of(const fs::path& path) {
  const fs::path folder = (path.has_filename() ? path : path.parent_path()).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

fs::path files_part_of(const fs::path& file) {
  fs::path part = file;
  part += ".part";
  return part;
}

/// The call again as long as a signal came between.
template <class Call>
auto files_repeat(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// The descriptor of a new file at `part`, or -1 with errno.
int files_create_part(FileCalls& calls, const fs::path& part, unsigned mode) {
  return files_repeat([&] {
    return calls.open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, static_cast<mode_t>(mode));
  });
}

/// A descriptor of this source's own reads and syncs, closed at the end.
class FilesDescriptor {
 public:
  FilesDescriptor(FileCalls& calls, int fd) : calls_(calls), fd_(fd) {}
  ~FilesDescriptor() { calls_.close(fd_); }
  FilesDescriptor(const FilesDescriptor&) = delete;
  FilesDescriptor& operator=(const FilesDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  FileCalls& calls_;
  int fd_;
};

FileCalls& real_file_calls() {
  static FileCalls calls;
  return calls;
}

std::optional<struct stat> files_lstat(const fs::path& path) {
  struct stat data = {};
  if (::lstat(path.c_str(), &data) == 0) return data;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  files_fail(errno, "look at", path);
}

}  // namespace

Files::Files() : Files(real_file_calls()) {}
Files::Files(FileCalls& calls) : calls_(&calls) {}

// Reading.

std::string Files::read(const fs::path& file, std::uint64_t limit) const {
  std::string text;
  read_in_pieces(file, [&](std::string_view piece) {
    text += piece;
    if (text.size() > limit) {
      throw Error(ErrorKind::invalid, file.string() + " is larger than " + std::to_string(limit) + " bytes");
    }
  });
  return text;
}

void Files::read_in_pieces(const fs::path& file, const std::function<void(std::string_view)>& take) const {
  const int fd = files_repeat([&] { return ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY); });
  if (fd < 0) files_fail(errno, "open", file, true);
  const FilesDescriptor descriptor(real_file_calls(), fd);
  std::vector<char> piece(files_piece);
  while (true) {
    const ssize_t got = files_repeat([&] { return ::read(fd, piece.data(), piece.size()); });
    if (got < 0) files_fail(errno, "read", file);
    if (got == 0) return;
    take(std::string_view(piece.data(), static_cast<std::size_t>(got)));
  }
}

std::optional<FileInfo> Files::info(const fs::path& file) const {
  const std::optional<struct stat> data = files_lstat(file);
  if (!data) return std::nullopt;
  FileInfo info;
  info.is_folder = S_ISDIR(data->st_mode);
  info.is_link = S_ISLNK(data->st_mode);
  info.bytes = static_cast<std::uint64_t>(data->st_size);
  info.mode = data->st_mode & 07777;
  const auto since_epoch = std::chrono::seconds(data->st_mtim.tv_sec) + std::chrono::nanoseconds(data->st_mtim.tv_nsec);
  info.modified = std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
  info.inode = data->st_ino;
  return info;
}

std::vector<std::string> Files::list(const fs::path& folder) const {
  std::vector<std::string> names;
  std::error_code failure;
  fs::directory_iterator entries(folder, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    names.push_back(entries->path().filename().string());
  }
  if (failure && failure.value() != ENOENT) files_fail(failure.value(), "list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<fs::path> Files::read_link(const fs::path& link) const {
  std::string target(256, '\0');
  while (true) {
    const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
    if (length < 0) {
      if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      files_fail(errno, "read the link", link);
    }
    if (static_cast<std::size_t>(length) < target.size()) {
      target.resize(static_cast<std::size_t>(length));
      return fs::path(target);
    }
    target.resize(target.size() * 2);
  }
}

// A file, whole or not at all.

Files::Publication::Publication(FileCalls& calls, fs::path file, int fd)
    : calls_(&calls), file_(std::move(file)), part_(files_part_of(file_)), fd_(fd) {}

Files::Publication::Publication(Publication&& other) noexcept
    : calls_(other.calls_),
      file_(std::move(other.file_)),
      part_(std::exchange(other.part_, {})),
      fd_(std::exchange(other.fd_, -1)),
      bytes_(other.bytes_) {}

Files::Publication::~Publication() {
  if (fd_ >= 0) calls_->close(fd_);
  if (!part_.empty()) calls_->unlink(part_.c_str());
}

void Files::Publication::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t taken = files_repeat([&] { return calls_->write(fd_, bytes.data(), bytes.size()); });
    if (taken < 0) files_fail(errno, "write", file_);
    bytes.remove_prefix(static_cast<std::size_t>(taken));
    bytes_ += static_cast<std::uint64_t>(taken);
  }
}

void Files::Publication::sync() {
  // Never tried again: after a failed fsync the kernel may have dropped the pages, and a second one would succeed.
  if (files_repeat([&] { return calls_->fsync(fd_); }) != 0) files_fail(errno, "sync", file_);
}

void Files::Publication::commit() {
  sync();
  if (calls_->close(std::exchange(fd_, -1)) != 0 && errno != EINTR) files_fail(errno, "close", file_);
  if (calls_->rename(part_.c_str(), file_.c_str()) != 0) files_fail(errno, "publish", file_);
  part_.clear();
  Files(*calls_).sync_folder(files_folder_of(file_));
}

Files::Publication Files::begin(const fs::path& file, unsigned mode) {
  const fs::path part = files_part_of(file);
  int fd = files_create_part(*calls_, part, mode);
  if (fd < 0 && errno == EEXIST) {
    // A crash left it there.
    if (calls_->unlink(part.c_str()) != 0 && errno != ENOENT) files_fail(errno, "remove", part);
    fd = files_create_part(*calls_, part, mode);
  }
  if (fd < 0) files_fail(errno, "create", file, true);
  return Publication(*calls_, file, fd);
}

std::optional<Files::Publication> Files::begin_new(const fs::path& file, unsigned mode) {
  const int fd = files_create_part(*calls_, files_part_of(file), mode);
  if (fd < 0 && errno == EEXIST) return std::nullopt;
  if (fd < 0) files_fail(errno, "create", file, true);
  Publication publication(*calls_, file, fd);
  // Looked at behind the part: whoever had that before has published by now, or not at all.
  if (exists(file)) return std::nullopt;
  return publication;
}

void Files::publish(const fs::path& file, std::string_view text, unsigned mode) {
  Publication publication = begin(file, mode);
  publication.write(text);
  publication.commit();
}

void Files::reserve(const fs::path& file, std::uint64_t bytes) {
  Publication publication = begin(file, 0600);
  const auto length = static_cast<off_t>(bytes);
  if (bytes > 0 && files_repeat([&] { return calls_->fallocate(publication.fd_, 0, length); }) != 0) {
    if (errno != EOPNOTSUPP) files_fail(errno, "reserve room in", file);
    const std::string zeros(files_piece, '\0');
    for (std::uint64_t left = bytes; left > 0; left -= std::min<std::uint64_t>(left, zeros.size())) {
      publication.write(std::string_view(zeros).substr(0, left));
    }
  }
  publication.commit();
}

// Folders and links.

void Files::sync_folder(const fs::path& folder) {
  const int fd = files_repeat([&] { return calls_->open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (fd < 0) files_fail(errno, "open the folder", folder, true);
  const FilesDescriptor descriptor(*calls_, fd);
  if (files_repeat([&] { return calls_->fsync(fd); }) == 0) return;
  // EINVAL: this file system has no fsync for folders (fsync(2)), so there is nothing that could be waited for.
  if (errno != EINVAL) files_fail(errno, "sync the folder", folder);
}

void Files::make_folder(const fs::path& folder, unsigned mode) {
  const fs::path wanted = folder.has_filename() ? folder : folder.parent_path();
  if (wanted.empty() || fs::path(wanted) == wanted.root_path()) return;
  std::error_code ignored;
  if (fs::is_directory(wanted, ignored)) return;
  const fs::path parent = files_folder_of(wanted);
  make_folder(parent, mode);
  if (calls_->mkdir(wanted.c_str(), static_cast<mode_t>(mode)) != 0) {
    if (errno == EEXIST && fs::is_directory(wanted, ignored)) return;
    files_fail(errno, "make the folder", wanted);
  }
  try {
    sync_folder(parent);
  } catch (const Error&) {
    // Else the next call would find it and take it for synced.
    calls_->rmdir(wanted.c_str());
    throw;
  }
}

void Files::rename(const fs::path& from, const fs::path& to) {
  if (calls_->rename(from.c_str(), to.c_str()) != 0) {
    throw io_error(errno, "cannot rename " + from.string() + " to " + to.string(), true);
  }
  const fs::path target = files_folder_of(to);
  const fs::path source = files_folder_of(from);
  sync_folder(target);
  if (source != target) sync_folder(source);
}

void Files::switch_link(const fs::path& link, const fs::path& target) {
  const fs::path part = files_part_of(link);
  int made = calls_->symlink(target.c_str(), part.c_str());
  if (made != 0 && errno == EEXIST) {
    if (calls_->unlink(part.c_str()) != 0 && errno != ENOENT) files_fail(errno, "remove", part);
    made = calls_->symlink(target.c_str(), part.c_str());
  }
  if (made != 0) files_fail(errno, "make the link", link, true);
  if (calls_->rename(part.c_str(), link.c_str()) != 0) {
    const int code = errno;
    calls_->unlink(part.c_str());
    files_fail(code, "switch the link", link);
  }
  sync_folder(files_folder_of(link));
}

void Files::remove(const fs::path& file) {
  if (calls_->unlink(file.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    files_fail(errno, "remove", file);
  }
  sync_folder(files_folder_of(file));
}

namespace {

void files_remove_tree(FileCalls& calls, const Files& files, const fs::path& folder) {
  for (const std::string& name : files.list(folder)) {
    const fs::path entry = folder / name;
    const std::optional<FileInfo> info = files.info(entry);
    if (!info) continue;
    if (info->is_folder) {
      files_remove_tree(calls, files, entry);
    } else if (calls.unlink(entry.c_str()) != 0 && errno != ENOENT) {
      files_fail(errno, "remove", entry);
    }
  }
  if (calls.rmdir(folder.c_str()) != 0 && errno != ENOENT) files_fail(errno, "remove the folder", folder);
}

}  // namespace

void Files::remove_folder(const fs::path& folder) {
  const std::optional<FileInfo> found = info(folder);
  if (!found) return;
  if (!found->is_folder) files_fail(ENOTDIR, "remove the folder", folder);
  files_remove_tree(*calls_, *this, folder);
  sync_folder(files_folder_of(folder));
}

}  // namespace deployer
