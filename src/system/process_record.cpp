#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "system/process.h"
#include "system/process_descriptor.h"
#include "system/process_table.h"

namespace deployer {

namespace {

std::string this_boot() {
  const std::optional<std::string> text = process::read_proc("/proc/sys/kernel/random/boot_id");
  if (!text) throw Error(ErrorKind::io, "cannot read /proc/sys/kernel/random/boot_id");
  return std::string(trim(*text));
}

std::string this_pid_namespace() {
  std::array<char, 64> target;
  const ssize_t length = ::readlink("/proc/self/ns/pid", target.data(), target.size());
  if (length < 0) throw io_error(errno, "cannot read /proc/self/ns/pid");
  return std::string(target.data(), static_cast<std::size_t>(length));
}

ProcessRecord make_record(const process::Entry& entry) {
  return {entry.key.pid, entry.key.start_time, this_boot(), this_pid_namespace()};
}

std::string signal_text(int number) {
  const char* description = ::sigdescr_np(number);
  std::string text = "signal " + std::to_string(number);
  return description == nullptr ? text : text + " (" + description + ")";
}

}  // namespace

Json ProcessRecord::json() const {
  return {{"pid", pid}, {"start_time", start_time}, {"boot_id", boot_id}, {"pid_namespace", pid_namespace}};
}

ProcessRecord ProcessRecord::from(const Json& json) {
  try {
    return {json.at("pid").get<pid_t>(), json.at("start_time").get<std::uint64_t>(),
            json.at("boot_id").get<std::string>(), json.at("pid_namespace").get<std::string>()};
  } catch (const Json::exception& problem) {
    throw Error(ErrorKind::invalid, std::string("not the record of a process: ") + problem.what());
  }
}

std::string Exit::text() const {
  switch (kind) {
    case Kind::exited:
      return "exited with status " + std::to_string(code);
    case Kind::signalled:
      return "was killed by " + signal_text(code);
    case Kind::not_started:
      return "could not be started: " + program + ": " + std::strerror(code);
    case Kind::timed_out:
      return "timed out";
    case Kind::cancelled:
      return "was cancelled";
  }
  throw Error(ErrorKind::internal, "an end of a process without a text");
}

std::optional<ProcessRecord> record_of(pid_t pid) {
  const std::optional<process::Entry> entry = process::read_entry(pid);
  if (!entry || !entry->lives()) return std::nullopt;
  return make_record(*entry);
}

ProcessRecord record_of_self() {
  const std::optional<ProcessRecord> record = record_of(::getpid());
  if (!record) throw Error(ErrorKind::io, "cannot find this process in /proc");
  return *record;
}

std::optional<bool> is_alive(const ProcessRecord& record) {
  if (record.boot_id != this_boot()) return false;
  if (record.pid_namespace != this_pid_namespace()) return std::nullopt;
  const std::optional<process::Entry> entry = process::read_entry(record.pid);
  return entry && entry->key.start_time == record.start_time && entry->lives();
}

std::vector<ProcessRecord> find_by_environment(std::string_view name, std::string_view value) {
  std::vector<ProcessRecord> found;
  for (const auto& [pid, entry] : process::read_table()) {
    if (pid == ::getpid() || !entry.lives()) continue;
    const std::optional<std::string> environment = process::read_environment(pid);
    if (!environment || process::variable_in(*environment, name) != value) continue;
    const ProcessRecord record = make_record(entry);
    if (is_alive(record) == true) found.push_back(record);
  }
  return found;
}

std::optional<std::string> environment_of(const ProcessRecord& record, std::string_view name) {
  const std::optional<std::string> environment = process::read_environment(record.pid);
  // Asked afterwards: what was read then belongs to the process of the record, not to a later one with its pid.
  if (!environment || is_alive(record) != true) return std::nullopt;
  return process::variable_in(*environment, name);
}

}  // namespace deployer
