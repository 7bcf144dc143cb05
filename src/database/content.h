#pragma once

#include <cstdint>

#include "base/deadline.h"
#include "database/session.h"

namespace deployer::database {

/// Bytes that rows and indexes take: of a file its pages, of a server what it estimates for the session's schema.
std::uint64_t content_bytes(Session& session, const Deadline& deadline);

/// The definitions of a database that is a file, without any row, into another one that is empty.
void copy_definitions(Session& from, Session& into, const Deadline& deadline);

}  // namespace deployer::database
