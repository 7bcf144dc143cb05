#include "database/mariadb/server.h"
#include "database/server_health.h"

namespace deployer::database {

void MariaDbServer::set_read_only(Session&, bool, const Deadline&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

std::vector<std::string> MariaDbServer::active_events(Session&, const Deadline&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

ServerHealth MariaDbServer::health(Session&, const std::vector<std::string>&, const Deadline&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

}  // namespace deployer::database
