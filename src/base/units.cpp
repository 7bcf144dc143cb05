#include "base/units.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

namespace deployer {

namespace {

struct Unit {
  std::string_view word;
  std::uint64_t factor;
};

constexpr std::array<Unit, 5> time_units = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                            Unit{"s", 1'000}, Unit{"ms", 1}};

constexpr std::uint64_t kilo = 1000;
constexpr std::uint64_t kibi = 1024;
constexpr std::array<Unit, 10> size_units = {Unit{"", 1},
                                             Unit{"B", 1},
                                             Unit{"KB", kilo},
                                             Unit{"MB", kilo* kilo},
                                             Unit{"GB", kilo* kilo* kilo},
                                             Unit{"TB", kilo* kilo* kilo* kilo},
                                             Unit{"KiB", kibi},
                                             Unit{"MiB", kibi* kibi},
                                             Unit{"GiB", kibi* kibi* kibi},
                                             Unit{"TiB", kibi* kibi* kibi* kibi}};

template <std::size_t Count>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, Count>& units,
                                             std::uint64_t limit) {
  std::uint64_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc()) return std::nullopt;
  const std::string_view word(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (unit.word != word) continue;
    if (number > limit / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::uint64_t hundred_years = 36'525ULL * 86'400'000ULL;
  const std::optional<std::uint64_t> length = parse_with_unit(text, time_units, hundred_years);
  if (!length) {
    return tl::unexpected(Error(ErrorKind::invalid, fmt::format("'{}' is not a duration", text),
                                "a number and a unit, as in 500ms, 10s, 5m, 2h or 30d"));
  }
  return Duration(static_cast<Duration::rep>(*length));
}

std::string duration_text(Duration length) {
  const auto ms = static_cast<std::uint64_t>(length.count());
  for (const Unit& unit : time_units) {
    if (ms != 0 && ms % unit.factor == 0) return std::to_string(ms / unit.factor) + std::string(unit.word);
  }
  return "0s";
}

std::string human_duration(Duration length) {
  const auto ms = length.count();
  if (ms < 1'000) return fmt::format("{}ms", ms);
  if (ms < 60'000) return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000.0);
  const auto seconds = ms / 1'000;
  if (seconds < 3'600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  const auto minutes = seconds / 60;
  if (minutes < 1'440) return fmt::format("{}h {:02}m", minutes / 60, minutes % 60);
  return fmt::format("{}d {}h", minutes / 1'440, minutes % 1'440 / 60);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const std::optional<std::uint64_t> bytes = parse_with_unit(text, size_units, UINT64_MAX);
  if (!bytes) {
    return tl::unexpected(Error(ErrorKind::invalid, fmt::format("'{}' is not a size", text),
                                "a number and a unit, as in 512KiB, 10MiB or 2GiB"));
  }
  return *bytes;
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < kibi) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  for (const std::string_view unit : {"KiB", "MiB", "GiB", "TiB"}) {
    value /= static_cast<double>(kibi);
    if (value < 1024.0 || unit == "TiB") return fmt::format("{:.1f} {}", value, unit);
  }
  return {};
}

}  // namespace deployer
