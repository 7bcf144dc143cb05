#include "migrations/lineage.h"

#include <algorithm>

namespace deployer::migrations {

namespace {

template <class Map>
Ids keys_of(const Map& map) {
  Ids keys;
  for (const auto& entry : map) keys.push_back(entry.first);
  return keys;
}

/// The ids that a topological order can hold: all that are neither in a cycle nor behind one.
std::set<std::string> orderable(const std::set<std::string>& ids, const std::map<std::string, Ids>& before) {
  std::map<std::string, std::size_t> waiting;
  std::map<std::string, Ids> behind;
  Ids free;
  for (const std::string& id : ids) {
    std::set<std::string> parents;
    const auto found = before.find(id);
    if (found != before.end()) parents.insert(found->second.begin(), found->second.end());
    std::erase_if(parents, [&](const std::string& parent) { return ids.count(parent) == 0; });
    for (const std::string& parent : parents) behind[parent].push_back(id);
    waiting[id] = parents.size();
    if (parents.empty()) free.push_back(id);
  }
  std::set<std::string> done;
  while (!free.empty()) {
    const std::string id = free.back();
    free.pop_back();
    done.insert(id);
    for (const std::string& next : behind[id]) {
      if (--waiting[next] == 0) free.push_back(next);
    }
  }
  return done;
}

/// Alembic's walk (RevisionMap._topological_sort): from the heads down, along one branch until another branch that is
/// still to come needs the revision first.
class WalkFromHeads {
 public:
  WalkFromHeads(const std::set<std::string>& ids, const std::map<std::string, Ids>& before) : todo_(ids) {
    std::set<std::string> heads = ids;
    for (const std::string& id : ids) {
      Ids parents;
      const auto found = before.find(id);
      if (found != before.end()) {
        for (const std::string& parent : found->second) {
          const bool is_new = std::find(parents.begin(), parents.end(), parent) == parents.end();
          if (is_new && ids.count(parent) > 0) parents.push_back(parent);
        }
      }
      for (const std::string& parent : parents) heads.erase(parent);
      parents_[id] = std::move(parents);
    }
    for (const std::string& head : heads) walkers_.push_back({head, with_ancestors(head)});
  }

  Ids newest_first() {
    std::size_t at = 0;
    while (!walkers_.empty()) {
      const std::string id = walkers_[at].id;
      const std::size_t other = needed_first_by(id, at);
      if (other < walkers_.size()) {
        at = other;
        continue;
      }
      if (todo_.erase(id) > 0) order_.push_back(id);
      if (!advance(at)) {
        walkers_.erase(walkers_.begin() + static_cast<std::ptrdiff_t>(at));
        at = at == 0 ? 0 : at - 1;
      }
    }
    return order_;
  }

 private:
  struct Walker {
    std::string id;
    std::set<std::string> ancestors;  // and itself
  };

  std::set<std::string> with_ancestors(const std::string& id) const {
    std::set<std::string> found = {id};
    Ids open = {id};
    while (!open.empty()) {
      const Ids& parents = parents_.at(open.back());
      open.pop_back();
      for (const std::string& parent : parents) {
        if (found.insert(parent).second) open.push_back(parent);
      }
    }
    return found;
  }

  /// Another walker that has still to come down to `id`.
  std::size_t needed_first_by(const std::string& id, std::size_t at) const {
    for (std::size_t other = 0; other < walkers_.size(); ++other) {
      if (other != at && walkers_[other].ancestors.count(id) > 0) return other;
    }
    return walkers_.size();
  }

  bool is_walked(const std::string& id) const {
    return std::any_of(walkers_.begin(), walkers_.end(), [&](const Walker& walker) { return walker.id == id; });
  }

  /// To the parents; false where there are none that nobody else walks to.
  bool advance(std::size_t at) {
    const std::string id = walkers_[at].id;
    const Ids& parents = parents_.at(id);
    Ids next;
    for (const std::string& parent : parents) {
      if (todo_.count(parent) > 0 && !is_walked(parent)) next.push_back(parent);
    }
    if (next.empty()) return false;
    walkers_[at].id = next.front();
    if (parents.size() == 1) {
      walkers_[at].ancestors.erase(id);
      return true;
    }
    walkers_[at].ancestors = with_ancestors(next.front());
    for (std::size_t i = 1; i < next.size(); ++i) walkers_.push_back({next[i], with_ancestors(next[i])});
    return true;
  }

  std::set<std::string> todo_;
  std::map<std::string, Ids> parents_;
  std::vector<Walker> walkers_;
  Ids order_;
};

}  // namespace

Ids topological(const std::set<std::string>& ids, const std::map<std::string, Ids>& before) {
  Ids order = WalkFromHeads(orderable(ids, before), before).newest_first();
  std::reverse(order.begin(), order.end());
  return order;
}

Ids Parents::all() const {
  Ids both = down_revisions;
  both.insert(both.end(), depends_on.begin(), depends_on.end());
  return both;
}

void Lineage::add(const std::string& id, const Parents& parents) {
  parents_[id] = parents;
  for (const std::string& parent : parents.down_revisions) children_[parent].insert(id);
  for (const std::string& parent : parents.all()) followers_[parent].insert(id);
}

Ids Lineage::ids() const { return keys_of(parents_); }

Ids Lineage::heads() const {
  Ids found = ids();
  std::erase_if(found, [&](const std::string& id) { return children_.count(id) > 0; });
  return found;
}

Ids Lineage::bases() const {
  Ids found = ids();
  std::erase_if(found, [&](const std::string& id) { return !parents_.at(id).down_revisions.empty(); });
  return found;
}

Ids Lineage::branch_points() const {
  Ids found = ids();
  std::erase_if(found, [&](const std::string& id) { return children(id).size() < 2; });
  return found;
}

Ids Lineage::children(const std::string& id) const {
  const auto found = children_.find(id);
  return found == children_.end() ? Ids{} : Ids(found->second.begin(), found->second.end());
}

std::set<std::string> Lineage::ancestors(const Ids& ids, Edges edges) const {
  std::set<std::string> found;
  Ids open = ids;
  while (!open.empty()) {
    const auto known = parents_.find(open.back());
    open.pop_back();
    if (known == parents_.end()) continue;
    for (const std::string& parent : edges == Edges::all ? known->second.all() : known->second.down_revisions) {
      if (has(parent) && found.insert(parent).second) open.push_back(parent);
    }
  }
  return found;
}

std::set<std::string> Lineage::descendants(const Ids& ids, Edges edges) const {
  const auto& next = edges == Edges::all ? followers_ : children_;
  std::set<std::string> found;
  Ids open = ids;
  while (!open.empty()) {
    const auto known = next.find(open.back());
    open.pop_back();
    if (known == next.end()) continue;
    for (const std::string& child : known->second) {
      if (found.insert(child).second) open.push_back(child);
    }
  }
  return found;
}

}  // namespace deployer::migrations
