#include "system/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "system/process_descriptor.h"

namespace deployer::process {

namespace {

bool means_gone(int code) {
  return code == ENOENT || code == ESRCH || code == EACCES || code == EPERM || code == ENOTDIR;
}

template <class Number>
std::optional<Number> table_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The name stands in parentheses and may hold anything, `) (` too: the fields begin behind the last `)`.
std::optional<Entry> parse_stat(pid_t pid, std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close + 2 >= text.size())
    return std::nullopt;
  const std::vector<std::string> fields = split(trim(text.substr(close + 2)), ' ');
  if (fields.size() < 49 || fields[0].size() != 1) return std::nullopt;
  const auto parent = table_number<pid_t>(fields[1]);
  const auto session = table_number<pid_t>(fields[3]);
  const auto threads = table_number<long>(fields[17]);
  const auto start_time = table_number<std::uint64_t>(fields[19]);
  const auto memory = table_number<std::uint64_t>(fields[20]);
  const auto environment_begin = table_number<std::uint64_t>(fields[47]);
  const auto environment_end = table_number<std::uint64_t>(fields[48]);
  if (!parent || !session || !threads || !start_time || !memory || !environment_begin || !environment_end) {
    return std::nullopt;
  }
  Entry entry;
  entry.key = {pid, *start_time};
  entry.parent = *parent;
  entry.session = *session;
  entry.state = fields[0][0];
  entry.threads = *threads;
  entry.memory = *memory;
  entry.environment_begin = *environment_begin;
  entry.environment_end = *environment_end;
  entry.name = text.substr(open + 1, close - open - 1);
  return entry;
}

}  // namespace

std::optional<std::string> read_proc(const std::string& path, std::size_t piece) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) {
    if (means_gone(errno)) return std::nullopt;
    throw io_error(errno, "cannot read " + path);
  }
  std::string text;
  std::vector<char> buffer(piece);
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && means_gone(errno)) return std::nullopt;
    if (count < 0) throw io_error(errno, "cannot read " + path);
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::optional<Entry> read_entry(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const std::optional<std::string> text = read_proc(path);
  if (!text || text->empty()) return std::nullopt;
  std::optional<Entry> entry = parse_stat(pid, *text);
  if (!entry) throw Error(ErrorKind::io, "cannot understand " + path);
  return entry;
}

Table read_table() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), &::closedir);
  if (!folder) throw io_error(errno, "cannot read /proc");
  Table table;
  while (true) {
    errno = 0;
    const dirent* item = ::readdir(folder.get());
    if (item == nullptr) break;
    const auto pid = table_number<pid_t>(item->d_name);
    if (!pid) continue;
    if (std::optional<Entry> entry = read_entry(*pid)) table.emplace(*pid, std::move(*entry));
  }
  if (errno != 0) throw io_error(errno, "cannot read /proc");
  return table;
}

std::optional<std::string> read_environment(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/environ";
  for (int tries = 0; tries < 100; ++tries) {
    const std::optional<Entry> entry = read_entry(pid);
    if (!entry) return std::nullopt;
    const std::uint64_t size = entry->environment_end - entry->environment_begin;
    // One read, since between two the process may replace itself and the rest be missing.
    std::optional<std::string> text = read_proc(path, std::clamp<std::uint64_t>(size, 1, 16U << 20));
    if (!text || !text->empty() || entry->memory == 0) return text;
    if (size == 0 && entry->environment_end != 0) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::string();
}

std::optional<std::string> variable_in(std::string_view environment, std::string_view name) {
  while (!environment.empty()) {
    const std::size_t end = std::min(environment.find('\0'), environment.size());
    const std::string_view line = environment.substr(0, end);
    if (line.size() > name.size() && line.substr(0, name.size()) == name && line[name.size()] == '=') {
      return std::string(line.substr(name.size() + 1));
    }
    environment.remove_prefix(std::min(end + 1, environment.size()));
  }
  return std::nullopt;
}

}  // namespace deployer::process
