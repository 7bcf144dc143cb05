#include "database/value.h"

#include <charconv>
#include <string_view>
#include <type_traits>

namespace deployer::database {

namespace {

std::string double_as_text(double number) {
  char buffer[64];
  const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, end.ptr);
}

}  // namespace

bool is_null(const Value& value) { return std::holds_alternative<std::monostate>(value); }

std::string as_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return double_as_text(*number);
  return {};
}

std::int64_t as_integer(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* number = std::get_if<double>(&value)) {
    constexpr double limit = 9223372036854775808.0;  // 2^63
    return *number >= -limit && *number < limit ? static_cast<std::int64_t>(*number) : 0;
  }
  const std::string text = as_text(value);
  std::int64_t result = 0;
  const std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), result);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? result : 0;
}

}  // namespace deployer::database
