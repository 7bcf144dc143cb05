#include "database/sandbox.h"

#include <string>

#include "base/error.h"
#include "database/dialect.h"
#include "database/mariadb/sandbox.h"

namespace deployer::database {

std::unique_ptr<Sandbox> Sandbox::start(Session& like, const std::filesystem::path& folder, const Machine& machine,
                                        const Deadline& deadline) {
  if (like.dialect().server() == nullptr) {
    throw Error(ErrorKind::internal, "a " + std::string(like.dialect().name()) + " database has no server to start");
  }
  return start_mariadb_sandbox(like, folder, machine, deadline);
}

}  // namespace deployer::database
