#include "support/mariadb.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/folder.h"

namespace deployer::test {

namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

bool as_root() { return geteuid() == 0; }

[[noreturn]] void exec_program(const Words& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

/// Starts a program with its output in `log` and its input from `input`.
pid_t start_program(const Words& words, const fs::path& input, const fs::path& out, const fs::path& err) {
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid != 0) return pid;
  const int in_fd = open(input.c_str(), O_RDONLY | O_CLOEXEC);
  const int out_fd = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int err_fd = open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0) _exit(126);
  exec_program(words);
}

int wait_for_end(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void run_or_throw(const Words& words, const fs::path& log) {
  if (wait_for_end(start_program(words, "/dev/null", log, log)) == 0) return;
  throw std::runtime_error(words[0] + " failed: " + read_file(log));
}

/// A data folder made by mariadb-install-db, once a machine and user: it takes seconds, a copy of it does not.
fs::path prepared_data() {
  const fs::path cache = fs::temp_directory_path() / ("deployer-test-mariadb-" + std::to_string(geteuid()));
  const fs::path data = cache / "data";
  fs::create_directories(cache);
  const int lock = open((cache / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + cache.string());
  if (!fs::exists(data)) {
    const fs::path part = cache / "data.part";
    fs::remove_all(part);
    fs::remove(cache / "log");
    // A server that starts removes what it takes for its own from its folder for temporary files, and in a shared one
    // pulls them away under the others.
    const fs::path temporary = cache / "tmp";
    fs::create_directories(temporary);
    fs::permissions(temporary, fs::perms::all);
    Words words = {"env",
                   "TMPDIR=" + temporary.string(),
                   "mariadb-install-db",
                   "--no-defaults",
                   "--force",  // also where the machine's own name cannot be looked up
                   "--datadir=" + part.string(),
                   "--auth-root-authentication-method=normal",
                   "--skip-test-db",
                   "--innodb-log-file-size=8M"};
    if (as_root()) words.emplace_back("--user=nobody");
    run_or_throw(words, cache / "log");
    fs::rename(part, data);
  }
  close(lock);
  return data;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool got = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                   getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!got) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool answers(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

}  // namespace

struct MariaDb::State {
  Folder folder;
  std::string socket;
  int port = 0;
  pid_t pid = -1;
  pid_t starter = -1;
  Words words;
  fs::path log;

  void start() {
    pid = start_program(words, "/dev/null", log, log);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!answers(socket)) {
      int status = 0;
      if (waitpid(pid, &status, WNOHANG) == pid) {
        pid = -1;
        throw std::runtime_error("mariadbd ended: " + read_file(log));
      }
      if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("mariadbd does not answer");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  void end() {
    kill(pid, SIGKILL);
    wait_for_end(pid);
    pid = -1;
  }

  ~State() {
    // A test that forked has a copy of this object; only the one that started the server ends it.
    if (pid > 0 && getpid() == starter) end();
  }
};

MariaDb::MariaDb() : MariaDb(Options{}) {}

MariaDb::MariaDb(const Options& options) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.starter = getpid();
  const fs::path data = state.folder / "data";
  state.socket = (state.folder / "s.sock").string();
  const fs::path log = state.folder / "err.log";
  fs::permissions(state.folder.path(), fs::perms::all);
  run_or_throw({"cp", "-a", prepared_data().string(), data.string()}, state.folder / "cp.log");
  // setpriv ends the server with the thread that started it, whatever kills that.
  Words words = {"setpriv", "--pdeathsig", "KILL"};
  if (as_root()) words.insert(words.end(), {"--reuid", "nobody", "--regid", "nogroup", "--clear-groups"});
  words.insert(words.end(), {"mariadbd", "--no-defaults", "--datadir=" + data.string(), "--socket=" + state.socket,
                             "--pid-file=" + (state.folder / "m.pid").string(), "--log-error=" + log.string(),
                             "--tmpdir=" + state.folder.path().string(), "--innodb-buffer-pool-size=16M",
                             "--innodb-log-file-size=8M", "--performance-schema=OFF",
                             "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"});
  if (options.tcp) {
    state.port = free_port();
    words.insert(words.end(), {"--bind-address=127.0.0.1", "--port=" + std::to_string(state.port)});
  } else {
    words.emplace_back("--skip-networking");
  }
  std::istringstream extra(options.extra);
  for (std::string word; extra >> word;) words.push_back(word);
  state.words = std::move(words);
  state.log = log;
  state.start();
}

void MariaDb::restart() {
  state_->end();
  state_->start();
}

MariaDb::~MariaDb() = default;

std::string MariaDb::new_database(const std::string& name) {
  client("", "CREATE DATABASE `" + name + "`");
  return "mariadb://root@localhost/" + name + "?socket=" + state_->socket;
}

const std::string& MariaDb::socket() const { return state_->socket; }
int MariaDb::port() const { return state_->port; }
pid_t MariaDb::pid() const { return state_->pid; }

std::string MariaDb::client(const std::string& schema, const std::string& sql) const {
  const Folder folder;
  const fs::path input = folder.write("in.sql", sql);
  folder.write("out", "");
  folder.write("err", "");
  Words words = {"mariadb",
                 "--no-defaults",
                 "--batch",
                 "--skip-column-names",
                 "--default-character-set=utf8mb4",
                 "-uroot",
                 "--socket=" + state_->socket};
  if (!schema.empty()) words.push_back(schema);
  const int status = wait_for_end(start_program(words, input, folder / "out", folder / "err"));
  EXPECT_EQ(status, 0) << "mariadb: " << read_file(folder / "err") << "\n" << sql;
  return read_file(folder / "out");
}

MariaDb& shared_mariadb() {
  static MariaDb server;
  return server;
}

}  // namespace deployer::test
