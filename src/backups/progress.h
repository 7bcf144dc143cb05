#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace deployer::backups {

/// How far a phase is: "copying" (pages), "dumping" (rows), "reading", "compressing", "checking", "unpacking" (bytes).
/// Called now and then, in the caller's thread.
using Progress = std::function<void(std::string_view phase, std::uint64_t done, std::uint64_t total)>;

}  // namespace deployer::backups
