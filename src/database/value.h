#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace deployer::database {

/// Bytes that are no text.
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

/// One value of a row, as the server has it. Numbers that fit neither int64 nor double exactly (DECIMAL, BIGINT
/// UNSIGNED over 2^63), dates and times are text in the server's own form.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

using Row = std::vector<Value>;

/// A result kept in memory, for small ones.
struct Rows {
  std::vector<std::string> columns;
  std::vector<Row> rows;

  bool empty() const { return rows.empty(); }
};

bool is_null(const Value& value);
/// The value as text: NULL is empty, numbers in decimal, a Blob its bytes.
std::string as_text(const Value& value);
/// The value as an integer: 0 for NULL and for text that is none.
std::int64_t as_integer(const Value& value);

}  // namespace deployer::database
