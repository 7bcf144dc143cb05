#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/result.h"

namespace deployer {

/// `500ms 10s 5m 2h 30d`: one whole number of at least 0 and one unit, nothing else; at most 100 years.
/// Else an Error `invalid` whose hint shows the form.
Result<Duration> parse_duration(std::string_view text);
/// The shortest exact form that `parse_duration` takes back: 90000 ms is `90s`, 120000 ms is `2m`.
std::string duration_text(Duration length);
/// For people: `340ms`, `1.2s`, `2m 05s`, `3h 02m`, `4d 3h`.
std::string human_duration(Duration length);

/// `10MiB 2GiB`: one whole number and `B KB MB GB TB KiB MiB GiB TiB`; a bare number is bytes.
Result<std::uint64_t> parse_size(std::string_view text);
/// For people: `712 B`, `1.4 KiB`, `8.0 MiB`.
std::string human_size(std::uint64_t bytes);

}  // namespace deployer
