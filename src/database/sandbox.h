#pragma once

#include <filesystem>
#include <memory>

#include "base/deadline.h"
#include "database/session.h"

namespace deployer {
struct Machine;
}

namespace deployer::database {

/// A private server for rehearsals and drills: what runs in it can reach nothing else. Started from the machine's own
/// server program of the target's series, with a data folder and socket of its own below `folder`, no network, no
/// binary log, event scheduler off, no local files; sql_mode, character set, collation, case rule and time zone of the
/// target, and an empty schema of the target's name inside, so that `prod.table` means the copy.
/// It ends with the object, and with the runner, even one that is killed; the folder is removed.
class Sandbox {
 public:
  /// `like` is a session to the target. Errors: `missing_tool` (the server program is not there, or of another series;
  /// the hint says the package and `scratch`), `no_space`, `io`, `timed_out`, `failed` with the end of its log.
  static std::unique_ptr<Sandbox> start(Session& like, const std::filesystem::path& folder, const Machine& machine,
                                        const Deadline& deadline);
  virtual ~Sandbox() = default;

  /// A session into the schema, as the sandbox's administrator, with the lock of the schema taken.
  virtual std::unique_ptr<Session> open(const Deadline& deadline) = 0;
  /// Drops the schema and makes it anew, empty.
  virtual void reset(const Deadline& deadline) = 0;
};

}  // namespace deployer::database
