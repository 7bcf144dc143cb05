#pragma once

#include <optional>
#include <string>

#include "actions/http_expectation.h"
#include "base/deadline.h"
#include "base/json.h"
#include "engine/action.h"

namespace deployer {

// The probes: each looks once and tells what is wrong, or nothing if all is well. Not being able to look is a complaint
// too; only a cancel (Error `cancelled`) is thrown. They block until `deadline` at most.

std::optional<std::string> http_complaint(const std::string& url, const HttpExpectation& expected,
                                          const Deadline& deadline);
/// `address` is `host:port` or `[address]:port`.
std::optional<std::string> tcp_complaint(const std::string& address, const Deadline& deadline);
/// The statement's first value must be neither NULL, 0 nor empty.
std::optional<std::string> sql_complaint(ActionContext& context, const std::string& statement,
                                         const Deadline& deadline);
/// Exit status 0. Bounded by `timeout(1)`, so that a command that hangs is one bad answer, not the end of the step.
std::optional<std::string> command_complaint(ActionContext& context, const CommandLine& command,
                                             const Deadline& deadline);

struct HostPort {
  std::string host;
  int port = 0;
};
/// Takes `host:port` or `[address]:port` apart; nothing if it is neither.
std::optional<HostPort> parse_host_port(const std::string& address);
/// For a Parameter: the complaint about an address, or nothing.
std::optional<std::string> address_complaint(const std::string& address);

}  // namespace deployer
