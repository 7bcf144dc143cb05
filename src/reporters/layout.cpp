#include "reporters/layout.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace deployer {

namespace {

std::string layout_time(std::chrono::system_clock::time_point time, const char* format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts = {};
  if (::localtime_r(&seconds, &parts) == nullptr) return "--:--:--";
  std::array<char, 64> text = {};
  const std::size_t length = std::strftime(text.data(), text.size(), format, &parts);
  return std::string(text.data(), length);
}

/// Where the escape sequence that begins at `begin` ends.
std::size_t layout_escape_end(std::string_view line, std::size_t begin) {
  std::size_t at = begin + 1;
  if (at >= line.size()) return at;
  const char kind = line[at++];
  if (kind == '[') {
    while (at < line.size() && (line[at] < '@' || line[at] > '~')) ++at;
    return std::min(at + 1, line.size());
  }
  if (kind == ']' || kind == 'P' || kind == '^' || kind == '_') {
    // A string: up to BEL or ESC \.
    while (at < line.size() && line[at] != '\a' && line[at] != '\x1b') ++at;
    if (at < line.size() && line[at] == '\x1b') ++at;
    return std::min(at + 1, line.size());
  }
  return at;
}

}  // namespace

std::string wall_clock(std::chrono::system_clock::time_point time) { return layout_time(time, "%H:%M:%S"); }
std::string wall_date(std::chrono::system_clock::time_point time) { return layout_time(time, "%Y-%m-%d %H:%M:%S %z"); }

std::string printable(std::string_view line) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::size_t back = line.rfind('\r');
  if (back != std::string_view::npos) line.remove_prefix(back + 1);
  std::string text;
  for (std::size_t at = 0; at < line.size();) {
    const auto byte = static_cast<unsigned char>(line[at]);
    if (byte == 0x1b) {
      at = layout_escape_end(line, at);
      continue;
    }
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) text += line[at];
    ++at;
  }
  return text;
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string(text) + std::string(taken < width ? width - taken : 0, ' ');
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \n\t\r");
    if (begin == std::string_view::npos) return lines;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \n\t\r"));
    text.remove_prefix(word.size());
    std::string& line = lines.back();
    if (!line.empty() && columns(line) + 1 + columns(word) > width) {
      lines.emplace_back(word);
    } else {
      if (!line.empty()) line += ' ';
      line += word;
    }
  }
}

}  // namespace deployer
