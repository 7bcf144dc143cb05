#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "database/lexer.h"
#include "migrations/revision_file.h"

namespace deployer {
class Files;
}

namespace deployer::migrations {

using Ids = std::vector<std::string>;

/// The revisions of a folder and how they hang together. Immutable. Orders are deterministic: topological, and among
/// what is free by id.
class Graph {
 public:
  /// Reads every *.sql of the folder (an absent folder is an empty graph; template.sql is passed over). Error `invalid`
  /// with every mistake of every file: two files of one id, an unknown or orphaned parent, a cycle, a label twice.
  /// `repeatable/` with files in it is refused by name.
  static Graph load(const std::filesystem::path& folder, database::SqlDialect dialect, const Files& files);

  const Revision* find(const std::string& id) const;
  const std::map<std::string, Revision>& revisions() const { return revisions_; }

  Ids heads() const;  ///< of `down_revision` alone, as Alembic has it; sorted
  Ids bases() const;
  Ids branch_points() const;
  bool is_head(const std::string& id) const;
  /// Ids that come before `id`: parents and dependencies, transitively, without itself.
  std::set<std::string> ancestors(const std::string& id) const;
  std::set<std::string> descendants(const std::string& id) const;
  /// Children first, newest first: Alembic's order of `history`.
  Ids newest_first() const;

  /// The revisions that a word names, as Alembic resolves it: full and unambiguous partial ids, `head`, `heads`,
  /// `base`, `current`, `label@head`, `+N`, `-N`, `REV+N`, `REV-N`. Base is an empty result. Error `invalid`, which
  /// names the candidates or what was probably meant.
  Ids resolve(const std::string& word, const Ids& current) const;

  /// What an upgrade to `word` applies, in order. Error `invalid` for `head` with several heads, and for applied
  /// revisions whose ancestors are not applied.
  Ids plan_upgrade(const std::string& word, const std::set<std::string>& applied) const;
  /// What a downgrade to `word` reverts, in order: the exact reverse of how it would be applied. Applied revisions that
  /// the files do not know come from `known`: id to its parents, as the history has it.
  Ids plan_downgrade(const std::string& word, const std::set<std::string>& applied,
                     const std::map<std::string, Ids>& known) const;

 private:
  void check(Diagnostics& diagnostics) const;
  std::string one_id(const std::string& partial) const;

  std::map<std::string, Revision> revisions_;
  std::map<std::string, std::set<std::string>> children_;  ///< by down_revision
};

/// A topological order of `ids`: what `before` says comes first; among what is free, the smallest id.
Ids topological(const std::set<std::string>& ids, const std::map<std::string, Ids>& before);

}  // namespace deployer::migrations
