#include "actions/health_check/probes.h"
#include "base/error.h"
#include "system/net.h"

namespace deployer {

std::optional<std::string> http_complaint(const std::string& url, const HttpExpectation& expected,
                                          const Deadline& deadline) {
  const std::string name = url_for_people(url);
  HttpRequest request;
  request.url = url;
  try {
    const std::optional<std::string> complaint = expected.complaint(http_request(request, deadline));
    if (complaint) return name + ": " + *complaint;
    return std::nullopt;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return error.summary();
  }
}

}  // namespace deployer
