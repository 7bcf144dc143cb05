#include "actions/restart/daemon_process.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "actions/inputs.h"
#include "actions/restart/readiness.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr const char* service_name_variable = "DEPLOYER_SERVICE";
constexpr const char* service_run_variable = "DEPLOYER_SERVICE_RUN";
constexpr Duration daemon_grace = std::chrono::seconds(10);
constexpr Duration daemon_moment = std::chrono::seconds(1);
constexpr Duration daemon_pause = std::chrono::milliseconds(20);
constexpr std::size_t shown_log_lines = 5;
constexpr std::uint64_t shown_log_bytes = 4096;

std::string proc_text(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<pid_t> pid_in(const ActionContext& context, const std::filesystem::path& pid_file) {
  if (pid_file.empty() || !context.files().exists(pid_file)) return std::nullopt;
  const std::string text = context.files().read(pid_file);
  const std::string_view digits = trim(text);
  pid_t pid = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (code != std::errc() || end != digits.data() + digits.size() || pid < 2) return std::nullopt;
  return pid;
}

/// When a process began, by the wall clock: proc(5), `btime` and field 22 of /proc/PID/stat.
std::optional<std::chrono::system_clock::time_point> began_at(const ProcessRecord& process) {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("btime ")) continue;
    const auto ticks = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
    const std::uint64_t seconds = std::stoull(line.substr(6)) + process.start_time / ticks;
    return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
  }
  return std::nullopt;
}

std::optional<ProcessRecord> process_by_pid_file(const ActionContext& context, const std::filesystem::path& pid_file) {
  const std::optional<pid_t> pid = pid_in(context, pid_file);
  if (!pid) return std::nullopt;
  const std::optional<ProcessRecord> process = record_of(*pid);
  const std::optional<FileInfo> info = context.files().info(pid_file);
  if (!process || !info || !is_alive(*process).value_or(false)) return std::nullopt;
  const auto began = began_at(*process);
  // btime has a second's grain.
  if (!began || *began > info->modified + std::chrono::seconds(2)) return std::nullopt;
  return process;
}

/// How a process that somebody else has started is started again.
void adopt(ServiceRecord& service, pid_t pid) {
  std::error_code error;
  const std::filesystem::path cwd = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd", error);
  if (error) return;
  std::vector<std::string> argv = split(proc_text(pid, "cmdline"), '\0');
  if (!argv.empty() && argv.back().empty()) argv.pop_back();
  if (argv.empty()) return;
  if (argv.front().find('/') == std::string::npos) {
    argv.front() = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error).string();
    if (error) return;
  } else {
    argv.front() = (cwd / argv.front()).string();
  }
  service.argv = argv;
  service.directory = cwd;
}

std::vector<std::string> start_command(const ActionContext& context, const ServiceRecord& service) {
  std::vector<std::string> argv = {need_program(context, "start-stop-daemon", "dpkg").string(),
                                   "--start",
                                   "--quiet",
                                   "--background",
                                   "--make-pidfile",
                                   "--pidfile",
                                   service.pid_file.string(),
                                   "--chdir",
                                   service.directory.string(),
                                   "--output",
                                   service.log.string(),
                                   "--startas",
                                   service.argv.front(),
                                   "--"};
  argv.insert(argv.end(), service.argv.begin() + 1, service.argv.end());
  return argv;
}

std::string last_log_lines(const ServiceRecord& service, std::uint64_t begin) {
  std::ifstream file(service.log, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto end = static_cast<std::uint64_t>(file.tellg());
  begin = std::max(std::min(begin, end), end > shown_log_bytes ? end - shown_log_bytes : 0);
  file.seekg(static_cast<std::streamoff>(begin));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> lines = split(trim(text), '\n');
  if (lines.size() > shown_log_lines) lines.erase(lines.begin(), lines.end() - shown_log_lines);
  return join(lines, "\n");
}

Error daemon_ended(const ServiceRecord& service, std::uint64_t log_begin) {
  const std::string lines = last_log_lines(service, log_begin);
  return {ErrorKind::failed,
          "the service " + service.name + " ended right after its start" + (lines.empty() ? "" : ": " + lines),
          "its log is " + service.log.string() + "; its command must stay in the foreground"};
}

/// start-stop-daemon ends before its child has written the pid file.
ProcessRecord wait_for_daemon_process(ActionContext& context, const ServiceRecord& service, std::uint64_t log_begin) {
  const Duration within = ready_within(context);
  const Deadline deadline = context.deadline().at_most(within);
  while (true) {
    const std::optional<pid_t> pid = pid_in(context, service.pid_file);
    if (pid) {
      const std::optional<ProcessRecord> process = record_of(*pid);
      if (process && is_alive(*process).value_or(false)) return *process;
      throw daemon_ended(service, log_begin);
    }
    if (!deadline.sleep(daemon_pause)) break;
  }
  context.deadline().check("starting " + service.name);
  throw Error(ErrorKind::failed, "the service " + service.name + " did not begin within " + duration_text(within));
}

}  // namespace

Json DaemonSnapshot::json() const {
  return {{"name", name},
          {"pid_file", pid_file.string()},
          {"record", record},
          {"service", service ? service->json() : Json(nullptr)},
          {"process", process ? process->json() : Json(nullptr)}};
}

DaemonSnapshot DaemonSnapshot::from(const Json& json) {
  DaemonSnapshot snapshot;
  snapshot.name = json.at("name").get<std::string>();
  snapshot.pid_file = json.at("pid_file").get<std::string>();
  snapshot.record = json.at("record");
  if (!json.at("service").is_null()) snapshot.service = ServiceRecord::from(json.at("service"));
  if (!json.at("process").is_null()) {
    snapshot.process = std::make_shared<const ProcessRecord>(ProcessRecord::from(json.at("process")));
  }
  return snapshot;
}

DaemonSnapshot look_for_daemon(ActionContext& context, const ServiceRecord& wanted) {
  DaemonSnapshot found;
  found.name = wanted.name;
  found.pid_file = wanted.pid_file;
  const std::optional<ServiceRecord> recorded = ServiceRecord::load(context, wanted.name);
  if (recorded) found.record = recorded->json();
  if (recorded && recorded->process && is_alive(*recorded->process).value_or(false)) {
    found.service = recorded;
    found.process = recorded->process;
    found.pid_file = recorded->pid_file;
    return found;
  }
  std::optional<ProcessRecord> process = process_by_pid_file(context, wanted.pid_file);
  if (!process && recorded && recorded->pid_file != wanted.pid_file) {
    process = process_by_pid_file(context, recorded->pid_file);
    if (process) found.pid_file = recorded->pid_file;
  }
  if (!process) return found;
  found.process = std::make_shared<const ProcessRecord>(*process);
  found.service = recorded ? *recorded : wanted;
  found.service->run = environment_of(*process, service_run_variable).value_or("");
  found.service->process = found.process;
  found.service->pid_file = found.pid_file;
  found.service->argv.clear();
  adopt(*found.service, process->pid);
  return found;
}

std::vector<ProcessRecord> processes_of_service(const std::string& run, const std::string& name) {
  if (run.empty()) return {};
  std::vector<ProcessRecord> processes = find_by_environment(service_run_variable, run);
  std::erase_if(processes, [&](const ProcessRecord& process) {
    return environment_of(process, service_name_variable).value_or("") != name;
  });
  return processes;
}

std::uint64_t log_size(const ActionContext& context, const ServiceRecord& service) {
  const auto info = context.files().info(service.log);
  return info ? info->bytes : 0;
}

ServiceRecord start_daemon(ActionContext& context, ServiceRecord service, const Json& secrets) {
  context.files().make_folder(service.pid_file.parent_path());
  context.files().make_folder(service.log.parent_path());
  // start-stop-daemon would believe a number that somebody else has now.
  context.files().remove(service.pid_file);
  const std::uint64_t log_begin = log_size(context, service);
  service.run = context.run_id();
  Command command;
  command.argv = start_command(context, service);
  command.env = service.environment(context, secrets);
  command.env[service_name_variable] = service.name;
  command.env[service_run_variable] = service.run;
  const Processes::Captured started = context.processes().capture(command, context.deadline());
  if (!started.exit.ok()) {
    context.deadline().check("starting " + service.name);
    std::string complaint(trim(started.err));
    if (complaint.empty()) complaint = trim(started.out);
    throw Error(ErrorKind::failed, "the service " + service.name + " could not be started: start-stop-daemon " +
                                       started.exit.text() + (complaint.empty() ? "" : ": " + complaint));
  }
  service.process = std::make_shared<const ProcessRecord>(wait_for_daemon_process(context, service, log_begin));
  service.publish(context);
  return service;
}

void wait_until_daemon_stays(ActionContext& context, const ServiceRecord& service, std::uint64_t log_begin) {
  const Deadline deadline = context.deadline().at_most(stay_up(context, daemon_moment));
  do {
    if (!is_alive(*service.process).value_or(false)) throw daemon_ended(service, log_begin);
  } while (deadline.sleep(daemon_pause));
  context.deadline().check("waiting for " + service.name);
}

void stop_daemon(ActionContext& context, const std::vector<ProcessRecord>& processes,
                 const std::filesystem::path& pid_file) {
  end_processes(processes, daemon_grace, context.deadline());
  const std::optional<pid_t> pid = pid_in(context, pid_file);
  if (!pid) return;
  const bool named =
      std::any_of(processes.begin(), processes.end(), [&](const ProcessRecord& one) { return one.pid == *pid; });
  if (named) context.files().remove(pid_file);
}

}  // namespace deployer
