#pragma once

#include <memory>
#include <string>

#include "database/mariadb/sandbox_home.h"

namespace deployer {
struct Command;
struct Machine;
}  // namespace deployer

namespace deployer::database {

/// The server program and its supervisor: a shell that waits on a pipe whose other end only this process has. When
/// that closes, because this object ends or because the runner is dead, the supervisor kills the server and removes
/// the home. Should the supervisor be killed, the kernel kills the server with it; the home is left to the next sweep.
class SandboxProcess {
 public:
  SandboxProcess(const SandboxHome& home, const Command& server, const Machine& machine);
  ~SandboxProcess();
  SandboxProcess(const SandboxProcess&) = delete;
  SandboxProcess& operator=(const SandboxProcess&) = delete;

  /// Whether the server has ended by itself.
  bool has_ended() const;
  /// The end of what it said then.
  const std::string& log() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer::database
