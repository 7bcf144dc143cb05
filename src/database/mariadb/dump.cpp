#include "database/dump.h"

#include "database/mariadb/server.h"

namespace deployer::database {

Dumped MariaDbServer::dump(Session&, const DumpOptions&, const Machine&, const Deadline&,
                           const std::function<void(std::string_view)>&) const {
  throw Error(ErrorKind::internal, "not there yet");
}

}  // namespace deployer::database
