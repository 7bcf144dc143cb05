#include "base/source_lines.h"

namespace deployer {

namespace {

constexpr std::size_t longest_excerpt = 160;

}  // namespace

SourceLines::SourceLines(std::string_view text) : text_(text) {
  if (text_.substr(0, 3) == "\xEF\xBB\xBF") text_.remove_prefix(3);
  std::size_t begin = 0;
  while (begin <= text_.size()) {
    std::size_t end = text_.find('\n', begin);
    if (end == std::string_view::npos) end = text_.size();
    std::string_view line = text_.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines_.push_back(line);
    begin = end + 1;
  }
}

std::string_view SourceLines::line(int number) const {
  if (number < 1 || number > count()) return {};
  return lines_[static_cast<std::size_t>(number - 1)];
}

std::string_view SourceLines::from(int number, int column) const {
  if (number < 1 || number > count() || column < 1) return {};
  const std::string_view start = lines_[static_cast<std::size_t>(number - 1)];
  const auto offset = static_cast<std::size_t>(start.data() - text_.data()) + static_cast<std::size_t>(column - 1);
  return offset < text_.size() ? text_.substr(offset) : std::string_view();
}

std::string SourceLines::excerpt(int number, int column) const {
  const std::string_view whole = line(number);
  if (whole.size() <= longest_excerpt) return std::string(whole);
  std::size_t end = longest_excerpt;
  while (end > 0 && (static_cast<unsigned char>(whole[end]) & 0xC0U) == 0x80U) --end;
  if (column > static_cast<int>(end)) return {};
  return std::string(whole.substr(0, end)) + "…";
}

}  // namespace deployer
