#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "database/load.h"
#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// What is swapped in.
struct AsideContent {
  /// The schema aside, as it is to be, its events as they are after the swap.
  Schema wanted;
  std::vector<DumpDefinition> definitions;  ///< with what `wanted` holds besides tables is made
  std::vector<std::string> only;            ///< these tables and what is tied to them; empty: all
  std::string own_table;                    ///< deployer's own that goes with them, or empty
};

struct Swapped {
  std::vector<std::string> tables;  ///< now live
  std::vector<std::string> held;    ///< `NAME as SCHEMA.NAME`: had no counterpart
};

/// A second schema NAME_deployer beside the live schema NAME of a server, into which a dump is loaded before its tables
/// take the place of the live ones. The old tables stand in a third one, NAME_deployer_old, from the swap until they
/// are dropped: names of constraints are unique in a schema, so they cannot go where the new ones come from. Works by
/// the live session; nothing else may do the same at once (the schema's lock). Errors are SqlError, those about a
/// privilege with the GRANT to give; `invalid` where a schema of such a name is somebody else's.
class AsideSchema {
 public:
  /// Error `invalid` where the name of the live schema leaves no room for the others.
  explicit AsideSchema(Session& live);

  const std::string& name() const { return aside_; }

  /// Ends what one that died has left: forwards behind its swap, else back. `replaced`: the live schema is going to be
  /// replaced as a whole, so what cannot be made again there does not matter.
  void settle(bool replaced, const Deadline& deadline);
  /// Makes both schemas, empty but for tables that are held, and opens a session into the first.
  std::unique_ptr<Session> prepare(const Deadline& deadline);
  /// Puts the tables in their places by one RENAME TABLE, waiting for open transactions a second at a time, until the
  /// deadline; then makes what is not a table, and removes the old tables. Triggers are away only meanwhile.
  Swapped swap(const AsideContent& content, const Deadline& deadline);
  /// Removes both schemas before a swap, tables that are held apart; behind it does nothing: then `settle` ends it.
  /// Never throws.
  void discard() noexcept;

 private:
  struct State;
  State plan(const AsideContent& content, const Deadline& deadline);
  std::vector<std::string> closure(std::vector<std::string> tables, const Deadline& deadline);
  void refuse_references_of_others(const std::vector<std::string>& tables, const Deadline& deadline);
  void save(const State& state, const Deadline& deadline);
  State load(const std::string& table, const Deadline& deadline);
  std::vector<DumpDefinition> triggers_of(const std::vector<std::string>& tables, const Deadline& deadline);
  void keep_counters(const State& state, const Deadline& deadline);
  void keep_sequence(const std::string& name, const Deadline& deadline);
  bool try_rename(const State& state, const std::string& rename, const Deadline& deadline);
  void put_triggers_back(const State& state, const Deadline& deadline);
  void finish(const State& state, bool replaced, const Deadline& deadline);
  void make_objects(const State& state, const Deadline& deadline);
  void hold_tables(const State& state, const Deadline& deadline);
  void clean(const Deadline& deadline);
  void expect_own(const Deadline& deadline);
  bool has_schema(const std::string& schema, const Deadline& deadline);
  bool has_table(const std::string& schema, const std::string& table, const Deadline& deadline);
  std::vector<std::string> tables_in(const std::string& schema, const Deadline& deadline);
  std::string at(const std::string& schema, const std::string& name) const;

  Session& live_;
  std::string schema_;
  std::string aside_;
  std::string old_;
};

}  // namespace deployer::database
