#include "database/mariadb/server.h"

namespace deployer::database {

std::string MariaDbServer::log_position(Session&, const Deadline&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

OthersWrites MariaDbServer::others_writes(Session&, const std::string&, const Deadline&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

}  // namespace deployer::database
