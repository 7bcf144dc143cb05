#include "system/net_resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/error.h"

namespace deployer::net {

namespace {

struct LookUp {
  int code = 0;
  std::vector<Poco::Net::SocketAddress> addresses;
};

LookUp look_up(const std::string& host, const std::string& port, int flags) {
  struct AddressesEnd {
    void operator()(addrinfo* list) const { freeaddrinfo(list); }
  };
  addrinfo wanted = {};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  LookUp result;
  result.code = getaddrinfo(host.c_str(), port.c_str(), &wanted, &list);
  const std::unique_ptr<addrinfo, AddressesEnd> owner(result.code == 0 ? list : nullptr);
  for (const addrinfo* entry = owner.get(); entry != nullptr; entry = entry->ai_next) {
    result.addresses.emplace_back(entry->ai_addr, entry->ai_addrlen);
  }
  return result;
}

/// What the thread of a look-up and its caller share; it lives until the later of both is done.
struct SharedLookUp {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<LookUp> result;
};

LookUp look_up_within(const std::string& host, const std::string& port, const std::string& what,
                      const Deadline& deadline) {
  const auto shared = std::make_shared<SharedLookUp>();
  std::thread([shared, host, port] {
    LookUp found;
    try {
      found = look_up(host, port, AI_ADDRCONFIG);
    } catch (...) {
      found.code = EAI_MEMORY;
    }
    const std::lock_guard lock(shared->mutex);
    shared->result = std::move(found);
    shared->changed.notify_all();
  }).detach();
  std::unique_lock lock(shared->mutex);
  const auto done = [&shared] { return shared->result.has_value(); };
  while (!done()) {
    deadline.check(what);
    const auto until = deadline.until().value_or(Deadline::Clock::now() + std::chrono::hours(1));
    shared->changed.wait_until(lock, deadline.stop(), until, done);
  }
  return std::move(*shared->result);
}

}  // namespace

std::vector<Poco::Net::SocketAddress> resolve(const std::string& host, int port, const std::string& what,
                                              const Deadline& deadline) {
  const std::string service = std::to_string(port);
  LookUp found = look_up(host, service, AI_NUMERICHOST);
  if (found.code == EAI_NONAME) {
    try {
      found = look_up_within(host, service, what, deadline);
    } catch (const std::system_error& failure) {
      throw Error(ErrorKind::unavailable, "cannot look up host " + host + ": " + failure.what());
    }
  }
  if (found.code != 0) {
    throw Error(ErrorKind::unavailable, "cannot look up host " + host + ": " + gai_strerror(found.code));
  }
  return std::move(found.addresses);
}

}  // namespace deployer::net
