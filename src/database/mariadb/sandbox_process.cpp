#include "database/mariadb/sandbox_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <thread>

#include "base/error.h"
#include "system/machine.h"
#include "system/process.h"
#include "system/process_descriptor.h"

namespace deployer::database {

namespace {

constexpr auto end_patience = std::chrono::seconds(10);
constexpr std::size_t most_log = 64 * 1024;

// $1 the home, $2 the descriptor of the pipe, then the server's command. A descriptor above 9 has no redirection of
// its own in every shell, and /proc/self/fd has all of them. Without a runner, who writes to its pipes is told SIGPIPE.
constexpr const char* supervisor = R"(home=$1 pipe=$2
shift 2
trap '' PIPE
exec 2>/dev/null
"$@" </dev/null >>log 2>&1 &
server=$!
( read -r line; kill -9 "$server" ) </proc/self/fd/"$pipe" &
watch=$!
wait "$server"
kill -9 "$watch"
tail -c 8000 log
cd / && rm -rf "$home"
)";

/// A runner may have been started with 0, 1 or 2 closed: an end is above them.
process::Descriptor above_standard(int fd) {
  const process::Descriptor made(fd);
  return process::take_descriptor(::fcntl(made.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "make a pipe");
}

}  // namespace

struct SandboxProcess::State {
  process::Descriptor read_end;
  process::Descriptor write_end;
  std::string log;  // the thread's until `ended`
  std::promise<void> end;
  std::future<void> ended = end.get_future();
  std::jthread thread;

  State() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw io_error(errno, "cannot make a pipe");
    read_end = above_standard(ends[0]);
    write_end = above_standard(ends[1]);
  }

  void supervise(const Command& command, Processes& processes, const std::stop_token& stop) {
    try {
      const auto keep_log = [this](OutputStream, std::string_view bytes) {
        if (log.size() < most_log) log += bytes;
      };
      const Exit exit = processes.run(command, Deadline::never(stop), keep_log);
      if (!exit.ok()) log += "the supervisor of the sandbox " + exit.text();
    } catch (const Error& error) {
      log += error.summary();
    }
    end.set_value();
  }
};

SandboxProcess::SandboxProcess(const SandboxHome& home, const Command& server, const Machine& machine)
    : state_(std::make_unique<State>()) {
  const std::string pipe = std::to_string(state_->read_end.get());
  Command command = server;
  command.argv = {"/bin/sh", "-c", supervisor, "sandbox", home.path().string(), pipe};
  command.argv.insert(command.argv.end(), server.argv.begin(), server.argv.end());
  command.keep_fds = {state_->read_end.get()};
  State* state = state_.get();
  Processes* processes = &machine.processes;
  state->thread = std::jthread(
      [state, command, processes](const std::stop_token& stop) { state->supervise(command, *processes, stop); });
}

SandboxProcess::~SandboxProcess() {
  state_->write_end.reset();
  if (state_->ended.wait_for(end_patience) != std::future_status::ready) state_->thread.request_stop();
}

bool SandboxProcess::has_ended() const {
  return state_->ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

const std::string& SandboxProcess::log() const { return state_->log; }

}  // namespace deployer::database
