#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/session.h"

namespace deployer::database {

/// What a sandbox takes over from its target, so that the same statements lead to the same result.
struct SandboxLikeness {
  std::string schema;
  std::string character_set;                    ///< of the schema
  std::string collation;                        ///< of the schema
  std::map<std::string, std::string> settings;  ///< the server's variables by name, as options take them
  std::string page_size;                        ///< of InnoDB; what a data folder is made with
  bool has_zones = false;                       ///< the server knows time zones by name
  /// The zone in which the server reckons, as an option takes it: a name, an offset, or SYSTEM where its clock shows
  /// what this machine's does.
  std::string time_zone;
  /// The session's own account and those in whose name views, routines, triggers and events of the schema run, as in
  /// `app@%`: without them a trigger would fail (error 1449).
  std::vector<std::string> accounts;
};

/// Reads it from the target. Needs no privilege.
SandboxLikeness sandbox_likeness(Session& target, const Deadline& deadline);

}  // namespace deployer::database
