#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace deployer::database {

/// What only the text of a CREATE TABLE tells.
struct TableText {
  std::vector<std::string> clauses;  ///< checks, generated columns, conflict clauses; canonical
  std::vector<bool> deferred;        ///< foreign keys in the order of the text: checked at COMMIT
};
TableText read_table_text(std::string_view sql, std::string_view table);

/// A declared type in one spelling: `VARCHAR (20 )` is `varchar(20)`.
std::string canonical_type(std::string_view type, std::string_view table);

}  // namespace deployer::database
