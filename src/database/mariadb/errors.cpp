#include "database/mariadb/errors.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "database/mariadb/privileges.h"

namespace deployer::database {

namespace {

// Numbers that the headers of MariaDB's client library have under no name, or under another one.
constexpr unsigned error_file_write = 3;                           // EE_WRITE of the server's file layer
constexpr unsigned error_file_disk_full = 20;                      // EE_DISK_FULL
constexpr unsigned error_not_prepared = 1047;                      // of a Galera node: it does not take statements now
constexpr unsigned error_statement_timeout = 1969;                 // ER_STATEMENT_TIMEOUT of MariaDB
constexpr unsigned error_query_timeout = 3024;                     // ER_QUERY_TIMEOUT of MySQL
constexpr unsigned error_connection_killed = 1927;                 // ER_CONNECTION_KILLED of MariaDB
constexpr unsigned error_idle_too_long = 4031;                     // ER_CLIENT_INTERACTION_TIMEOUT of MySQL
constexpr unsigned error_read_only_mode = 1836;                    // ER_READ_ONLY_MODE
constexpr unsigned error_account_locked = 4151;                    // ER_ACCOUNT_HAS_BEEN_LOCKED of MariaDB
constexpr unsigned error_password_expired = 1862;                  // ER_MUST_CHANGE_PASSWORD_LOGIN
constexpr std::string_view read_only_option = "read-only option";  // also of --super-read-only

bool is_unreachable(unsigned code, std::string_view message) {
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
    case error_idle_too_long:
      return true;
    case error_not_prepared:
      return message.rfind("WSREP", 0) == 0;
    default:
      return false;
  }
}

bool is_disk_full(unsigned code, std::string_view message) {
  switch (code) {
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case error_file_disk_full:
      return true;
    case error_file_write:
    case ER_CANT_CREATE_FILE:
    case ER_CANT_CREATE_TABLE:
    case ER_CANT_CREATE_DB:
    case ER_ERROR_ON_RENAME:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO:
      // ENOSPC as the server's layers put it into their texts; only behind codes whose text holds no text of a user.
      return message.find("rrno: 28") != std::string_view::npos ||
             message.find("rrcode: 28") != std::string_view::npos || message.find("error 28") != std::string_view::npos;
    default:
      return false;
  }
}

bool is_read_only(unsigned code, std::string_view message) {
  return code == error_read_only_mode ||
         (code == ER_OPTION_PREVENTS_STATEMENT && message.find(read_only_option) != std::string_view::npos);
}

ErrorKind mariadb_error_kind(unsigned code, std::string_view message, const Deadline& deadline) {
  const bool ended = code == ER_QUERY_INTERRUPTED || is_unreachable(code, message);
  if (ended && deadline.cancelled()) return ErrorKind::cancelled;
  if (ended && deadline.expired()) return ErrorKind::timed_out;
  if (code == ER_QUERY_INTERRUPTED) return ErrorKind::cancelled;
  if (code == error_statement_timeout || code == error_query_timeout) return ErrorKind::timed_out;
  if (is_unreachable(code, message)) return ErrorKind::unavailable;
  return is_disk_full(code, message) ? ErrorKind::no_space : ErrorKind::database;
}

std::string statement_hint(unsigned code, std::string_view message, std::string_view user, std::string_view schema) {
  if (is_read_only(code, message)) {
    return "the server is read-only: it is a replica, or somebody has set read_only; name the server that takes "
           "writes, "
           "or let an administrator SET GLOBAL read_only = 0";
  }
  if (is_disk_full(code, message))
    return "make room on the server's disk (or raise the limit of the table), then run again";
  return privilege_hint(code, message, user, schema);
}

std::string where_is(const Url& url) {
  return url.socket.empty() ? fmt::format("host {} port {}", url.host, url.port) : "socket " + url.socket;
}

std::string denied_hint(const Url& url, const std::string&) {
  std::string hint =
      "check user and password of the database URL (in a password, / is written %2F, @ is %40, % is %25), "
      "and that the server has this account";
  if (url.ssl_mode <= SslMode::preferred)
    hint += "; an account that asks for TLS is also refused so: say ssl_mode=required";
  if (url.ssl_mode > SslMode::preferred && url.ssl_cert.empty())
    hint += "; one with REQUIRE X509 needs ssl_cert and ssl_key";
  return hint;
}

std::string unreached_hint(const Url& url, const std::string&) {
  return fmt::format("look whether the server runs and takes connections at {}", where_is(url));
}

std::string unknown_schema_hint(const Url& url, const std::string&) {
  return fmt::format("an administrator makes it by CREATE DATABASE `{}` CHARACTER SET utf8mb4", url.name);
}

std::string unknown_host_hint(const Url&, const std::string&) {
  return "check the host of the database URL, and that this machine can look it up";
}

std::string tls_hint(const Url& url, const std::string& message) {
  const auto told = [&message](std::string_view text) { return message.find(text) != std::string::npos; };
  if (told("expired")) return "the server's certificate is over: renew it on the server, then FLUSH SSL there";
  if (told("not yet valid")) return "the server's certificate is not valid yet: check the clocks of both machines";
  if (told("Validation of SSL server certificate failed") || told("name") || told("host")) {
    return fmt::format("the server's certificate does not name {}: use the name that it has, or ssl_mode=verify_ca",
                       url.host);
  }
  if (told("certificate") || told("self")) {
    return "the server's certificate is not signed by the authority in ssl_ca: check that file";
  }
  if (told("No such file") || told("BIO") || told("PEM")) return "check the files of ssl_ca, ssl_cert and ssl_key";
  if (told("not support")) return "set up TLS on the server, or say ssl_mode=preferred";
  return "check the TLS settings of the server, and ssl_mode, ssl_ca, ssl_cert and ssl_key of the URL";
}

std::string full_hint(const Url&, const std::string&) {
  return "the server has as many connections as it may have: end some, or raise max_connections";
}

std::string blocked_hint(const Url&, const std::string&) {
  return "an administrator lets this machine in by an account for its address, or, where it was blocked, by "
         "mariadb-admin flush-hosts";
}

std::string schema_denied_hint(const Url& url, const std::string& message) {
  return privilege_hint(ER_DBACCESS_DENIED_ERROR, message, url.user, url.name);
}

std::string account_hint(const Url& url, const std::string&) {
  return fmt::format("an administrator mends it by ALTER USER '{}'@'…' ACCOUNT UNLOCK, or IDENTIFIED BY a new password",
                     url.user);
}

struct ConnectHint {
  unsigned code;
  std::string (*hint)(const Url& url, const std::string& message);
};

constexpr std::array<ConnectHint, 18> connect_hints = {{
    {ER_ACCESS_DENIED_ERROR, denied_hint},
    {ER_ACCESS_DENIED_NO_PASSWORD_ERROR, denied_hint},
    {ER_DBACCESS_DENIED_ERROR, schema_denied_hint},
    {ER_BAD_DB_ERROR, unknown_schema_hint},
    {CR_CONNECTION_ERROR, unreached_hint},
    {CR_CONN_HOST_ERROR, unreached_hint},
    {CR_SERVER_GONE_ERROR, unreached_hint},
    {CR_SERVER_LOST, unreached_hint},
    {CR_SERVER_LOST_EXTENDED, unreached_hint},
    {CR_UNKNOWN_HOST, unknown_host_hint},
    {CR_SSL_CONNECTION_ERROR, tls_hint},
    {ER_CON_COUNT_ERROR, full_hint},
    {ER_USER_LIMIT_REACHED, full_hint},
    {ER_TOO_MANY_USER_CONNECTIONS, full_hint},
    {ER_HOST_IS_BLOCKED, blocked_hint},
    {ER_HOST_NOT_PRIVILEGED, blocked_hint},
    {error_account_locked, account_hint},
    {error_password_expired, account_hint},
}};

std::string_view text_or_empty(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

}  // namespace

void throw_mariadb_error(const MYSQL* handle, unsigned code, const char* message, const char* state,
                         const Deadline& deadline) {
  const ErrorKind kind = mariadb_error_kind(code, message, deadline);
  std::string text = message;
  if (kind == ErrorKind::cancelled) text = "the statement was cancelled";
  if (kind == ErrorKind::timed_out) text = "the statement took too long and was interrupted";
  throw SqlError(kind, std::move(text), static_cast<int>(code), state,
                 statement_hint(code, message, text_or_empty(handle->user), text_or_empty(handle->db)));
}

SqlError connect_error(const Url& url, unsigned code, const std::string& message, const std::string& state) {
  const auto* found = std::find_if(connect_hints.begin(), connect_hints.end(),
                                   [&](const ConnectHint& each) { return each.code == code; });
  return SqlError(is_unreachable(code, message) ? ErrorKind::unavailable : ErrorKind::database,
                  fmt::format("cannot connect to {}: {}", url.masked(), message), static_cast<int>(code), state,
                  found == connect_hints.end() ? std::string() : found->hint(url, message));
}

}  // namespace deployer::database
