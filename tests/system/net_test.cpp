#include "system/net.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "support/folder.h"

namespace deployer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

/// A server on a port of its own that takes one connection after the other and answers each as the test says.
class SocketServer {
 public:
  /// What is done with a connection: its socket, and what was read up to the end of the request's head.
  using Answer = std::function<void(int fd, const std::string& request)>;

  explicit SocketServer(Answer answer, std::string until = "\r\n\r\n")
      : answer_(std::move(answer)), until_(std::move(until)) {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listening_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listening_, 8) != 0 ||
        getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("no listening socket");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~SocketServer() {
    ended_ = true;
    shutdown(listening_, SHUT_RDWR);
    thread_.join();
    close(listening_);
  }

  int port() const { return port_; }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  static void say(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

 private:
  void serve() {
    while (!ended_) {
      const int fd = accept(listening_, nullptr, nullptr);
      if (fd < 0) return;
      std::string request;
      char piece[4096];
      while (request.find(until_) == std::string::npos) {
        const ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0) break;
        request.append(piece, static_cast<std::size_t>(got));
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      answer_(fd, request);
      close(fd);
    }
  }

  Answer answer_;
  std::string until_;
  int listening_ = -1;
  int port_ = 0;
  std::atomic<bool> ended_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

/// A server that always says the same.
std::unique_ptr<SocketServer> server_that_says(const std::string& answer) {
  return std::make_unique<SocketServer>([answer](int fd, const std::string&) { SocketServer::say(fd, answer); });
}

HttpResponse get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return http_request(request, Deadline::after(seconds(10)));
}

Error net_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error came";
  return Error(ErrorKind::internal, "none");
}

/// A port of this machine on which nobody listens.
int closed_port() {
  const SocketServer server([](int, const std::string&) {});
  return server.port();
}

TEST(Http, GivesStatusHeadersAndBody) {
  const auto server = server_that_says(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nX-A: 1\r\nX-A: 2\r\n"
      "Content-Length: 11\r\n\r\n{\"a\": true}");
  const HttpResponse response = get(server->url("/health?full=1#part"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_EQ(response.headers.at("x-a"), "1, 2");
  EXPECT_EQ(response.body, "{\"a\": true}");
}

TEST(Http, SendsMethodPathHeadersAndBody) {
  std::string body;
  SocketServer server([&body](int fd, const std::string& request) {
    body = request.substr(request.find("\r\n\r\n") + 4);
    char piece[64];
    while (body.size() < 7) {
      const ssize_t got = recv(fd, piece, sizeof piece, 0);
      if (got <= 0) break;
      body.append(piece, static_cast<std::size_t>(got));
    }
    SocketServer::say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
  });
  HttpRequest request;
  request.method = "POST";
  request.url = server.url("/a%20b?c=d");
  request.headers = {{"Content-Type", "text/plain"}, {"User-Agent", "own"}};
  request.body = "payload";
  EXPECT_EQ(http_request(request, Deadline::after(seconds(10))).status, 204);
  EXPECT_EQ(body, "payload");
  const std::string head = server.requests().at(0);
  EXPECT_THAT(head, HasSubstr("POST /a%20b?c=d HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(head, HasSubstr("User-Agent: own\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: close\r\n"));
}

TEST(Http, SendsUserAndPasswordOfTheUrlAsBasicAuthorization) {
  const auto server = server_that_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  (void)get("http://user:secret@127.0.0.1:" + std::to_string(server->port()) + "/");
  EXPECT_THAT(server->requests().at(0), HasSubstr("Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
}

TEST(Http, ReadsABodyInChunks) {
  const auto server = server_that_says(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: "
      "x\r\n\r\n");
  EXPECT_EQ(get(server->url()).body, "hello world");
}

TEST(Http, ReadsABodyUntilTheConnectionEnds) {
  EXPECT_EQ(get(server_that_says("HTTP/1.0 200 OK\r\n\r\nall of it")->url()).body, "all of it");
}

TEST(Http, ReadsOverAnInterimAnswer) {
  const auto server = server_that_says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\n\r\n");
  EXPECT_EQ(get(server->url()).status, 201);
}

TEST(Http, AnAnswerToHeadHasNoBody) {
  const auto server = server_that_says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  HttpRequest request;
  request.method = "HEAD";
  request.url = server->url();
  EXPECT_EQ(http_request(request, Deadline::after(seconds(10))).body, "");
}

TEST(Http, KeepsOfTheBodyWhatTheLimitAllows) {
  const auto server = server_that_says("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  HttpRequest request;
  request.url = server->url();
  request.body_limit = 10;
  EXPECT_EQ(http_request(request, Deadline::after(seconds(10))).body, "xxxxxxxxxx");
}

TEST(Http, DoesNotFollowARedirect) {
  const auto server =
      server_that_says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  const HttpResponse response = get(server->url());
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.headers.at("location"), "http://127.0.0.1:1/");
  EXPECT_EQ(server->requests().size(), 1u);
}

TEST(Http, ABodyThatEndsEarlyIsNoAnswer) {
  const auto server = server_that_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  const Error error = net_error([&] { (void)get(server->url("/h?token=t")); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_EQ(error.message, "GET " + server->url("/h") + ": the answer ends early");
}

TEST(Http, WhatIsNotHttpIsNoAnswer) {
  const auto ssh = server_that_says("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  EXPECT_EQ(net_error([&] { (void)get(ssh->url()); }).message, "GET " + ssh->url() + ": the answer is not HTTP");
  const auto silent = server_that_says("");
  EXPECT_EQ(net_error([&] { (void)get(silent->url()); }).message, "GET " + silent->url() + ": the answer ends early");
  const auto endless = server_that_says("HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'x'));
  EXPECT_EQ(net_error([&] { (void)get(endless->url()); }).message,
            "GET " + endless->url() + ": the head of the answer is too long");
  const auto chunks = server_that_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_EQ(net_error([&] { (void)get(chunks->url()); }).message,
            "GET " + chunks->url() + ": the answer has a broken chunk");
}

TEST(Http, AServerThatSendsAByteNowAndThenIsCutAtTheDeadline) {
  SocketServer server([](int fd, const std::string&) {
    SocketServer::say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    char byte = 0;
    pollfd gone{fd, POLLIN, 0};
    for (int i = 0; i < 400 && poll(&gone, 1, 25) == 0; ++i) SocketServer::say(fd, "x");
    (void)recv(fd, &byte, 1, 0);
  });
  HttpRequest request;
  request.url = server.url();
  const auto before = std::chrono::steady_clock::now();
  const Error error = net_error([&] { (void)http_request(request, Deadline::after(milliseconds(300))); });
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_EQ(error.kind, ErrorKind::timed_out);
  EXPECT_EQ(error.message, "timed out: GET " + server.url());
  EXPECT_GE(took, milliseconds(300));
  EXPECT_LT(took, seconds(3));
}

/// Answers nothing until the client has gone.
void stay_silent(int fd, const std::string&) {
  char byte = 0;
  (void)recv(fd, &byte, 1, 0);
}

TEST(Http, AServerThatSaysNothingIsCutAtTheDeadline) {
  SocketServer server(stay_silent);
  HttpRequest request;
  request.url = server.url();
  EXPECT_EQ(net_error([&] { (void)http_request(request, Deadline::after(milliseconds(100))); }).kind,
            ErrorKind::timed_out);
}

TEST(Http, CanBeCancelled) {
  SocketServer server(stay_silent);
  HttpRequest request;
  request.url = server.url();
  std::stop_source stop;
  std::jthread canceller([&stop] {
    std::this_thread::sleep_for(milliseconds(20));
    stop.request_stop();
  });
  const auto before = std::chrono::steady_clock::now();
  const Error error = net_error([&] { (void)http_request(request, Deadline::never(stop.get_token())); });
  EXPECT_EQ(error.kind, ErrorKind::cancelled);
  EXPECT_EQ(error.message, "cancelled: GET " + server.url());
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(2));
}

TEST(Http, ARefusedConnectionNamesThePlace) {
  const int port = closed_port();
  const Error error = net_error([&] { (void)get("http://127.0.0.1:" + std::to_string(port) + "/"); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_EQ(error.message, "cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
}

TEST(Http, AnUnknownHostIsNamed) {
  // Longer than a resolver without a server takes to give up.
  const Error error = net_error([] { tcp_probe("no-such-host.invalid", 80, Deadline::after(seconds(100))); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("cannot look up host no-such-host.invalid: "));
}

TEST(Http, AUrlThatIsNoneIsInvalidAndItsPasswordIsNotShown) {
  for (const std::string url : {"ftp://u:geheim@host/", "http://", "http:///path", "host/health", "", "http://[::1/"}) {
    const Error error = net_error([&] { (void)get(url); });
    EXPECT_EQ(error.kind, ErrorKind::invalid) << url;
    EXPECT_THAT(error.message, HasSubstr("is no http:// or https:// URL"));
    EXPECT_EQ(error.message.find("geheim"), std::string::npos);
  }
}

TEST(Http, AHeaderCannotSmuggleASecondOne) {
  HttpRequest request;
  request.url = "http://127.0.0.1:1/";
  request.headers = {{"X-Name", "a\r\nX-Other: b"}};
  EXPECT_EQ(net_error([&] { (void)http_request(request, Deadline::after(seconds(1))); }).message,
            "the HTTP header X-Name holds a line end");
  request.headers = {{"X Name", "a"}};
  EXPECT_EQ(net_error([&] { (void)http_request(request, Deadline::after(seconds(1))); }).message,
            "'X Name' is no name of an HTTP header");
}

TEST(TcpProbe, FindsAPortOnWhichSomebodyListens) {
  const SocketServer server([](int, const std::string&) {});
  EXPECT_NO_THROW(tcp_probe("127.0.0.1", server.port(), Deadline::after(seconds(10))));
  EXPECT_NO_THROW(tcp_probe("localhost", server.port(), Deadline::after(seconds(10))));
}

TEST(TcpProbe, SaysWhyItDoesNotGetThrough) {
  const int port = closed_port();
  EXPECT_EQ(net_error([&] { tcp_probe("127.0.0.1", port, Deadline::after(seconds(10))); }).message,
            "cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
  EXPECT_EQ(net_error([&] { tcp_probe("127.0.0.1", 70'000, Deadline::after(seconds(10))); }).message,
            "70000 is no port");
}

TEST(UrlForPeople, LeavesOutWhatMayBeSecret) {
  EXPECT_EQ(url_for_people("https://user:p@ss@host:8443/a/b?token=x#y"), "https://host:8443/a/b");
  EXPECT_EQ(url_for_people("http://host?user=a@b"), "http://host");
  EXPECT_EQ(url_for_people("http://[::1]:80/"), "http://[::1]:80/");
  EXPECT_EQ(url_for_people("no url"), "no url");
}

/// OpenSSL's own test server with a certificate for localhost that it signed itself.
class TlsServer {
 public:
  TlsServer() {
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout " +
        (folder_ / "key").string() + " -out " + certificate() + " 2>/dev/null";
    if (std::system(make.c_str()) != 0) throw std::runtime_error("no certificate");
    int out[2];
    if (pipe(out) != 0) throw std::runtime_error("no pipe");
    std::vector<std::string> words = {"openssl",     "s_server", "-accept",
                                      "127.0.0.1:0", "-www",     "-cert",
                                      certificate(), "-key",     (folder_ / "key").string()};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (posix_spawnp(&pid_, "openssl", &actions, nullptr, argv.data(), environ) != 0) pid_ = 0;
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    std::string said;
    char byte = 0;
    // It says `ACCEPT 127.0.0.1:PORT` once it listens.
    while (read(out[0], &byte, 1) == 1 && !(byte == '\n' && said.find("ACCEPT") != std::string::npos)) said += byte;
    close(out[0]);
    port_ = said.substr(said.rfind(':') + 1);
  }
  ~TlsServer() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string certificate() const { return (folder_ / "certificate").string(); }
  std::string url(const std::string& host) const { return "https://" + host + ":" + port_ + "/"; }

 private:
  test::Folder folder_;
  pid_t pid_ = 0;
  std::string port_;
};

/// What OpenSSL takes for the system's store, for the time of a test.
class TrustedStore {
 public:
  explicit TrustedStore(const std::string& file) { setenv("SSL_CERT_FILE", file.c_str(), 1); }
  ~TrustedStore() { unsetenv("SSL_CERT_FILE"); }
};

TEST(Https, ACertificateOfTheStoreIsTaken) {
  const TlsServer server;
  const TrustedStore store(server.certificate());
  const HttpResponse response = get(server.url("localhost"));
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("TLSv1."));
}

TEST(Https, ACertificateThatNobodyVouchesForIsRefused) {
  const TlsServer server;
  const Error error = net_error([&] { (void)get(server.url("localhost")); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("TLS failed with localhost:"));
  EXPECT_THAT(error.message, HasSubstr("certificate verify failed"));
}

TEST(Https, ACertificateForAnotherHostIsRefused) {
  const TlsServer server;
  const TrustedStore store(server.certificate());
  const Error error = net_error([&] { (void)get(server.url("127.0.0.1")); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("TLS failed with 127.0.0.1:"));
}

TEST(Https, AServerThatNeverShakesHandsIsCutAtTheDeadline) {
  SocketServer server([](int fd, const std::string&) { stay_silent(fd, ""); });
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  EXPECT_EQ(net_error([&] { (void)http_request(request, Deadline::after(milliseconds(150))); }).kind,
            ErrorKind::timed_out);
}

TEST(Https, AServerWithoutTlsIsUnavailable) {
  // The client's first TLS record holds no end of a head; the server hangs up when it has seen the record's first
  // bytes.
  SocketServer server([](int fd, const std::string&) { SocketServer::say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); },
                      "\x16\x03");
  const Error error = net_error([&] { (void)get("https://127.0.0.1:" + std::to_string(server.port()) + "/"); });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace deployer
