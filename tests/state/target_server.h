#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "database/session.h"
#include "state/server_lock.h"
#include "support/mariadb.h"
#include "system/process.h"

namespace deployer {

/// A new schema on a real server, its lock, and whoever wants that.
class TargetServer : public testing::Test {
 protected:
  TargetServer() {
    static int number = 0;
    schema = "target" + std::to_string(getpid()) + "_" + std::to_string(number++);
    url = test::shared_mariadb().new_database(schema);
  }

  OpenSession opener() const { return opener_of(url); }
  static OpenSession opener_of(const std::string& text) {
    return [text](const Deadline& deadline) {
      return database::open(value_or_throw(database::parse_url(text)), "/", database::Access::create, deadline);
    };
  }

  static LockOwner owner(const std::string& run) {
    return {run, "web1", record_of_self().json(), "2026-11-24T12:00:00.000Z", "/var/lib/deployer/books"};
  }

  ServerLock::Request request(const std::string& run) {
    ServerLock::Request wanted{opener(), owner(run), "ann", "production"};
    wanted.say = [this](const std::string& line) { said.push_back(line); };
    wanted.takeover_grace = std::chrono::milliseconds(200);
    return wanted;
  }
  std::unique_ptr<ServerLock> take(const std::string& run, Duration patience = Duration(0)) {
    return ServerLock::take(request(run), Deadline::after(patience));
  }

  /// What the `mariadb` client answers, on a connection of its own.
  std::string sql(const std::string& text) const {
    std::string out = test::shared_mariadb().client(schema, text);
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }

  std::string schema;
  std::string url;
  std::vector<std::string> said;
};

/// A process that does something, says so, and is killed.
class Doomed {
 public:
  /// `act` calls what it is given when all is as the test wants it; then it may go on, or wait.
  explicit Doomed(const std::function<void(const std::function<void()>&)>& act) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    child_ = fork();
    if (child_ == 0) {
      try {
        act([&] {
          if (write(ends[1], "y", 1) != 1) _exit(1);
        });
        while (true) pause();
      } catch (const std::exception& failure) {
        fprintf(stderr, "%s\n", failure.what());
      }
      _exit(1);
    }
    char answer = 0;
    close(ends[1]);
    ready_ = read(ends[0], &answer, 1) == 1;
    close(ends[0]);
  }
  ~Doomed() { end(); }
  Doomed(const Doomed&) = delete;
  Doomed& operator=(const Doomed&) = delete;

  bool ready() const { return ready_; }
  void end() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
  bool ready_ = false;
};

/// The Error that `act` throws.
inline Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::internal, "nothing was thrown");
}

}  // namespace deployer
