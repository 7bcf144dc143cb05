#include "database/server_health.h"

#include <fmt/format.h>

namespace deployer::database {

std::string BlockingSession::text() const {
  std::string who = user.empty() ? std::string() : user + "@" + host + ", ";
  who += fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(since).count());
  if (!waits_for.empty()) who += ", waits for " + waits_for;
  const std::string head = connection == 0 ? fmt::format("a transaction of no connection ({})", who)
                                           : fmt::format("connection {} ({})", connection, who);
  return statement.empty() ? head : head + ": " + statement;
}

}  // namespace deployer::database
