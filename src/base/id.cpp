#include "base/id.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <vector>

#include "base/error.h"

namespace deployer {

namespace {

using SystemClock = std::chrono::system_clock;

std::vector<unsigned char> random_bytes(std::size_t count) {
  std::vector<unsigned char> bytes(count);
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error(ErrorKind::internal, "the kernel gave no random bytes");
  }
  return bytes;
}

struct Split {
  std::tm calendar;
  int milliseconds;
};

Split split_time(SystemClock::time_point time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  const std::time_t whole = seconds.time_since_epoch().count();
  Split parts{};
  gmtime_r(&whole, &parts.calendar);
  parts.milliseconds = static_cast<int>((ms - seconds).count());
  return parts;
}

}  // namespace

std::string new_run_id(SystemClock::time_point now) {
  const Split at = split_time(now);
  std::string id =
      fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}{:03}-", at.calendar.tm_year + 1900, at.calendar.tm_mon + 1,
                  at.calendar.tm_mday, at.calendar.tm_hour, at.calendar.tm_min, at.calendar.tm_sec, at.milliseconds);
  for (const unsigned char byte : random_bytes(6)) id += "0123456789abcdefghijkmnpqrstuvwx"[byte % 32];
  return id;
}

std::string random_hex(std::size_t length) {
  std::string out;
  for (const unsigned char byte : random_bytes(length)) out += "0123456789abcdef"[byte % 16];
  return out;
}

std::string rfc3339(SystemClock::time_point time) {
  const Split at = split_time(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", at.calendar.tm_year + 1900, at.calendar.tm_mon + 1,
                     at.calendar.tm_mday, at.calendar.tm_hour, at.calendar.tm_min, at.calendar.tm_sec, at.milliseconds);
}

SystemClock::time_point parse_rfc3339(std::string_view text) {
  std::tm calendar{};
  int consumed = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &calendar.tm_year, &calendar.tm_mon,
                  &calendar.tm_mday, &calendar.tm_hour, &calendar.tm_min, &calendar.tm_sec, &consumed) != 6) {
    return {};
  }
  calendar.tm_year -= 1900;
  calendar.tm_mon -= 1;
  auto time = SystemClock::from_time_t(timegm(&calendar));
  auto at = static_cast<std::size_t>(consumed);
  if (at < copy.size() && copy[at] == '.') {
    int scale = 100;
    for (++at; at < copy.size() && std::isdigit(static_cast<unsigned char>(copy[at])) != 0; ++at, scale /= 10) {
      time += std::chrono::milliseconds((copy[at] - '0') * scale);
    }
  }
  int hours = 0;
  int minutes = 0;
  if (at < copy.size() && (copy[at] == '+' || copy[at] == '-') &&
      std::sscanf(copy.c_str() + at + 1, "%2d:%2d", &hours, &minutes) == 2) {
    const auto offset = std::chrono::minutes(hours * 60 + minutes);
    time += copy[at] == '+' ? -offset : offset;
  }
  return time;
}

std::string slug(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0) {
      out += static_cast<char>(std::tolower(byte));
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  if (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

}  // namespace deployer
