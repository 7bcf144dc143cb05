#include "actions/health_check/probes.h"
#include "base/error.h"
#include "system/net.h"

namespace deployer {

std::optional<HostPort> parse_host_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort found{address.substr(0, colon), 0};
  if (found.host.front() == '[' && found.host.back() == ']') {
    found.host = found.host.substr(1, found.host.size() - 2);
  } else if (found.host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets: which colon is the port's?
  }
  const std::string digits = address.substr(colon + 1);
  if (found.host.empty() || digits.empty() || digits.size() > 5) return std::nullopt;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    found.port = found.port * 10 + (digit - '0');
  }
  if (found.port < 1 || found.port > 65535) return std::nullopt;
  return found;
}

std::optional<std::string> address_complaint(const std::string& address) {
  if (parse_host_port(address)) return std::nullopt;
  return "'" + address + "' is no host:port";
}

std::optional<std::string> tcp_complaint(const std::string& address, const Deadline& deadline) {
  const std::optional<HostPort> parts = parse_host_port(address);
  if (!parts) return address_complaint(address);
  try {
    tcp_probe(parts->host, parts->port, deadline);
    return std::nullopt;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return error.summary();
  }
}

}  // namespace deployer
