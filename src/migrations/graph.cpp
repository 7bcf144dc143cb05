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

bool is_sql_file(const std::string& name) { return name.ends_with(".sql") && !name.starts_with('.'); }

/// A mistake of a revision, at the line of its header that has `key`.
Diagnostic graph_mistake(const Revision& revision, const char* key, const std::string& message,
                         const std::string& hint = {}) {
  const auto line = revision.header_lines.find(key);
  return {{revision.file, line == revision.header_lines.end() ? 1 : line->second, 1},
          Level::error,
          "graph",
          message,
          hint,
          ""};
}

void refuse_repeatables(const fs::path& folder, const Files& files, Diagnostics& wrong) {
  for (const std::string& name : files.list(folder / "repeatable")) {
    if (!is_sql_file(name)) continue;
    wrong.push_back({{(folder / "repeatable" / name).string(), 0, 0},
                     Level::error,
                     "later",
                     "repeatable migrations are not in this version",
                     "make a revision of it",
                     ""});
  }
}

/// One of the cycles among revisions each of which has a parent among them.
Ids cycle_among(const std::set<std::string>& left, const std::map<std::string, Ids>& before) {
  Ids path = {*left.begin()};
  for (;;) {
    const Ids& parents = before.at(path.back());
    const auto next =
        std::find_if(parents.begin(), parents.end(), [&](const std::string& id) { return left.count(id) > 0; });
    const auto seen = std::find(path.begin(), path.end(), *next);
    if (seen != path.end()) return {seen, path.end()};
    path.push_back(*next);
  }
}

}  // namespace

Graph Graph::load(const fs::path& folder, database::SqlDialect dialect, const Files& files) {
  Graph graph;
  Diagnostics wrong;
  refuse_repeatables(folder, files, wrong);
  for (const std::string& name : files.list(folder)) {
    if (!is_sql_file(name) || name == "template.sql") continue;
    const std::string file = (folder / name).string();
    const std::string text = files.read(file, largest_revision);
    Diagnostics of_file;
    Revision revision = parse_revision(text, file, dialect, of_file);
    add_excerpts(of_file, text, file);
    wrong.insert(wrong.end(), of_file.begin(), of_file.end());
    if (!revision.id.empty()) graph.take(std::move(revision), wrong);
  }
  graph.check(wrong);
  if (has_errors(wrong)) throw Error(ErrorKind::invalid, "the migrations are wrong", wrong);
  return graph;
}

void Graph::take(Revision revision, Diagnostics& wrong) {
  const auto known = revisions_.find(revision.id);
  if (known != revisions_.end()) {
    wrong.push_back(graph_mistake(revision, "revision", "revision '" + revision.id + "' stands in two files",
                                  "the other is " + known->second.file));
    return;
  }
  lineage_.add(revision.id, {revision.down_revisions, revision.depends_on});
  for (const std::string& label : revision.branch_labels) lineage_.add_label(label, revision.id);
  revisions_.emplace(revision.id, std::move(revision));
}

void Graph::check(Diagnostics& wrong) const {
  std::map<std::string, std::string> labels;
  for (const auto& [id, revision] : revisions_) {
    check_parents(revision, wrong);
    for (const std::string& label : revision.branch_labels) {
      const auto [first, is_new] = labels.emplace(label, id);
      if (!is_new) {
        wrong.push_back(graph_mistake(revision, "branch-labels", "the branch label '" + label + "' stands twice",
                                      "the other is revision '" + first->second + "'"));
      }
      if (revisions_.count(label) > 0) {
        wrong.push_back(graph_mistake(revision, "branch-labels", "the branch label '" + label + "' is a revision's id",
                                      "give it another name"));
      }
    }
  }
  check_cycles(wrong);
}

void Graph::check_parents(const Revision& revision, Diagnostics& wrong) const {
  const auto check = [&](const Ids& parents, const char* key, const std::string& does) {
    for (const std::string& parent : parents) {
      if (revisions_.count(parent) > 0) continue;
      const std::optional<std::string> meant = did_you_mean(parent, lineage_.ids());
      wrong.push_back(graph_mistake(revision, key,
                                    "revision '" + revision.id + "' " + does + " '" + parent + "', which no file has",
                                    meant ? "did you mean '" + *meant + "'?" : ""));
    }
  };
  check(revision.down_revisions, "revises", "revises");
  check(revision.depends_on, "depends-on", "depends on");
}

void Graph::check_cycles(Diagnostics& wrong) const {
  const std::map<std::string, Ids> before = all_parents();
  const Ids known = lineage_.ids();
  std::set<std::string> left(known.begin(), known.end());
  for (const std::string& id : topological(left, before)) left.erase(id);
  if (left.empty()) return;
  Ids cycle = cycle_among(left, before);
  std::sort(cycle.begin(), cycle.end());
  const std::string message = cycle.size() == 1 ? "revision '" + cycle.front() + "' comes before itself"
                                                : "the revisions " + listing(cycle) + " form a cycle";
  wrong.push_back(graph_mistake(revisions_.at(cycle.front()), "revises", message));
}

std::map<std::string, Ids> Graph::all_parents() const {
  std::map<std::string, Ids> before;
  for (const auto& [id, revision] : revisions_) before[id] = lineage_.parents(id).all();
  return before;
}

const Revision* Graph::find(const std::string& id) const {
  const auto found = revisions_.find(id);
  return found == revisions_.end() ? nullptr : &found->second;
}

std::set<std::string> Graph::ancestors(const std::string& id) const {
  return lineage_.ancestors({id}, Lineage::Edges::all);
}

std::set<std::string> Graph::descendants(const std::string& id) const {
  return lineage_.descendants({id}, Lineage::Edges::all);
}

Ids Graph::newest_first() const {
  const Ids known = lineage_.ids();
  Ids order = topological({known.begin(), known.end()}, all_parents());
  std::reverse(order.begin(), order.end());
  return order;
}

Ids Graph::resolve(const std::string& word, const Ids& current) const { return lineage_.land(word, current).ids; }

}  // namespace deployer::migrations
