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
/// bytes) of each row (columns by name, length before value, NULL apart, numbers as decimal text, FLOAT as its double),
/// summed modulo 2^128. `only` names the columns to take; empty: all that are not generated.
RowDigest row_digest(Session& session, const Table& table, const Deadline& deadline,
                     const std::vector<std::string>& only = {});

/// The digest of every table of the schema, by name.
std::map<std::string, RowDigest> row_digests(Session& session, const Schema& schema, const Deadline& deadline);

}  // namespace deployer::database
