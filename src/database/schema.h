#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace deployer::database {

struct Column {
  std::string name;
  std::string type;  ///< as the database declares it, lower case
  bool nullable = true;
  bool has_default = false;
  std::string default_text;  ///< the default's SQL text
  bool generated = false;
  bool is_float = false;  ///< single precision: compared as its double
  std::string collation;
};

struct Table {
  std::string name;
  std::string engine;                    ///< InnoDB, …; empty where there are none
  std::vector<Column> columns;           ///< in their order
  std::vector<std::string> primary_key;  ///< names in key order
  std::string definition;  ///< canonical text of all that belongs to it but the columns: keys, checks, …
};

/// A view, index, trigger, routine, event: its kind, name and text in one canonical spelling.
struct SchemaObject {
  std::string kind;
  std::string name;
  std::string table;  ///< that it belongs to, or empty
  std::string definition;
};

/// A database's structure. Tables and objects are sorted by name, so that two equal schemas are equal.
struct Schema {
  std::vector<Table> tables;
  std::vector<SchemaObject> objects;

  const Table* find(std::string_view table) const;
  /// SHA-256 over a canonical text; equal for schemas that behave the same: spelling, comments and blanks of the
  /// definitions, the order in which objects were made do not count; the order of columns does.
  std::string fingerprint() const;
  /// A sentence for each difference, as in "table books: column isbn is only in the second".
  std::vector<std::string> differences(const Schema& other) const;
};

}  // namespace deployer::database
