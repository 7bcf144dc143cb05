// What an upgrade, a downgrade and a range come to: the part of Graph that plans.
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "migrations/graph.h"

namespace deployer::migrations {

namespace {

using Edges = Lineage::Edges;

std::set<std::string> with_themselves(std::set<std::string> found, const Ids& ids) {
  found.insert(ids.begin(), ids.end());
  return found;
}

/// Applied revisions that no applied one revises or depends on.
Ids tops_of(const std::set<std::string>& applied, const Lineage& lineage) {
  std::set<std::string> tops = applied;
  for (const std::string& id : applied) {
    if (!lineage.has(id)) continue;
    for (const std::string& parent : lineage.parents(id).all()) tops.erase(parent);
  }
  return {tops.begin(), tops.end()};
}

/// Applied revisions that revise no applied one.
Ids bottoms_of(const std::set<std::string>& applied, const Lineage& lineage) {
  Ids bottoms(applied.begin(), applied.end());
  std::erase_if(bottoms, [&](const std::string& id) {
    const Ids& parents = lineage.parents(id).down_revisions;
    return std::any_of(parents.begin(), parents.end(), [&](const std::string& up) { return applied.count(up) > 0; });
  });
  return bottoms;
}

/// The revisions whose removal a downgrade begins with: all else that goes stands behind them.
Ids roots_of_downgrade(const Lineage::Landing& landing, const Lineage& lineage, const std::set<std::string>& applied) {
  if (!landing.below.empty()) return {landing.below};
  Ids roots;
  if (landing.ids.empty()) roots = bottoms_of(applied, lineage);
  for (const std::string& id : landing.ids) {
    const Ids children = lineage.children(id);
    roots.insert(roots.end(), children.begin(), children.end());
  }
  std::erase_if(roots, [&](const std::string& id) { return applied.count(id) == 0; });
  if (!landing.branch.empty() && (roots.size() > 1 || landing.ids.empty())) {
    std::erase_if(roots, [&](const std::string& id) { return landing.branch.count(id) == 0; });
  }
  return roots;
}

}  // namespace

Ids Graph::range(const std::string& word, const Ids& current, bool with_first) const {
  const std::size_t colon = word.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorKind::invalid, "'" + word + "' is no range", "as in base:head, or 9a38:");
  }
  const std::string from = word.substr(0, colon);
  const std::string to = word.substr(colon + 1);
  const Ids upper = resolve(to.empty() ? "heads" : to, current);
  const Ids lower = from.empty() ? Ids{} : resolve(from, current);
  std::set<std::string> wanted = with_themselves(lineage_.ancestors(upper, Edges::all), upper);
  for (const std::string& id : lower) {
    if (wanted.count(id) > 0) continue;
    throw Error(ErrorKind::invalid, "revision '" + id + "' does not come before " + listing(upper),
                "a range goes from the older to the newer");
  }
  for (const std::string& id : lineage_.ancestors(lower, Edges::all)) wanted.erase(id);
  if (!with_first) {
    for (const std::string& id : lower) wanted.erase(id);
  }
  return topological(wanted, all_parents());
}

void Graph::check_ancestors(const std::set<std::string>& applied) const {
  Diagnostics wrong;
  for (const std::string& id : applied) {
    const Revision* revision = find(id);
    if (revision == nullptr) {
      throw Error(ErrorKind::invalid, "the database is ahead: revision '" + id + "' is applied, and no file has it",
                  "get the files of that revision, or downgrade");
    }
    for (const std::string& parent : lineage_.parents(id).all()) {
      if (applied.count(parent) > 0) continue;
      wrong.push_back({{revision->file, 1, 1},
                       Level::error,
                       "graph",
                       "'" + id + "' is applied, and '" + parent + "', which comes before it, is not",
                       "nothing is skipped in silence: downgrade below '" + parent + "' first",
                       ""});
    }
  }
  if (!wrong.empty()) throw Error(ErrorKind::invalid, "an ancestor is not applied", wrong);
}

Ids Graph::plan_upgrade(const std::string& word, const std::set<std::string>& applied) const {
  check_ancestors(applied);
  const Ids targets = resolve(word, tops_of(applied, lineage_));
  std::set<std::string> wanted = with_themselves(lineage_.ancestors(targets, Edges::all), targets);
  std::erase_if(wanted, [&](const std::string& id) { return applied.count(id) > 0; });
  return topological(wanted, all_parents());
}

Ids Graph::plan_downgrade(const std::string& word, const std::set<std::string>& applied,
                          const std::map<std::string, Parents>& known) const {
  Lineage lineage;
  std::map<std::string, Ids> before;
  for (const auto& [id, revision] : revisions_) {
    if (known.count(id) == 0) lineage.add(id, lineage_.parents(id));
    for (const std::string& label : revision.branch_labels) lineage.add_label(label, id);
  }
  for (const auto& [id, parents] : known) lineage.add(id, parents);
  for (const std::string& id : applied) {
    if (!lineage.has(id)) lineage.add(id, {});
    before[id] = lineage.parents(id).all();
  }
  const Lineage::Landing landing = lineage.land(word, tops_of(applied, lineage));
  for (const std::string& target : landing.ids) {
    if (applied.count(target) > 0) continue;
    throw Error(ErrorKind::invalid, "revision '" + target + "' is not applied", "deployer current says what is");
  }
  const Ids roots = roots_of_downgrade(landing, lineage, applied);
  std::set<std::string> gone = with_themselves(lineage.descendants(roots, Edges::all), roots);
  std::erase_if(gone, [&](const std::string& id) { return applied.count(id) == 0; });
  Ids order = topological(gone, before);
  if (order.size() < gone.size()) {
    throw Error(ErrorKind::failed, "the history has a cycle: " + listing({gone.begin(), gone.end()}));
  }
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace deployer::migrations
