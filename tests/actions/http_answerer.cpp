#include "actions/http_answerer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace deployer::test {

namespace {

/// Whether all of a request is there: its head and as many bytes as the head says.
bool is_whole_request(const std::string& text) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const std::size_t length = text.find("Content-Length: ");
  if (length == std::string::npos || length > head) return true;
  return text.size() >= head + 4 + std::stoul(text.substr(length + 16));
}

}  // namespace

HttpAnswerer::HttpAnswerer(std::string answer)
    : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
  EXPECT_EQ(listen(listener_, 8), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpAnswerer::~HttpAnswerer() {
  done_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::string HttpAnswerer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/" + path;
}

std::vector<std::string> HttpAnswerer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpAnswerer::serve() {
  while (!done_) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    std::string request;
    std::array<char, 4096> piece{};
    while (!is_whole_request(request)) {
      const ssize_t got = recv(client, piece.data(), piece.size(), 0);
      if (got <= 0) break;
      request.append(piece.data(), static_cast<std::size_t>(got));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    if (answer_.empty()) {
      // Until the client has gone.
      while (!done_ && recv(client, piece.data(), piece.size(), 0) > 0) continue;
    } else {
      EXPECT_EQ(send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer_.size()));
    }
    close(client);
  }
}

std::string http_answer(const std::string& status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

}  // namespace deployer::test
