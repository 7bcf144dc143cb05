#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace deployer {

/// A run's id: `YYYYMMDDThhmmssmmm-xxxxxx` (UTC, then six random base-32 digits, lower case), so that ids sort by
/// the time at which the runs began. Digits, lower-case letters, `T` and `-` only: safe in file names and arguments.
std::string new_run_id(std::chrono::system_clock::time_point now);

/// `length` random hex digits from the kernel's generator (getrandom(2)).
std::string random_hex(std::size_t length);

/// RFC 3339 in UTC with milliseconds: `2026-11-24T02:00:00.000Z`.
std::string rfc3339(std::chrono::system_clock::time_point time);
/// The time in such a text (with or without fraction, `Z` or an offset), or the epoch if it is none.
std::chrono::system_clock::time_point parse_rfc3339(std::string_view text);

/// Letters and digits in lower case, everything else one `-`, none at the ends; empty if nothing is left.
std::string slug(std::string_view text);

}  // namespace deployer
