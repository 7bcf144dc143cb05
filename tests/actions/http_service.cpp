#include "actions/http_service.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/error.h"
#include "system/net.h"

extern char** environ;

namespace deployer::test {

HttpService::HttpService(const Folder& folder, int port) : port_(port), pid_(0) {
  std::string number = std::to_string(port);
  std::string path = folder.path().string();
  const char* argv[] = {"python3", "-S",        "-m",          "http.server", number.c_str(),
                        "--bind",  "127.0.0.1", "--directory", path.c_str(),  nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  EXPECT_EQ(posix_spawn(&pid_, "/usr/bin/python3", &actions, nullptr, const_cast<char**>(argv), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  const Deadline deadline = Deadline::after(std::chrono::seconds(20));
  while (!deadline.expired()) {
    try {
      tcp_probe("127.0.0.1", port, deadline);
      return;
    } catch (const Error&) {
      deadline.sleep(std::chrono::milliseconds(10));
    }
  }
  ADD_FAILURE() << "the web server did not come up";
}

HttpService::~HttpService() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string HttpService::address() const { return "127.0.0.1:" + std::to_string(port_); }

std::string HttpService::url(const std::string& path) const { return "http://" + address() + "/" + path; }

}  // namespace deployer::test
