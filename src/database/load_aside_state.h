#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "database/load_aside.h"

namespace deployer::database {

/// What a swap is to do, kept in the schema aside from before it begins until it has ended.
struct AsideSchema::State {
  bool whole = true;
  std::vector<std::string> incoming;  ///< tables aside that become live
  std::vector<std::string> outgoing;  ///< live tables that make room
  /// Outgoing tables that nothing replaces, with the names under which they are held.
  std::vector<std::pair<std::string, std::string>> held;
  std::vector<SchemaObject> wanted;      ///< what is to be there besides tables
  std::vector<DumpDefinition> made;      ///< the dump's
  std::vector<DumpDefinition> triggers;  ///< of the outgoing tables, as they were

  Json json() const;
  static State from(const Json& json);
};

// Tables of the schemas aside. The second becomes the third in the very RENAME that swaps.
constexpr const char* aside_mark = "_deployer_aside";    ///< the schema is deployer's
constexpr const char* aside_plan = "_deployer_swap";     ///< a State: its swap may begin at any moment
constexpr const char* aside_done = "_deployer_swapped";  ///< the same, its swap is done
constexpr const char* aside_held = "_deployer_held_";    ///< the beginning of the names of held tables

/// The settings under which a schema's tables are moved and dropped; put back at the end.
class AsideSettings {
 public:
  /// `lock_wait`: seconds that a statement may wait for the transactions of others.
  AsideSettings(Session& session, int lock_wait, const Deadline& deadline);
  ~AsideSettings();
  AsideSettings(const AsideSettings&) = delete;
  AsideSettings& operator=(const AsideSettings&) = delete;

 private:
  Session& session_;
  std::string back_;
};

/// Of `definitions` those that make the objects `names` (kind in lower case, name), with their settings.
std::vector<DumpDefinition> definitions_of(const std::vector<DumpDefinition>& definitions,
                                           const std::vector<std::pair<std::string, std::string>>& names);

}  // namespace deployer::database
