#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/deadline.h"

namespace deployer::net {

/// A TCP connection, with TLS on it or not, whose every wait ends with the deadline and looks at the stop token each
/// 100 ms. Errors: `unavailable` (names host and port), `timed_out` and `cancelled` (name `what`). One thread at a
/// time.
class Connection {
 public:
  /// Looks the name up and connects to the first of its addresses that answers. Where there are several, none of them
  /// but the last may use more than its share of the time that is left.
  Connection(const std::string& host, int port, std::string what, const Deadline& deadline);
  ~Connection();

  /// TLS 1.2 or newer with the certificate's chain checked against the system's store (`SSL_CERT_FILE`, `SSL_CERT_DIR`,
  /// else OpenSSL's defaults) and its name against the host.
  void start_tls();

  void send(std::string_view bytes);
  /// What has come, at least one byte; empty when the other side has sent all it will.
  std::string_view receive();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer::net
