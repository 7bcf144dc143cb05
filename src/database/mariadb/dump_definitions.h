#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace deployer::database {

/// The statement that makes one object of a schema.
struct MariaDbDefinition {
  std::string kind;  ///< as in SchemaObject, or "table", "package", "package body"
  std::string name;
  std::vector<std::string> settings;  ///< `SET …` of the session in which it was made, and which belong to it
  std::string text;                   ///< CREATE …, without version comments around it
  std::string after;                  ///< of a sequence: the statement that sets where it stands
  std::string enable;                 ///< of an event that was on: the statement that switches it on
};

/// The definitions in what mariadb-dump printed, in its order; of a view its last, which is the real one. Events are
/// switched off in their text. `unfaithful` gets a sentence for each object that this text would make otherwise than
/// it is. Error `failed` for a text that it cannot have printed.
std::vector<MariaDbDefinition> cut_mariadb_dump(std::string_view dump, std::vector<std::string>& unfaithful);

/// Views such that each stands behind those it reads.
std::vector<MariaDbDefinition> views_in_order(std::vector<MariaDbDefinition> views);

/// A body as the clients take it, its delimiter one that it does not hold; other statements end with `;`.
std::string as_script(const MariaDbDefinition& definition);

}  // namespace deployer::database
