#include <errmsg.h>
#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <string>

#include "database/mariadb/session.h"

namespace deployer::database {

namespace {

constexpr unsigned error_statement_timeout = 1969;  // ER_STATEMENT_TIMEOUT of MariaDB
constexpr unsigned error_connection_killed = 1927;  // ER_CONNECTION_KILLED of MariaDB
constexpr unsigned error_no_space_left = 28;        // ENOSPC, as the server puts it into its texts

bool is_unreachable(unsigned code) {
  switch (code) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SSL_CONNECTION_ERROR:
    case ER_SERVER_SHUTDOWN:
    case ER_CON_COUNT_ERROR:
    case error_connection_killed:
      return true;
    default:
      return false;
  }
}

bool is_disk_full(unsigned code, std::string_view message) {
  if (code == ER_DISK_FULL || code == ER_RECORD_FILE_FULL) return true;
  const bool of_a_file = code == ER_GET_ERRNO || code == ER_ERROR_ON_WRITE || code == ER_CANT_CREATE_FILE;
  return of_a_file && message.find(fmt::format(" {}", error_no_space_left)) != std::string_view::npos;
}

ErrorKind mariadb_error_kind(unsigned code, std::string_view message, const Deadline& deadline) {
  const bool ended = code == ER_QUERY_INTERRUPTED || is_unreachable(code);
  if (ended && deadline.cancelled()) return ErrorKind::cancelled;
  if (ended && deadline.expired()) return ErrorKind::timed_out;
  if (code == ER_QUERY_INTERRUPTED) return ErrorKind::cancelled;
  if (code == error_statement_timeout) return ErrorKind::timed_out;
  if (is_unreachable(code)) return ErrorKind::unavailable;
  return is_disk_full(code, message) ? ErrorKind::no_space : ErrorKind::database;
}

template <class Number>
void set_option(MYSQL* handle, mysql_option option, Number number) {
  mysql_options(handle, option, &number);
}

void set_tls(MYSQL* handle, const Url& url) {
  const bool by_socket = !url.socket.empty();
  if (url.ssl_mode == SslMode::disabled || (by_socket && url.ssl_mode == SslMode::preferred)) return;
  set_option(handle, MYSQL_OPT_SSL_ENFORCE, my_bool{1});
  if (!url.ssl_ca.empty() && url.ssl_mode >= SslMode::verify_ca) {
    mysql_options(handle, MYSQL_OPT_SSL_CA, url.ssl_ca.c_str());
  }
  if (!url.ssl_cert.empty()) {
    mysql_options(handle, MYSQL_OPT_SSL_CERT, url.ssl_cert.c_str());
    mysql_options(handle, MYSQL_OPT_SSL_KEY, url.ssl_key.c_str());
  }
  set_option(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, my_bool{url.ssl_mode == SslMode::verify_identity});
}

unsigned whole_seconds(Duration length) {
  return static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(length).count());
}

void set_options(MYSQL* handle, const Url& url, const Deadline& deadline) {
  const Duration patience = std::min(url.connect_timeout, deadline.left().value_or(url.connect_timeout));
  set_option(handle, MYSQL_OPT_CONNECT_TIMEOUT, std::max(1U, whole_seconds(patience)));
  if (url.read_timeout.count() > 0) set_option(handle, MYSQL_OPT_READ_TIMEOUT, whole_seconds(url.read_timeout));
  if (url.write_timeout.count() > 0) set_option(handle, MYSQL_OPT_WRITE_TIMEOUT, whole_seconds(url.write_timeout));
  set_option(handle, MYSQL_OPT_LOCAL_INFILE, 0U);
  set_option(handle, MYSQL_OPT_RECONNECT, my_bool{0});
  // Without it "localhost" means the client library's own socket.
  set_option(handle, MYSQL_OPT_PROTOCOL,
             static_cast<unsigned>(url.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET));
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set_tls(handle, url);
}

/// The library's own start, which must happen once and before threads use it.
void start_library() {
  static const int started = mysql_server_init(0, nullptr, nullptr);
  if (started != 0) throw Error(ErrorKind::internal, "the MariaDB client library cannot be started");
}

}  // namespace

void throw_mariadb_error(unsigned code, const char* message, const char* state, const Deadline& deadline,
                         const std::string& what) {
  const ErrorKind kind = mariadb_error_kind(code, message, deadline);
  std::string text = message;
  if (kind == ErrorKind::cancelled) text = "the statement was cancelled";
  if (kind == ErrorKind::timed_out) text = "the statement took too long and was interrupted";
  throw SqlError(kind, what.empty() ? text : what + ": " + text, static_cast<int>(code), state);
}

MariaDbHandle connect_mariadb(const Url& url, const Deadline& deadline) {
  start_library();
  const std::string what = "cannot connect to " + url.masked();
  if (deadline.cancelled()) throw SqlError(ErrorKind::cancelled, what + ": cancelled", CR_CONNECTION_ERROR);
  if (deadline.expired()) throw SqlError(ErrorKind::timed_out, what + ": timed out", CR_CONNECTION_ERROR);
  MariaDbHandle handle(mysql_init(nullptr));
  if (!handle) throw Error(ErrorKind::internal, "the MariaDB client library has no memory");
  set_options(handle.get(), url, deadline);
  const bool connected =
      mysql_real_connect(handle.get(), url.socket.empty() ? url.host.c_str() : nullptr, url.user.c_str(),
                         url.password.c_str(), url.name.c_str(), static_cast<unsigned>(url.port),
                         url.socket.empty() ? nullptr : url.socket.c_str(), 0) != nullptr;
  if (!connected) {
    const unsigned code = mysql_errno(handle.get());
    throw SqlError(is_unreachable(code) ? ErrorKind::unavailable : ErrorKind::database,
                   fmt::format("{}: {}", what, mysql_error(handle.get())), static_cast<int>(code),
                   mysql_sqlstate(handle.get()));
  }
  // The library goes on in plain text with a server that offers no TLS, whatever was enforced.
  if (url.ssl_mode >= SslMode::required && mysql_get_ssl_cipher(handle.get()) == nullptr) {
    throw SqlError(ErrorKind::unavailable, what + ": the server offers no TLS", CR_SSL_CONNECTION_ERROR, "HY000",
                   "set up TLS on the server, or say ssl_mode=preferred");
  }
  return handle;
}

}  // namespace deployer::database
