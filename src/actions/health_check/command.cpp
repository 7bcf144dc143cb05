#include <algorithm>

#include "actions/health_check/probes.h"

namespace deployer {

namespace {

constexpr int timeout_status = 124;  // timeout(1)

}  // namespace

std::optional<std::string> command_complaint(ActionContext& context, const CommandLine& command,
                                             const Deadline& deadline) {
  std::vector<std::string> argv = {"timeout", "--kill-after=5s"};
  const Duration left = deadline.left().value_or(std::chrono::hours(1));
  const auto milliseconds = std::max<std::int64_t>(left.count(), 1);
  const std::string fraction = std::to_string(milliseconds % 1000);
  argv.push_back(std::to_string(milliseconds / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction + "s");
  if (command.shell_text.empty()) {
    argv.insert(argv.end(), command.argv.begin(), command.argv.end());
  } else {
    argv.insert(argv.end(), context.step().shell.begin(), context.step().shell.end());
    argv.insert(argv.end(), {"-c", command.shell_text});
  }
  const CommandResult result = context.command({"", argv, command.at});
  if (result.ok) return std::nullopt;
  if (result.status == timeout_status) return "command timed out";
  return "command " + result.text + (result.err_tail.empty() ? "" : ": " + result.err_tail);
}

}  // namespace deployer
