#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// How many rows a table has and what is in them, independent of their order and of the order of the columns.
struct RowDigest {
  std::uint64_t rows = 0;
  std::string sum;  ///< 32 hex digits: the sum of the rows' BLAKE2b digests modulo 2^128
  bool operator==(const RowDigest&) const = default;
};

/// Row digest of migration-files.md, the same function wherever rows are compared and on both databases: BLAKE2b (16
/// bytes) of each row (columns by name, length before value, NULL apart, numbers as decimal text, FLOAT as its double,
/// TIMESTAMP as its seconds since 1970, whatever the session's time zone), summed modulo 2^128. It is fed with rows as
/// they pass. One thread at a time.
class RowDigester {
 public:
  /// `only` names the columns to take, Error `internal` for one that is not there; empty: all that are not generated.
  explicit RowDigester(const Table& table, const std::vector<std::string>& only = {});

  /// The table with the columns that count alone, in the order in which `add` takes them: what
  /// `Dialect::select_for_digest` is to read.
  const Table& chosen() const { return chosen_; }
  /// A row whose values are those of the chosen columns, in their order.
  void add(const Row& row);
  /// A row in which the value of the i-th chosen column stands at `places[i]`.
  void add(const Row& row, const std::vector<std::size_t>& places);
  RowDigest digest() const;

 private:
  void add_value(const Column& column, const Value& value);
  void add_to_sum();

  Table chosen_;
  std::string bytes_;  ///< of the row that is added
  std::uint64_t rows_ = 0;
  std::uint64_t sum_low_ = 0;
  std::uint64_t sum_high_ = 0;
};

/// The digest of a table's rows, read by the session.
RowDigest row_digest(Session& session, const Table& table, const Deadline& deadline,
                     const std::vector<std::string>& only = {});

/// The digest of every table of the schema, by name.
std::map<std::string, RowDigest> row_digests(Session& session, const Schema& schema, const Deadline& deadline);

}  // namespace deployer::database
