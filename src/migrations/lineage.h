#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace deployer::migrations {

using Ids = std::vector<std::string>;

/// What stands before a revision.
struct Parents {
  Ids down_revisions;  ///< several: a merge; none: a base
  Ids depends_on;

  Ids all() const;
};

/// How revisions hang together, those of a folder or of a history, and what words name among them. Parents that are not
/// in it count as absent. Nothing here depends on the order in which revisions were added.
class Lineage {
 public:
  void add(const std::string& id, const Parents& parents);
  /// `label` names the branch that begins at `id`.
  void add_label(const std::string& label, const std::string& id) { labels_[label] = id; }

  bool has(const std::string& id) const { return parents_.count(id) > 0; }
  const Parents& parents(const std::string& id) const { return parents_.at(id); }
  Ids ids() const;    ///< all; this and the following sorted
  Ids heads() const;  ///< that no other has as its down revision
  Ids bases() const;  ///< without down revisions
  Ids branch_points() const;
  Ids children(const std::string& id) const;  ///< by down revision

  enum class Edges { down_revisions, all };
  /// What comes before `ids`, transitively, without those that are only in `ids`.
  std::set<std::string> ancestors(const Ids& ids, Edges edges) const;
  std::set<std::string> descendants(const Ids& ids, Edges edges) const;

  /// Where a word leads.
  struct Landing {
    Ids ids;                       ///< empty: the base
    std::set<std::string> branch;  ///< of `label@…`: its revisions, those before the label and behind it; else empty
    std::string below;             ///< the base revision that a step down went below; else empty
  };
  /// Resolves a word as Alembic does ("Partial Revision Identifiers", "Relative Migration Identifiers", "Referring to
  /// all heads at once", "Working with Branches"): full and unambiguous partial ids, `head`, `heads`, `base`,
  /// `current`, `+N`, `-N`, `REV+N`, `REV-N`, each also behind `label@` or `REV@`. `current`: where the database
  /// stands. Error `invalid`, which names the candidates or what was probably meant.
  Landing land(const std::string& word, const Ids& current) const;

 private:
  struct Word;
  Word read(const std::string& word) const;
  std::set<std::string> branch_of(const std::string& name) const;
  std::string one_id(const std::string& partial, const std::set<std::string>& branch) const;
  Ids start_of(const Word& word, const Ids& current, const std::set<std::string>& branch) const;
  Ids stands_in(const Ids& current, const std::set<std::string>& branch) const;
  std::string step_up(const std::string& from, const Word& word, const std::set<std::string>& branch) const;
  std::string step_down(const std::string& from, const Word& word, const std::set<std::string>& branch) const;

  std::map<std::string, Parents> parents_;
  std::map<std::string, std::set<std::string>> children_;   // by down revision
  std::map<std::string, std::set<std::string>> followers_;  // by down revision and dependency
  std::map<std::string, std::string> labels_;
};

/// A topological order of `ids`: what `before` says comes first. The same as Alembic's, which walks down from the
/// heads and stays on a branch as long as it can, with heads taken in the order of their ids. What is in a cycle, or
/// behind one, is left out.
Ids topological(const std::set<std::string>& ids, const std::map<std::string, Ids>& before);

}  // namespace deployer::migrations
