#include "system/net_connection.h"

#include <Poco/Net/Context.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "system/net_resolve.h"

namespace deployer::net {

namespace {

using Poco::Net::SecureStreamSocket;
using Poco::Net::Socket;
using Poco::Net::SocketAddress;
using Poco::Net::StreamSocket;

constexpr Duration slice = std::chrono::milliseconds(100);

/// Waits until the socket is ready for `mode` (as in Socket::SelectMode).
void wait_ready(const StreamSocket& socket, int mode, const std::string& what, const Deadline& deadline) {
  while (true) {
    deadline.check(what);
    const Poco::Timespan pause(1000 * static_cast<Poco::Timespan::TimeDiff>(deadline.poll_ms(slice)));
    if (socket.poll(pause, mode)) return;
  }
}

std::string place(const std::string& host, int port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

/// A connected socket, or the errno for which there is none.
std::pair<std::optional<StreamSocket>, int> connect_one(const SocketAddress& address, const std::string& what,
                                                        const Deadline& deadline) {
  try {
    StreamSocket socket;
    socket.connectNB(address);
    if (::fcntl(socket.impl()->sockfd(), F_SETFD, FD_CLOEXEC) != 0) return {std::nullopt, errno};
    wait_ready(socket, Socket::SELECT_WRITE | Socket::SELECT_ERROR, what, deadline);
    const int code = socket.impl()->socketError();
    if (code != 0) return {std::nullopt, code};
    return {socket, 0};
  } catch (const Poco::Exception& failure) {
    return {std::nullopt, failure.code() != 0 ? failure.code() : EIO};
  }
}

StreamSocket connect_any(const std::string& host, int port, const std::string& what, const Deadline& deadline) {
  std::vector<SocketAddress> addresses = resolve(host, port, what, deadline);
  int code = EADDRNOTAVAIL;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const bool last = i + 1 == addresses.size();
    const std::optional<Duration> left = deadline.left();
    const Deadline share =
        last || !left ? deadline : deadline.at_most(*left / static_cast<Duration::rep>(addresses.size() - i));
    try {
      auto [socket, failed] = connect_one(addresses[i], what, share);
      if (socket) return *socket;
      code = failed;
    } catch (const Error& failure) {
      if (last || failure.kind != ErrorKind::timed_out) throw;
      code = ETIMEDOUT;
    }
  }
  throw Error(ErrorKind::unavailable, "cannot connect to " + place(host, port) + ": " + std::strerror(code));
}

}  // namespace

struct Connection::State {
  std::string host;
  std::string peer;
  std::string what;
  Deadline deadline;
  StreamSocket socket;
  bool tls = false;
  std::array<char, 16 * 1024> buffer = {};

  [[noreturn]] void fail(const char* doing, const Poco::Exception& failure) const {
    std::string reason = failure.displayText();
    while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' ')) reason.pop_back();
    throw Error(ErrorKind::unavailable, std::string(doing) + " " + peer + ": " + reason);
  }

  /// `call` again and again, as it asks to wait for the socket; what it gave in the end.
  template <class Call>
  int patiently(int mode, Call call) {
    while (true) {
      const int result = call();
      if (result >= 0) return result;
      int ready_for = mode;
      if (tls && result == SecureStreamSocket::ERR_SSL_WANT_READ) ready_for = Socket::SELECT_READ;
      if (tls && result == SecureStreamSocket::ERR_SSL_WANT_WRITE) ready_for = Socket::SELECT_WRITE;
      wait_ready(socket, ready_for, what, deadline);
    }
  }
};

Connection::Connection(const std::string& host, int port, std::string what, const Deadline& deadline) {
  StreamSocket socket = connect_any(host, port, what, deadline);
  socket.setBlocking(false);
  state_.reset(new State{host, place(host, port), std::move(what), deadline, socket});
}

Connection::~Connection() {
  // No orderly end of TLS: its last message would have to be waited for, and the answer is complete without it.
  if (state_ && state_->tls) SecureStreamSocket(state_->socket).abort();
}

void Connection::start_tls() {
  using Poco::Net::Context;
  State& state = *state_;
  try {
    Context::Ptr context = new Context(Context::TLS_CLIENT_USE, "", Context::VERIFY_STRICT, 9, true);
    context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
    context->enableExtendedCertificateVerification(true);
    SecureStreamSocket secure = SecureStreamSocket::attach(state.socket, state.host, context);
    state.socket = secure;
    state.tls = true;
    state.patiently(Socket::SELECT_READ, [&secure] { return secure.completeHandshake(); });
    secure.verifyPeerCertificate(state.host);
  } catch (const Poco::Exception& failure) {
    state.fail("TLS failed with", failure);
  }
}

void Connection::send(std::string_view bytes) {
  State& state = *state_;
  const int flags = state.tls ? 0 : MSG_NOSIGNAL;
  try {
    while (!bytes.empty()) {
      const int piece = static_cast<int>(std::min<std::size_t>(bytes.size(), state.buffer.size()));
      const int sent =
          state.patiently(Socket::SELECT_WRITE, [&] { return state.socket.sendBytes(bytes.data(), piece, flags); });
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  } catch (const Poco::Exception& failure) {
    state.fail("cannot send to", failure);
  }
}

std::string_view Connection::receive() {
  State& state = *state_;
  try {
    state.deadline.check(state.what);
    const int got = state.patiently(Socket::SELECT_READ, [&state] {
      return state.socket.receiveBytes(state.buffer.data(), static_cast<int>(state.buffer.size()));
    });
    return std::string_view(state.buffer.data(), static_cast<std::size_t>(got));
  } catch (const Poco::Exception& failure) {
    state.fail("cannot read from", failure);
  }
}

}  // namespace deployer::net
