#include "database/row_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "database/dialect.h"
#include "system/stream/stream.h"

namespace deployer::database {

namespace {

void append_length(std::string& bytes, std::uint64_t length) {
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((length >> shift) & 0xff);
}

/// The shortest decimal text that reads back as the same double, never with an exponent: `10`, `0.1`, `0.00001`. A
/// whole double is written as the integer that another database may hold in its place.
std::string decimal_text(double number) {
  if (number == 0) return "0";  // and not -0
  char buffer[400];             // the longest: 1.8e308 and 4.9e-324 written out
  const std::to_chars_result end = std::isfinite(number)
                                       ? std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed)
                                       : std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, end.ptr);
}

void append_value(std::string& bytes, const Value& value) {
  if (is_null(value)) {
    bytes += 'N';
    return;
  }
  const auto* number = std::get_if<double>(&value);
  const std::string text = number != nullptr ? decimal_text(*number) : as_text(value);
  bytes += 'V';
  append_length(bytes, text.size());
  bytes += text;
}

Table chosen_columns(const Table& table, const std::vector<std::string>& only) {
  Table chosen = table;
  std::erase_if(chosen.columns, [&](const Column& column) {
    return column.generated || (!only.empty() && std::find(only.begin(), only.end(), column.name) == only.end());
  });
  for (const std::string& name : only) {
    const bool known = std::any_of(chosen.columns.begin(), chosen.columns.end(),
                                   [&](const Column& column) { return column.name == name; });
    if (!known) {
      throw Error(ErrorKind::internal, fmt::format("table {} has no column {} to compare", table.name, name));
    }
  }
  std::sort(chosen.columns.begin(), chosen.columns.end(),
            [](const Column& a, const Column& b) { return a.name < b.name; });
  return chosen;
}

}  // namespace

RowDigester::RowDigester(const Table& table, const std::vector<std::string>& only)
    : chosen_(chosen_columns(table, only)) {}

void RowDigester::add(const Row& row) {
  for (std::size_t i = 0; i < chosen_.columns.size(); ++i) add_value(chosen_.columns[i], row.at(i));
  add_to_sum();
}

void RowDigester::add(const Row& row, const std::vector<std::size_t>& places) {
  for (std::size_t i = 0; i < chosen_.columns.size(); ++i) add_value(chosen_.columns[i], row.at(places.at(i)));
  add_to_sum();
}

RowDigest RowDigester::digest() const { return {rows_, fmt::format("{:016x}{:016x}", sum_high_, sum_low_)}; }

void RowDigester::add_value(const Column& column, const Value& value) {
  append_length(bytes_, column.name.size());
  bytes_ += column.name;
  append_value(bytes_, value);
}

void RowDigester::add_to_sum() {
  const Blake2b128 digest = blake2b128(bytes_);
  sum_low_ += digest.low;
  sum_high_ += digest.high + (sum_low_ < digest.low ? 1 : 0);
  ++rows_;
  bytes_.clear();
}

RowDigest row_digest(Session& session, const Table& table, const Deadline& deadline,
                     const std::vector<std::string>& only) {
  RowDigester digester(table, only);
  session.stream(session.dialect().select_for_digest(digester.chosen()), {}, deadline,
                 [&](const Row& row) { digester.add(row); });
  return digester.digest();
}

std::map<std::string, RowDigest> row_digests(Session& session, const Schema& schema, const Deadline& deadline) {
  std::map<std::string, RowDigest> digests;
  for (const Table& table : schema.tables) digests.emplace(table.name, row_digest(session, table, deadline));
  return digests;
}

}  // namespace deployer::database
