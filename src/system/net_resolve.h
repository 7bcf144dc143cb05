#pragma once

#include <Poco/Net/SocketAddress.h>

#include <string>
#include <vector>

#include "base/deadline.h"

namespace deployer::net {

/// The addresses of a host (getaddrinfo(3), in its order), each with `port`. A numeric address is taken as it is.
/// The look-up itself cannot be cancelled: it goes on in a thread of its own, which is left to end by itself (the
/// resolver gives up after its own time-outs, resolv.conf(5)) where the deadline comes first.
/// Errors: `unavailable` for a host that is unknown, `timed_out`, `cancelled` ("…: WHAT").
std::vector<Poco::Net::SocketAddress> resolve(const std::string& host, int port, const std::string& what,
                                              const Deadline& deadline);

}  // namespace deployer::net
