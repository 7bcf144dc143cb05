#include "engine/child.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include "base/redactor.h"
#include "base/text.h"
#include "engine/child_output.h"
#include "engine/run_scope.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr std::array<std::string_view, 11> passed_on = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"};
constexpr std::size_t kept_output = 64 * 1024;
constexpr std::size_t largest_outputs = 1024 * 1024;

void keep_tail(std::string& kept, std::string_view bytes) {
  kept += bytes;
  if (kept.size() > kept_output) kept.erase(0, kept.size() - kept_output);
}

std::string last_lines(const std::string& text, std::size_t count) {
  const std::string_view whole = trim(text);
  std::size_t begin = whole.size();
  while (count > 0 && begin > 0) {
    const std::size_t found = whole.rfind('\n', begin - 1);
    --count;
    if (found == std::string_view::npos) return std::string(whole);
    begin = found;
  }
  return std::string(trim(whole.substr(begin)));
}

/// The file behind `$DEPLOYER_OUTPUT`, made before the child begins and removed after it was read.
class OutputsFile {
 public:
  OutputsFile(RunScope& scope, const ChildRequest& request) : scope_(scope) {
    static std::atomic<int> number{0};
    const std::filesystem::path folder = scope.request.state_folder / "runs" / scope.request.id;
    std::filesystem::create_directories(folder);
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
    file_ = folder / (slug_of(request) + "-" + std::to_string(++number) + ".outputs");
    // Not synced: it lives no longer than the command that writes into it.
    const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) throw io_error(errno, "cannot make " + file_.string());
    ::close(fd);
  }
  ~OutputsFile() {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }
  OutputsFile(const OutputsFile&) = delete;
  OutputsFile& operator=(const OutputsFile&) = delete;

  const std::filesystem::path& path() const { return file_; }

  Json read(const std::function<void(const std::string&)>& complain) const {
    Json outputs = parse_outputs(scope_.parts.files.read(file_, largest_outputs), complain);
    for (auto entry = outputs.begin(); entry != outputs.end();) {
      if (!scope_.parts.redactor.holds_secret(entry.value().get<std::string>())) {
        ++entry;
        continue;
      }
      complain("output '" + entry.key() + "' holds a secret and was not kept");
      entry = outputs.erase(entry);
    }
    return outputs;
  }

 private:
  static std::string slug_of(const ChildRequest& request) { return request.step.empty() ? "run" : request.step; }

  RunScope& scope_;
  std::filesystem::path file_;
};

Exit run_recorded(RunScope& scope, const ChildRequest& request, const Command& command, const Deadline& deadline,
                  CommandResult& result) {
  Recorder& recorder = *scope.recorder;
  std::string err;
  ChildOutput lines(scope.parts.redactor, [&](std::string_view stream, const std::string& line) {
    if (!request.quiet) {
      recorder.live("step_output", request.step, request.attempt, {{"stream", stream}, {"text", line}});
    }
  });
  Json record;
  const Exit exit = scope.parts.processes.run(
      command, deadline,
      [&](OutputStream stream, std::string_view bytes) {
        keep_tail(stream == OutputStream::out ? result.out : err, bytes);
        lines.feed(stream == OutputStream::err, bytes);
      },
      [&](const ProcessRecord& child) {
        record = child.json();
        recorder.record("child_started", request.step, request.attempt,
                        {{"record", record}, {"program", request.argv.front()}, {"what", request.what}});
        scope.faults.pass("child.recorded " + request.what);
      });
  lines.finish();
  if (!record.is_null()) {
    recorder.defer("child_ended", request.step, request.attempt, {{"record", record}, {"exit", exit.text()}});
  }
  result.err_tail = last_lines(err.empty() ? result.out : err, 3);
  return exit;
}

}  // namespace

std::map<std::string, std::string> child_environment(const RunScope& scope, const std::string& step,
                                                     const std::map<std::string, std::string>& step_env) {
  const std::vector<std::string>& inherited = scope.pipeline.inherit_env;
  std::map<std::string, std::string> env;
  for (const auto& [name, value] : scope.parts.environment) {
    const bool always =
        std::find(passed_on.begin(), passed_on.end(), name) != passed_on.end() || name.starts_with("LC_");
    if (always || std::find(inherited.begin(), inherited.end(), name) != inherited.end()) env[name] = value;
  }
  for (const auto& [name, value] : scope.pipeline.env) env[name] = value;
  for (const auto& [name, value] : step_env) env[name] = value;
  env["DEPLOYER_RUN_ID"] = scope.request.id;
  if (!step.empty()) env["DEPLOYER_STEP"] = step;
  return env;
}

CommandResult run_child(RunScope& scope, const ChildRequest& request, const Deadline& deadline) {
  deadline.check(request.what);
  Command command;
  command.argv = request.argv;
  command.env = request.env;
  command.directory = request.directory;
  command.input = request.input;
  const auto complain = [&](const std::string& message) {
    scope.recorder->record("warning", request.step, request.attempt, {{"message", message}});
  };
  std::unique_ptr<OutputsFile> outputs;
  if (request.collect_outputs) {
    outputs = std::make_unique<OutputsFile>(scope, request);
    command.env["DEPLOYER_OUTPUT"] = outputs->path().string();
  }
  CommandResult result;
  const Exit exit = run_recorded(scope, request, command, deadline, result);
  result.ok = exit.ok();
  result.status = exit.kind == Exit::Kind::exited ? exit.code : -1;
  result.text = exit.text();
  if (exit.kind == Exit::Kind::timed_out) throw Error(ErrorKind::timed_out, request.what + " timed out");
  if (exit.kind == Exit::Kind::cancelled) throw Error(ErrorKind::cancelled, request.what + " was cancelled");
  if (outputs) result.outputs = outputs->read(complain);
  return result;
}

Json parse_outputs(const std::string& text, const std::function<void(const std::string&)>& complain) {
  Json outputs = Json::object();
  std::vector<std::string> lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (trim(line).empty()) continue;
    const std::size_t equals = line.find('=');
    const std::size_t block = line.find("<<");
    if (block != std::string::npos && block > 0 && (equals == std::string::npos || block < equals)) {
      const std::string key = line.substr(0, block);
      const std::string end = line.substr(block + 2);
      std::vector<std::string> value;
      std::size_t next = i + 1;
      while (next < lines.size() && lines[next] != end) value.push_back(lines[next++]);
      if (next == lines.size() || end.empty()) {
        complain("output '" + key + "' has no line '" + end + "' at its end and was not kept");
        return outputs;
      }
      outputs[key] = join(value, "\n");
      i = next;
    } else if (equals != std::string::npos && equals > 0) {
      outputs[line.substr(0, equals)] = line.substr(equals + 1);
    } else {
      complain("a line of the outputs is neither key=value nor key<<END and was not kept");
    }
  }
  return outputs;
}

}  // namespace deployer
