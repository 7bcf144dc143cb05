#include "database/server.h"

#include <cstdlib>

namespace deployer::database {

bool ServerIdentity::is_same_start(const ServerIdentity& other) const {
  // The server's clock and its uptime are both cut to seconds, and not at the same moment.
  return host == other.host && std::llabs(started - other.started) <= 1;
}

Json ServerIdentity::json() const { return {{"host", host}, {"started", started}, {"read_only", read_only}}; }

ServerIdentity ServerIdentity::from(const Json& json) {
  return {json.value("host", ""), json.value("started", std::int64_t{0}), json.value("read_only", false)};
}

}  // namespace deployer::database
