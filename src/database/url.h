#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/result.h"

namespace deployer::database {

enum class Engine { sqlite, mariadb };

enum class SslMode { disabled, preferred, required, verify_ca, verify_identity };

/// A database URL, taken apart and checked: `sqlite:///relative.db`, `sqlite:////absolute.db`,
/// `mysql://user:pass@host:3306/name?…`, `mariadb://…`, SQLAlchemy's `mysql+pymysql://…` and `sqlite+pysqlite://…`.
/// Percent-encoding is decoded. Query words: charset, unix_socket or socket, ssl_ca, ssl_cert, ssl_key, ssl_mode,
/// ssl_verify_cert, connect_timeout, read_timeout, write_timeout (seconds).
struct Url {
  Engine engine = Engine::sqlite;
  std::string file;  ///< SQLite: the path as written, relative ones to the project
  std::string user;
  std::string password;  ///< decoded; secret
  std::string host;      ///< empty: by socket
  int port = 3306;
  std::string name;  ///< the schema
  std::string charset = "utf8mb4";
  std::string socket;
  std::string ssl_ca, ssl_cert, ssl_key;
  SslMode ssl_mode = SslMode::preferred;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration read_timeout{0};  ///< 0: none
  Duration write_timeout{0};

  /// For people: without password and query, as in `mysql://app@db:3306/books`.
  std::string masked() const;
  /// What makes it one target whoever asks: for SQLite the real path of the file (resolved against `project`), for a
  /// server engine, host (or socket), port and schema. No user, no password.
  std::string identity(std::string_view project) const;
};

/// Takes a URL apart. Error `invalid` with the complaint and, for an unknown scheme or query word, "did you mean";
/// the message never holds the password.
Result<Url> parse_url(std::string_view text);

}  // namespace deployer::database
