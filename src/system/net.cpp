#include "system/net.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPBasicCredentials.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/URI.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "system/net_connection.h"

namespace deployer {

namespace {

constexpr std::size_t http_head_limit = 64 * 1024;

std::string http_lower(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

/// token of RFC 9110, 5.6.2: what names a method or a header.
bool is_http_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != std::string_view::npos;
  });
}

struct HttpTarget {
  std::string host;
  int port = 0;
  bool tls = false;
  std::string authority;  ///< as in the Host header
  std::string path;
  std::string user_info;
};

HttpTarget http_target(const std::string& url) {
  const Error complaint(ErrorKind::invalid, "'" + url_for_people(url) + "' is no http:// or https:// URL");
  try {
    const Poco::URI uri(url);
    HttpTarget target;
    target.tls = uri.getScheme() == "https";
    target.host = uri.getHost();
    target.port = uri.getPort();
    target.path = uri.getPathAndQuery();
    target.user_info = uri.getUserInfo();
    if ((!target.tls && uri.getScheme() != "http") || target.host.empty() || target.port == 0) throw complaint;
    if (target.host.front() == '[' && target.host.back() == ']')
      target.host = target.host.substr(1, target.host.size() - 2);
    if (target.path.empty() || target.path.front() != '/') target.path.insert(0, "/");
    target.authority = target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
    if (target.port != (target.tls ? 443 : 80)) target.authority += ":" + std::to_string(target.port);
    return target;
  } catch (const Poco::Exception&) {
    throw complaint;
  }
}

std::string http_request_text(const HttpRequest& request, const HttpTarget& target) {
  if (!is_http_token(request.method)) throw Error(ErrorKind::invalid, "'" + request.method + "' is no HTTP method");
  Poco::Net::HTTPRequest message(request.method, target.path, Poco::Net::HTTPMessage::HTTP_1_1);
  message.set("Host", target.authority);
  message.set("User-Agent", "deployer/" + std::string(version()));
  message.set("Accept", "*/*");
  if (!target.user_info.empty()) {
    const std::size_t colon = target.user_info.find(':');
    const std::string password = colon == std::string::npos ? "" : target.user_info.substr(colon + 1);
    Poco::Net::HTTPBasicCredentials(target.user_info.substr(0, colon), password).authenticate(message);
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_http_token(name)) throw Error(ErrorKind::invalid, "'" + name + "' is no name of an HTTP header");
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      throw Error(ErrorKind::invalid, "the HTTP header " + name + " holds a line end");
    }
    message.set(name, value);
  }
  message.set("Connection", "close");
  const bool sends = request.method != "GET" && request.method != "HEAD";
  if (!request.body.empty() || sends) message.set("Content-Length", std::to_string(request.body.size()));
  std::ostringstream text;
  message.write(text);
  return text.str() + request.body;
}

/// The answer as it comes in: lines of its head, then pieces of its body.
class HttpReader {
 public:
  HttpReader(net::Connection& connection, std::string what) : connection_(connection), what_(std::move(what)) {}

  [[noreturn]] void fail(const char* how) const { throw Error(ErrorKind::unavailable, what_ + ": " + how); }

  /// The next line without its end; `room` is what is left of the head's limit.
  std::string line(std::size_t& room) {
    std::string line;
    while (true) {
      if (rest_.empty() && !more()) fail("the answer ends early");
      const std::size_t end = rest_.find('\n');
      const std::string_view piece = rest_.substr(0, end);
      if (piece.size() >= room) fail("the head of the answer is too long");
      room -= piece.size() + 1;
      line += piece;
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      if (end == std::string_view::npos) continue;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
  }

  /// At most `most` bytes; empty at the end.
  std::string_view some(std::uint64_t most) {
    if (rest_.empty() && !more()) return {};
    const std::string_view piece =
        rest_.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(most, rest_.size())));
    rest_.remove_prefix(piece.size());
    return piece;
  }

 private:
  bool more() {
    rest_ = connection_.receive();
    return !rest_.empty();
  }

  net::Connection& connection_;
  std::string what_;
  std::string_view rest_;
};

/// The body's bytes up to the limit; what is over is dropped.
class HttpBody {
 public:
  HttpBody(HttpReader& reader, std::size_t limit) : reader_(reader), limit_(limit) {}

  void exactly(std::uint64_t bytes) {
    while (bytes > 0) {
      const std::string_view piece = reader_.some(bytes);
      if (piece.empty()) reader_.fail("the answer ends early");
      keep(piece);
      bytes -= piece.size();
    }
  }

  void to_the_end() {
    for (std::string_view piece = reader_.some(UINT64_MAX); !piece.empty(); piece = reader_.some(UINT64_MAX))
      keep(piece);
  }

  /// RFC 9112, 7.1. The trailer is not read: the connection is closed after the answer.
  void chunks() {
    while (true) {
      std::size_t room = http_head_limit;
      const std::string head = reader_.line(room);
      std::uint64_t size = 0;
      const auto [end, failure] = std::from_chars(head.data(), head.data() + head.size(), size, 16);
      if (failure != std::errc() || end == head.data()) reader_.fail("the answer has a broken chunk");
      if (size == 0) return;
      exactly(size);
      if (!reader_.line(room).empty()) reader_.fail("the answer has a broken chunk");
    }
  }

  std::string take() { return std::move(kept_); }

 private:
  void keep(std::string_view piece) { kept_ += piece.substr(0, std::min(piece.size(), limit_ - kept_.size())); }

  HttpReader& reader_;
  std::size_t limit_;
  std::string kept_;
};

/// The head of the final answer; those of 1xx come before it (RFC 9110, 15.2).
Poco::Net::HTTPResponse http_head(HttpReader& reader) {
  std::size_t room = http_head_limit;
  while (true) {
    std::string head;
    for (std::string line = reader.line(room); !line.empty(); line = reader.line(room)) head += line + "\r\n";
    Poco::Net::HTTPResponse response;
    std::istringstream text(head + "\r\n");
    try {
      if (!head.starts_with("HTTP/")) reader.fail("the answer is not HTTP");
      response.read(text);
    } catch (const Poco::Exception&) {
      reader.fail("the answer is not HTTP");
    }
    if (response.getStatus() >= 200 || response.getStatus() == 101) return response;
  }
}

HttpResponse http_answer(HttpReader& reader, const HttpRequest& request) {
  const Poco::Net::HTTPResponse head = http_head(reader);
  HttpResponse response;
  response.status = head.getStatus();
  for (const auto& [name, value] : head) {
    std::string& kept = response.headers[http_lower(name)];
    kept += (kept.empty() ? "" : ", ") + value;
  }
  if (request.method == "HEAD" || response.status == 101 || response.status == 204 || response.status == 304) {
    return response;
  }
  HttpBody body(reader, request.body_limit);
  if (head.getChunkedTransferEncoding()) {
    body.chunks();
  } else if (const auto length = response.headers.find("content-length"); length != response.headers.end()) {
    std::uint64_t bytes = 0;
    const char* end = length->second.data() + length->second.size();
    if (std::from_chars(length->second.data(), end, bytes).ptr != end) reader.fail("the answer has a broken length");
    body.exactly(bytes);
  } else {
    body.to_the_end();
  }
  response.body = body.take();
  return response;
}

}  // namespace

HttpResponse http_request(const HttpRequest& request, const Deadline& deadline) {
  const HttpTarget target = http_target(request.url);
  const std::string text = http_request_text(request, target);
  const std::string what = request.method + " " + url_for_people(request.url);
  net::Connection connection(target.host, target.port, what, deadline);
  if (target.tls) connection.start_tls();
  connection.send(text);
  HttpReader reader(connection, what);
  return http_answer(reader, request);
}

void tcp_probe(const std::string& host, int port, const Deadline& deadline) {
  if (port < 1 || port > 65535) throw Error(ErrorKind::invalid, std::to_string(port) + " is no port");
  if (host.empty()) throw Error(ErrorKind::invalid, "there is no host to connect to");
  const net::Connection connection(host, port, "connecting to " + host + ":" + std::to_string(port), deadline);
}

std::string url_for_people(const std::string& url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return url;
  const std::size_t authority = scheme_end + 3;
  const std::size_t authority_end = std::min(url.find_first_of("/?#", authority), url.size());
  const std::size_t at = url.rfind('@', authority_end);
  const std::size_t host = at == std::string::npos || at < authority ? authority : at + 1;
  const std::size_t end = std::min(url.find_first_of("?#", authority_end), url.size());
  return url.substr(0, authority) + url.substr(host, end - host);
}

}  // namespace deployer
