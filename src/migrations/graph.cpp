#include "migrations/graph.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "base/yaml.h"
#include "system/files.h"

namespace deployer::migrations {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_revision = 256ULL * 1024 * 1024;

Diagnostic graph_mistake(const Revision& revision, const std::string& message, const std::string& hint = {}) {
  return {{revision.file, 1, 1}, Level::error, "graph", message, hint, ""};
}

Ids parents_and_dependencies(const Revision& revision) {
  Ids before = revision.down_revisions;
  before.insert(before.end(), revision.depends_on.begin(), revision.depends_on.end());
  return before;
}

Ids ids_in(const std::map<std::string, Revision>& revisions) {
  Ids ids;
  for (const auto& entry : revisions) ids.push_back(entry.first);
  return ids;
}

}  // namespace

Ids topological(const std::set<std::string>& ids, const std::map<std::string, Ids>& before) {
  std::map<std::string, std::size_t> waiting;
  std::map<std::string, Ids> behind;
  std::set<std::string> free;
  for (const std::string& id : ids) {
    std::size_t count = 0;
    const auto found = before.find(id);
    if (found != before.end()) {
      for (const std::string& parent : std::set<std::string>(found->second.begin(), found->second.end())) {
        if (ids.count(parent) == 0) continue;
        behind[parent].push_back(id);
        ++count;
      }
    }
    waiting[id] = count;
    if (count == 0) free.insert(id);
  }
  Ids order;
  while (!free.empty()) {
    const std::string id = *free.begin();
    free.erase(free.begin());
    order.push_back(id);
    for (const std::string& next : behind[id]) {
      if (--waiting[next] == 0) free.insert(next);
    }
  }
  return order;
}

Graph Graph::load(const fs::path& folder, database::SqlDialect dialect, const Files& files) {
  Graph graph;
  Diagnostics wrong;
  if (!files.list(folder / "repeatable").empty()) {
    wrong.push_back({{(folder / "repeatable").string(), 0, 0},
                     Level::error,
                     "later",
                     "repeatable migrations are not in this version",
                     "make revisions of them",
                     ""});
  }
  for (const std::string& name : files.list(folder)) {
    if (!name.ends_with(".sql") || name == "template.sql" || name.starts_with('.')) continue;
    const std::string file = (folder / name).string();
    const std::string text = files.read(file, largest_revision);
    Diagnostics of_file;
    Revision revision = parse_revision(text, file, dialect, of_file);
    add_excerpts(of_file, text, file);
    wrong.insert(wrong.end(), of_file.begin(), of_file.end());
    if (revision.id.empty()) continue;
    const auto [known, is_new] = graph.revisions_.emplace(revision.id, revision);
    if (!is_new) {
      wrong.push_back(graph_mistake(revision, "revision '" + revision.id + "' stands in two files",
                                    "the other is " + known->second.file));
    }
  }
  for (const auto& [id, revision] : graph.revisions_) {
    for (const std::string& parent : revision.down_revisions) graph.children_[parent].insert(id);
  }
  graph.check(wrong);
  if (has_errors(wrong)) throw Error(ErrorKind::invalid, "the migrations are wrong", wrong);
  return graph;
}

void Graph::check(Diagnostics& wrong) const {
  std::map<std::string, Ids> before;
  std::map<std::string, std::string> labels;
  const Ids known = ids_in(revisions_);
  for (const auto& [id, revision] : revisions_) {
    before[id] = parents_and_dependencies(revision);
    for (const std::string& parent : before[id]) {
      if (revisions_.count(parent) > 0) continue;
      const std::optional<std::string> meant = did_you_mean(parent, known);
      wrong.push_back(graph_mistake(revision, "revision '" + id + "' needs '" + parent + "', which no file has",
                                    meant ? "did you mean '" + *meant + "'?" : ""));
    }
    for (const std::string& label : revision.branch_labels) {
      const auto [first, is_new] = labels.emplace(label, id);
      if (!is_new) {
        wrong.push_back(graph_mistake(revision, "the branch label '" + label + "' stands twice",
                                      "the other is revision '" + first->second + "'"));
      }
    }
  }
  const Ids order = topological({known.begin(), known.end()}, before);
  if (order.size() == known.size()) return;
  Ids in_cycle;
  for (const std::string& id : known) {
    if (std::find(order.begin(), order.end(), id) == order.end()) in_cycle.push_back(id);
  }
  wrong.push_back(
      graph_mistake(revisions_.at(in_cycle.front()), "the revisions " + listing(in_cycle) + " form a cycle"));
}

const Revision* Graph::find(const std::string& id) const {
  const auto found = revisions_.find(id);
  return found == revisions_.end() ? nullptr : &found->second;
}

bool Graph::is_head(const std::string& id) const { return children_.count(id) == 0; }

Ids Graph::heads() const {
  Ids found;
  for (const auto& entry : revisions_) {
    if (is_head(entry.first)) found.push_back(entry.first);
  }
  return found;
}

Ids Graph::bases() const {
  Ids found;
  for (const auto& [id, revision] : revisions_) {
    if (revision.down_revisions.empty()) found.push_back(id);
  }
  return found;
}

Ids Graph::branch_points() const {
  Ids found;
  for (const auto& [id, children] : children_) {
    if (children.size() > 1) found.push_back(id);
  }
  return found;
}

std::set<std::string> Graph::ancestors(const std::string& id) const {
  std::set<std::string> found;
  Ids open = {id};
  while (!open.empty()) {
    const Revision* revision = find(open.back());
    open.pop_back();
    if (revision == nullptr) continue;
    for (const std::string& parent : parents_and_dependencies(*revision)) {
      if (found.insert(parent).second) open.push_back(parent);
    }
  }
  return found;
}

std::set<std::string> Graph::descendants(const std::string& id) const {
  std::set<std::string> found;
  for (const auto& entry : revisions_) {
    if (ancestors(entry.first).count(id) > 0) found.insert(entry.first);
  }
  return found;
}

Ids Graph::newest_first() const {
  std::map<std::string, Ids> before;
  for (const auto& [id, revision] : revisions_) before[id] = parents_and_dependencies(revision);
  const Ids known = ids_in(revisions_);
  Ids order = topological({known.begin(), known.end()}, before);
  std::reverse(order.begin(), order.end());
  return order;
}

Ids Graph::plan_upgrade(const std::string& word, const std::set<std::string>& applied) const {
  Diagnostics wrong;
  std::set<std::string> has_child;
  for (const std::string& id : applied) {
    const Revision* revision = find(id);
    if (revision == nullptr) continue;
    for (const std::string& parent : parents_and_dependencies(*revision)) {
      has_child.insert(parent);
      if (applied.count(parent) > 0) continue;
      wrong.push_back(graph_mistake(*revision,
                                    "'" + id + "' is applied, and '" + parent + "', which comes before it, is not",
                                    "nothing is skipped in silence: apply it by hand and mark it, or downgrade first"));
    }
  }
  if (!wrong.empty()) throw Error(ErrorKind::invalid, "an ancestor is not applied", wrong);
  Ids current;
  for (const std::string& id : applied) {
    if (has_child.count(id) == 0) current.push_back(id);
  }
  std::set<std::string> wanted;
  for (const std::string& target : resolve(word, current)) {
    const std::set<std::string> before = ancestors(target);
    wanted.insert(before.begin(), before.end());
    wanted.insert(target);
  }
  std::map<std::string, Ids> before;
  for (const auto& [id, revision] : revisions_) before[id] = parents_and_dependencies(revision);
  std::erase_if(wanted, [&](const std::string& id) { return applied.count(id) > 0; });
  return topological(wanted, before);
}

Ids Graph::plan_downgrade(const std::string& word, const std::set<std::string>& applied,
                          const std::map<std::string, Ids>& known) const {
  std::map<std::string, Ids> before;
  std::set<std::string> has_child;
  for (const std::string& id : applied) {
    const auto in_history = known.find(id);
    if (in_history != known.end()) {
      before[id] = in_history->second;
    } else if (const Revision* revision = find(id)) {
      before[id] = parents_and_dependencies(*revision);
    }
    for (const std::string& parent : before[id]) has_child.insert(parent);
  }
  Ids current;
  for (const std::string& id : applied) {
    if (has_child.count(id) == 0) current.push_back(id);
  }
  const Ids targets = resolve(word, current);
  std::set<std::string> gone;
  if (targets.empty()) gone = applied;
  Ids order = topological(applied, before);
  for (const std::string& target : targets) {
    if (applied.count(target) == 0) {
      throw Error(ErrorKind::invalid, "revision '" + target + "' is not applied", "deployer current says what is");
    }
    // In topological order a parent is decided before its children.
    std::set<std::string> below;
    for (const std::string& id : order) {
      const Ids& parents = before[id];
      if (std::any_of(parents.begin(), parents.end(),
                      [&](const std::string& parent) { return parent == target || below.count(parent) > 0; })) {
        below.insert(id);
      }
    }
    gone.insert(below.begin(), below.end());
  }
  std::erase_if(order, [&](const std::string& id) { return gone.count(id) == 0; });
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace deployer::migrations
