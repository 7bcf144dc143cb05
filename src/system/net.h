#pragma once

#include <map>
#include <string>

#include "base/deadline.h"

namespace deployer {

struct HttpRequest {
  std::string method = "GET";
  std::string url;  ///< http:// or https:// (certificates are verified against the system's store)
  std::map<std::string, std::string> headers;
  std::string body;
  std::size_t body_limit = 1 << 20;  ///< bytes of the answer that are kept; more is read over
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case; repeated ones joined by ", "
  std::string body;
};

/// One request, redirects not followed, no proxy unless `http_proxy` is meant for it (none is used). The deadline holds
/// for the whole of it: name look-up, connect, each byte. Errors: `invalid` for a URL that is none, `unavailable` for
/// refused, unreachable, unknown host, TLS; `timed_out`, `cancelled`. Any thread.
HttpResponse http_request(const HttpRequest& request, const Deadline& deadline);

/// Connects to host:port and hangs up. Errors as above.
void tcp_probe(const std::string& host, int port, const Deadline& deadline);

/// The URL without user, password, query and fragment, for messages; as it is where it is none.
std::string url_for_people(const std::string& url);

}  // namespace deployer
