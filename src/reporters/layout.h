#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace deployer {

/// `HH:MM:SS` on the clock of whoever reads it (TZ), as journalctl(1) shows times.
std::string wall_clock(std::chrono::system_clock::time_point time);
/// `2026-11-24 13:00:00 +0100`.
std::string wall_date(std::chrono::system_clock::time_point time);

/// A line of a program's output as it may stand in a log: what a carriage return would have overwritten, escape
/// sequences (ECMA-48) and control characters are taken out; a tab stays.
std::string printable(std::string_view line);

/// The words of `text` in lines of at most `width` columns (code points); a word that is longer has a line of its own,
/// uncut, so that it can be copied.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// How many columns a text takes: its code points.
std::size_t columns(std::string_view text);
/// With blanks behind it up to `width` columns.
std::string padded(std::string_view text, std::size_t width);

}  // namespace deployer
