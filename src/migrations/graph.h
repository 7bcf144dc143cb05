#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "database/lexer.h"
#include "migrations/lineage.h"
#include "migrations/revision_file.h"

namespace deployer {
class Files;
}

namespace deployer::migrations {

/// The revisions of a folder and how they hang together. Immutable. Orders are deterministic: those of `topological`.
class Graph {
 public:
  /// Reads every *.sql of the folder (an absent folder is an empty graph; template.sql is passed over). Error `invalid`
  /// with every mistake of every file: two files of one id, an unknown or orphaned parent, a cycle, a label twice.
  /// `repeatable/` with SQL files in it is refused by name.
  static Graph load(const std::filesystem::path& folder, database::SqlDialect dialect, const Files& files);

  const Revision* find(const std::string& id) const;
  const std::map<std::string, Revision>& revisions() const { return revisions_; }

  Ids heads() const { return lineage_.heads(); }  ///< of `down_revision` alone, as Alembic has it; sorted
  Ids bases() const { return lineage_.bases(); }
  Ids branch_points() const { return lineage_.branch_points(); }
  bool is_head(const std::string& id) const { return lineage_.children(id).empty(); }
  /// Ids that come before `id`: parents and dependencies, transitively, without itself.
  std::set<std::string> ancestors(const std::string& id) const;
  std::set<std::string> descendants(const std::string& id) const;
  /// Children first, newest first: Alembic's order of `history`.
  Ids newest_first() const;

  /// The revisions that a word names, as Alembic resolves it (Lineage::land). Base is an empty result. Error `invalid`,
  /// which names the candidates or what was probably meant.
  Ids resolve(const std::string& word, const Ids& current) const;

  /// The revisions of `FROM:TO` in the order of an upgrade, FROM itself left out (`with_first`: taken in). An empty
  /// FROM is the base, an empty TO all heads. Error `invalid` where it is no range.
  Ids range(const std::string& word, const Ids& current, bool with_first) const;

  /// What an upgrade to `word` applies, in order. Error `invalid` for `head` with several heads, for applied revisions
  /// whose ancestors are not applied, and for applied ones that no file has.
  Ids plan_upgrade(const std::string& word, const std::set<std::string>& applied) const;
  /// What a downgrade to `word` reverts, in order: what stands behind the revision that it leads to, and what depends
  /// on that, as Alembic has it; `label@base` empties that branch alone. `known` is the history (`parents_of`): it
  /// knows applied revisions that the files do not, and is right where the two differ. Error `invalid` for a target
  /// that is not applied.
  Ids plan_downgrade(const std::string& word, const std::set<std::string>& applied,
                     const std::map<std::string, Parents>& known) const;

 private:
  void take(Revision revision, Diagnostics& wrong);
  void check(Diagnostics& wrong) const;
  void check_parents(const Revision& revision, Diagnostics& wrong) const;
  void check_cycles(Diagnostics& wrong) const;
  void check_ancestors(const std::set<std::string>& applied) const;
  std::map<std::string, Ids> all_parents() const;

  std::map<std::string, Revision> revisions_;
  Lineage lineage_;
};

}  // namespace deployer::migrations
