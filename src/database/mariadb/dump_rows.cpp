#include "database/mariadb/dump_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "database/dialect.h"
#include "database/mariadb/dialect.h"

namespace deployer::database {

namespace {

constexpr std::size_t insert_size = std::size_t{1} << 20;
constexpr std::size_t insert_reserve = insert_size / 16;

bool holds_bytes(const std::string& type) {
  constexpr std::array<std::string_view, 17> kinds = {"binary",
                                                      "varbinary",
                                                      "tinyblob",
                                                      "blob",
                                                      "mediumblob",
                                                      "longblob",
                                                      "bit",
                                                      "geometry",
                                                      "point",
                                                      "linestring",
                                                      "polygon",
                                                      "multipoint",
                                                      "multilinestring",
                                                      "multipolygon",
                                                      "geomcollection",
                                                      "geometrycollection",
                                                      "vector"};
  const std::string_view word = std::string_view(type).substr(0, type.find_first_of("( "));
  return std::find(kinds.begin(), kinds.end(), word) != kinds.end();
}

/// The character set of a column if some of its texts may not survive the way to Unicode and back.
std::string lossy_charset(const std::string& collation) {
  constexpr std::array<std::string_view, 9> exact = {"",        "binary",  "ascii", "latin1", "utf8",
                                                     "utf8mb3", "utf8mb4", "ucs2",  "utf16"};
  const std::string charset = collation.substr(0, collation.find('_'));
  return std::find(exact.begin(), exact.end(), charset) == exact.end() ? charset : std::string();
}

void append_quoted(std::string& sql, std::string_view text) {
  sql += '\'';
  for (const char c : text) {
    switch (c) {
      case '\0':
        sql += "\\0";
        break;
      case '\n':
        sql += "\\n";
        break;
      case '\r':
        sql += "\\r";
        break;
      case '\x1a':
        sql += "\\Z";
        break;
      case '\'':
      case '\\':
        sql += '\\';
        sql += c;
        break;
      default:
        sql += c;
    }
  }
  sql += '\'';
}

void append_hex(std::string& sql, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (bytes.empty()) {
    sql += "''";
    return;
  }
  sql += "0x";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    sql += digits[byte >> 4];
    sql += digits[byte & 15];
  }
}

/// Always with an exponent: without one it would be a DECIMAL, which has fewer digits behind the point.
void append_double(std::string& sql, double number) {
  char buffer[64];
  const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  sql.append(buffer, end.ptr);
}

void append_integer(std::string& sql, std::int64_t number) {
  char buffer[32];
  const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, number);
  sql.append(buffer, end.ptr);
}

}  // namespace

MariaDbRowsDump::MariaDbRowsDump(Session& session, const Table& table)
    : session_(session), table_(table), digester_(table) {
  choose_fields();
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.name);
  begin_ = fmt::format("INSERT INTO {} ({}) VALUES\n", session.dialect().quote(table.name), join(names, ", "));
}

void MariaDbRowsDump::choose_fields() {
  std::vector<std::string> digested;
  std::vector<std::string> names;
  for (const Column& column : table_.columns) {
    if (column.generated) continue;
    const std::string name = session_.dialect().quote(column.name);
    Field field{name, Form::text, lossy_charset(column.collation)};
    std::string expression = column.is_float ? mariadb_digest_expression(name, column) : name;
    if (holds_bytes(column.type)) field.form = Form::bytes;
    if (!field.charset.empty()) {
      field.form = Form::bytes_of_charset;
      expression = fmt::format("CAST({} AS BINARY)", name);
    }
    fields_.push_back(field);
    names.push_back(column.name);
    expressions_.push_back(expression);
    digested.push_back(mariadb_digest_expression(name, column));
  }
  for (const Column& column : digester_.chosen().columns) {
    const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), column.name) - names.begin());
    places_.push_back(at);
    if (expressions_[at] == digested[at]) continue;
    places_.back() = expressions_.size();
    expressions_.push_back(digested[at]);
  }
}

std::string MariaDbRowsDump::select() const {
  std::vector<std::string> keys;
  for (const std::string& key : table_.primary_key) keys.push_back(session_.dialect().quote(key));
  return fmt::format("SELECT {} FROM {}{}{}", join(expressions_, ", "), session_.dialect().quote(table_.name),
                     keys.empty() ? "" : " ORDER BY ", join(keys, ", "));
}

RowDigest MariaDbRowsDump::run(const Deadline& deadline, bool writes,
                               const std::function<void(std::string_view)>& write,
                               const std::function<void(std::uint64_t)>& on_rows) {
  std::uint64_t passed = 0;
  statement_.reserve(insert_size + insert_reserve);
  const auto take = [&](const Row& row) {
    digester_.add(row, places_);
    ++passed;
    if (!writes) return;
    append_row(row);
    if (statement_.size() < insert_size) return;
    flush(write);
    on_rows(passed);
    passed = 0;
  };
  session_.stream(select(), {}, deadline, [&](const Row& row) {
    try {
      take(row);
    } catch (...) {
      session_.interrupt();  // else the rest of the table would be read over
      throw;
    }
  });
  flush(write);
  on_rows(passed);
  return digester_.digest();
}

void MariaDbRowsDump::append_row(const Row& row) {
  statement_ += statement_.empty() ? begin_ : ",\n";
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    statement_ += i == 0 ? '(' : ',';
    const Value& value = row.at(i);
    if (is_null(value)) {
      statement_ += "NULL";
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      append_integer(statement_, *integer);
    } else if (const auto* number = std::get_if<double>(&value)) {
      append_double(statement_, *number);
    } else if (fields_[i].form == Form::text) {
      append_quoted(statement_, as_text(value));
    } else {
      const std::string bytes = as_text(value);
      if (fields_[i].form == Form::bytes_of_charset) statement_ += "_" + fields_[i].charset + " ";
      append_hex(statement_, bytes);
    }
  }
  statement_ += ')';
}

void MariaDbRowsDump::flush(const std::function<void(std::string_view)>& write) {
  if (statement_.empty()) return;
  statement_ += ";\n";
  longest_ = std::max(longest_, statement_.size());
  write(statement_);
  statement_.clear();
}

}  // namespace deployer::database
