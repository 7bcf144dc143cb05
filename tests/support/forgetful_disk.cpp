#include "support/forgetful_disk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace deployer::test {

namespace fs = std::filesystem;

struct ForgetfulDisk::Node {
  enum class Kind { file, folder, link };
  Kind kind = Kind::file;
  std::string durable_text;  ///< of a file; of a link its target, which lasts as long as its entry
  std::map<std::string, NodePointer> entries;
  std::map<std::string, NodePointer> durable_entries;
};

namespace {

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int refuse(int code) {
  errno = code;
  return -1;
}

}  // namespace

ForgetfulDisk::ForgetfulDisk(fs::path folder) : root_path_(std::move(folder)), root_(scan(root_path_)) {}
ForgetfulDisk::~ForgetfulDisk() = default;

void ForgetfulDisk::fail(Call call, std::uint64_t n, int code) { order_ = Order{call, n, true, code}; }
void ForgetfulDisk::fail_from(Call call, std::uint64_t n, int code) { order_ = Order{call, n, false, code}; }
void ForgetfulDisk::repair() { order_.reset(); }
void ForgetfulDisk::cut_power_at(std::uint64_t n) { cut_at_ = n; }

std::uint64_t ForgetfulDisk::count(Call call) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(call);
  return found == counts_.end() ? 0 : found->second;
}

/// Counts the call; true with errno set if it shall fail.
bool ForgetfulDisk::refuses(Call call) {
  const std::uint64_t total = ++counts_[Call::any];
  const std::uint64_t of_kind = ++counts_[call];
  if (cut_at_ != 0 && total >= cut_at_) {
    errno = EIO;
    return true;
  }
  if (!order_ || (order_->call != Call::any && order_->call != call)) return false;
  const std::uint64_t now = order_->call == Call::any ? total : of_kind;
  if (order_->once ? now != order_->first : now < order_->first) return false;
  errno = order_->code;
  return true;
}

ForgetfulDisk::NodePointer ForgetfulDisk::scan(const fs::path& path) const {
  auto node = std::make_shared<Node>();
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_symlink(status)) {
    node->kind = Node::Kind::link;
    node->durable_text = fs::read_symlink(path).string();
  } else if (fs::is_directory(status)) {
    node->kind = Node::Kind::folder;
    for (const auto& entry : fs::directory_iterator(path)) {
      node->entries[entry.path().filename().string()] = scan(entry.path());
    }
    node->durable_entries = node->entries;
  } else {
    node->durable_text = bytes_of(path);
  }
  return node;
}

void ForgetfulDisk::notice_others(Node& node, const fs::path& folder) const {
  std::erase_if(node.entries, [&folder](const auto& entry) {
    return fs::symlink_status(folder / entry.first).type() == fs::file_type::not_found;
  });
  for (const auto& entry : fs::directory_iterator(folder)) {
    NodePointer& known = node.entries[entry.path().filename().string()];
    if (known != nullptr) continue;
    known = scan(entry.path());
    if (known->kind == Node::Kind::file) known->durable_text.clear();
  }
}

ForgetfulDisk::NodePointer ForgetfulDisk::find(const fs::path& path) const {
  const fs::path inside = fs::absolute(path).lexically_normal().lexically_relative(root_path_.lexically_normal());
  NodePointer node = root_;
  for (const fs::path& part : inside) {
    if (part == "." || part.empty()) continue;
    if (part == "..") return nullptr;
    const auto found = node->entries.find(part.string());
    if (found == node->entries.end()) return nullptr;
    node = found->second;
  }
  return node;
}

ForgetfulDisk::NodePointer ForgetfulDisk::folder_of(const fs::path& path) const {
  return find(fs::absolute(path).lexically_normal().parent_path());
}

int ForgetfulDisk::open(const char* path, int flags, mode_t mode) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::open)) return -1;
  const int fd = FileCalls::open(path, flags, mode);
  if (fd < 0) return fd;
  NodePointer node = find(path);
  if (node == nullptr) {
    node = std::make_shared<Node>();
    if (const NodePointer folder = folder_of(path)) folder->entries[fs::path(path).filename().string()] = node;
  }
  open_[fd] = node;
  return fd;
}

ssize_t ForgetfulDisk::write(int fd, const void* bytes, std::size_t count) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::write)) return -1;
  return FileCalls::write(fd, bytes, std::min(count, write_limit_));
}

int ForgetfulDisk::fsync(int fd) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::fsync)) return -1;
  const auto found = open_.find(fd);
  if (found == open_.end()) return refuse(EBADF);
  Node& node = *found->second;
  if (node.kind == Node::Kind::folder) {
    notice_others(node, fs::read_symlink("/proc/self/fd/" + std::to_string(fd)));
    node.durable_entries = node.entries;
  } else {
    node.durable_text = bytes_of("/proc/self/fd/" + std::to_string(fd));
  }
  return 0;
}

int ForgetfulDisk::close(int fd) {
  const std::lock_guard lock(mutex_);
  const bool refused = refuses(Call::close);
  const int code = errno;
  open_.erase(fd);
  const int result = FileCalls::close(fd);
  return refused ? refuse(code) : result;
}

int ForgetfulDisk::rename(const char* from, const char* to) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::rename)) return -1;
  const NodePointer node = find(from);
  if (FileCalls::rename(from, to) != 0) return -1;
  if (node != nullptr) {
    if (const NodePointer folder = folder_of(to)) folder->entries[fs::path(to).filename().string()] = node;
    folder_of(from)->entries.erase(fs::path(from).filename().string());
  }
  return 0;
}

int ForgetfulDisk::unlink(const char* path) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::unlink) || FileCalls::unlink(path) != 0) return -1;
  if (const NodePointer folder = folder_of(path)) folder->entries.erase(fs::path(path).filename().string());
  return 0;
}

int ForgetfulDisk::mkdir(const char* path, mode_t mode) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::mkdir) || FileCalls::mkdir(path, mode) != 0) return -1;
  const auto node = std::make_shared<Node>();
  node->kind = Node::Kind::folder;
  if (const NodePointer folder = folder_of(path)) folder->entries[fs::path(path).filename().string()] = node;
  return 0;
}

int ForgetfulDisk::rmdir(const char* path) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::rmdir) || FileCalls::rmdir(path) != 0) return -1;
  if (const NodePointer folder = folder_of(path)) folder->entries.erase(fs::path(path).filename().string());
  return 0;
}

int ForgetfulDisk::symlink(const char* target, const char* link) {
  const std::lock_guard lock(mutex_);
  if (refuses(Call::symlink) || FileCalls::symlink(target, link) != 0) return -1;
  const auto node = std::make_shared<Node>();
  node->kind = Node::Kind::link;
  node->durable_text = target;
  if (const NodePointer folder = folder_of(link)) folder->entries[fs::path(link).filename().string()] = node;
  return 0;
}

int ForgetfulDisk::ftruncate(int fd, off_t length) {
  const std::lock_guard lock(mutex_);
  return refuses(Call::ftruncate) ? -1 : FileCalls::ftruncate(fd, length);
}

int ForgetfulDisk::fallocate(int fd, off_t offset, off_t length) {
  const std::lock_guard lock(mutex_);
  return refuses(Call::fallocate) ? -1 : FileCalls::fallocate(fd, offset, length);
}

void ForgetfulDisk::lose_power(Unsynced unsynced) {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : fs::directory_iterator(root_path_)) fs::remove_all(entry.path());
  rebuild(root_path_, root_, unsynced);
  root_ = scan(root_path_);
  open_.clear();
  order_.reset();
  cut_at_ = 0;
}

void ForgetfulDisk::rebuild(const fs::path& path, const NodePointer& node, Unsynced unsynced) const {
  for (const auto& [name, entry] : unsynced == Unsynced::lost ? node->durable_entries : node->entries) {
    const fs::path place = path / name;
    switch (entry->kind) {
      case Node::Kind::file:
        std::ofstream(place, std::ios::binary) << entry->durable_text;
        break;
      case Node::Kind::link:
        fs::create_symlink(entry->durable_text, place);
        break;
      case Node::Kind::folder:
        fs::create_directory(place);
        rebuild(place, entry, unsynced);
        break;
    }
  }
}

}  // namespace deployer::test
