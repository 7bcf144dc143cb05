#include <errmsg.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "database/mariadb/errors.h"
#include "database/mariadb/session.h"

namespace deployer::database {

namespace {

// A peer that is gone without a word is found out within a minute and a half, however long a statement takes: the
// kernel asks after half a minute of silence, every ten seconds, six times. The server's own answer to it needs no
// thread of the server, so a long ALTER keeps its connection.
constexpr int keep_alive_idle_s = 30;
constexpr int keep_alive_interval_s = 10;
constexpr int keep_alive_probes = 6;
constexpr unsigned unacknowledged_ms = 90'000;  ///< how long what was sent may stay unacknowledged

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

void set_options(MYSQL* handle, const Url& url) {
  // The caller waits no longer than connect_timeout itself; this one ends the attempt that it has left behind.
  set_option(handle, MYSQL_OPT_CONNECT_TIMEOUT, whole_seconds(url.connect_timeout) + 1);
  // No MYSQL_OPT_READ_TIMEOUT: it would cut the connection in the middle of an ALTER, which the server then goes on
  // with and ends after all. The watcher keeps the time of reads instead.
  if (url.write_timeout.count() > 0) set_option(handle, MYSQL_OPT_WRITE_TIMEOUT, whole_seconds(url.write_timeout));
  set_option(handle, MYSQL_OPT_LOCAL_INFILE, 0U);
  set_option(handle, MYSQL_OPT_RECONNECT, my_bool{0});
  // Without it "localhost" means the client library's own socket.
  set_option(handle, MYSQL_OPT_PROTOCOL,
             static_cast<unsigned>(url.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET));
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set_tls(handle, url);
}

void set_socket_option(int socket, int level, int name, int value, const Url& url) {
  if (::setsockopt(socket, level, name, &value, sizeof value) == 0) return;
  throw Error(ErrorKind::internal, fmt::format("cannot set TCP keep-alive for {}: {}", url.masked(),
                                               std::generic_category().message(errno)));
}

void keep_alive(MYSQL* handle, const Url& url) {
  if (!url.socket.empty()) return;
  const int socket = mysql_get_socket(handle);
  set_socket_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1, url);
  set_socket_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive_idle_s, url);
  set_socket_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive_interval_s, url);
  set_socket_option(socket, IPPROTO_TCP, TCP_KEEPCNT, keep_alive_probes, url);
  set_socket_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(unacknowledged_ms), url);
}

/// The library's own start, which must happen once and before threads use it.
void start_library() {
  static const int started = mysql_server_init(0, nullptr, nullptr);
  if (started != 0) throw Error(ErrorKind::internal, "the MariaDB client library cannot be started");
}

/// An attempt to connect, in a thread of its own: the library looks up names and waits for the server's first words
/// without a look at the clock of a step, nor at who wants to stop. Whoever stops waiting leaves it to end by itself
/// (at connect_timeout); what it has reached by then is closed.
struct ConnectAttempt {
  explicit ConnectAttempt(const Url& target) : url(target), handle(mysql_init(nullptr)) {
    if (!handle) throw Error(ErrorKind::internal, "the MariaDB client library has no memory");
    set_options(handle.get(), url);
  }

  void run() {
    const bool reached =
        mysql_real_connect(handle.get(), url.socket.empty() ? url.host.c_str() : nullptr, url.user.c_str(),
                           url.password.c_str(), url.name.c_str(), static_cast<unsigned>(url.port),
                           url.socket.empty() ? nullptr : url.socket.c_str(), 0) != nullptr;
    const std::lock_guard lock(mutex);
    connected = reached;
    changed.notify_all();
  }

  bool wait(const Deadline& deadline) {
    std::unique_lock lock(mutex);
    const Deadline patience = deadline.at_most(url.connect_timeout);
    const auto done = [this] { return connected.has_value(); };
    changed.wait_until(lock, deadline.stop(), *patience.until(), done);
    return done();
  }

  const Url url;
  std::mutex mutex;
  std::condition_variable_any changed;
  MariaDbHandle handle;
  std::optional<bool> connected;
};

void start_attempt(const std::shared_ptr<ConnectAttempt>& attempt) {
  try {
    std::thread([attempt] {
      attempt->run();
      mysql_thread_end();
    }).detach();
  } catch (const std::system_error& failure) {
    throw connect_error(attempt->url, CR_CONNECTION_ERROR, failure.what(), "HY000");
  }
}

}  // namespace

MariaDbHandle connect_mariadb(const Url& url, const Deadline& deadline) {
  start_library();
  const std::string what = "cannot connect to " + url.masked();
  if (deadline.cancelled()) throw SqlError(ErrorKind::cancelled, what + ": cancelled", CR_CONNECTION_ERROR);
  if (deadline.expired()) throw SqlError(ErrorKind::timed_out, what + ": timed out", CR_CONNECTION_ERROR);
  const auto attempt = std::make_shared<ConnectAttempt>(url);
  start_attempt(attempt);
  if (!attempt->wait(deadline)) {
    if (deadline.cancelled()) throw SqlError(ErrorKind::cancelled, what + ": cancelled", CR_CONNECTION_ERROR);
    if (deadline.expired()) throw SqlError(ErrorKind::timed_out, what + ": timed out", CR_CONNECTION_ERROR);
    throw connect_error(url, CR_CONNECTION_ERROR,
                        fmt::format("no answer within {} s", whole_seconds(url.connect_timeout)), "HY000");
  }
  MYSQL* handle = attempt->handle.get();
  if (!*attempt->connected) throw connect_error(url, mysql_errno(handle), mysql_error(handle), mysql_sqlstate(handle));
  // The library goes on in plain text with a server that offers no TLS, whatever was enforced.
  if (url.ssl_mode >= SslMode::required && mysql_get_ssl_cipher(handle) == nullptr) {
    throw connect_error(url, CR_SSL_CONNECTION_ERROR, "the server does not support TLS", "HY000");
  }
  keep_alive(handle, url);
  return std::move(attempt->handle);
}

}  // namespace deployer::database
