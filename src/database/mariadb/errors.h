#pragma once

#include <mysql.h>

#include <string>

#include "database/session.h"

namespace deployer::database {

/// The error of a server or of the client library as SqlError, with what to do about it. `handle` is the connection it
/// came by; `deadline` decides what an interrupted statement means.
[[noreturn]] void throw_mariadb_error(const MYSQL* handle, unsigned code, const char* message, const char* state,
                                      const Deadline& deadline);

/// Why no connection came to be, as SqlError with the masked URL; `unavailable` where the server was not reached, else
/// `database`.
SqlError connect_error(const Url& url, unsigned code, const std::string& message, const std::string& state);

}  // namespace deployer::database
