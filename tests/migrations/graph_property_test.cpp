#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "project.h"

namespace deployer::migrations {
namespace {

struct Planned {
  std::string id;
  Ids revises;
  Ids depends_on;
};

/// Revisions with ids in no order, each on up to two older ones and with up to one dependency.
std::vector<Planned> any_revisions() {
  const auto keys = *rc::gen::resize(8, rc::gen::unique<std::vector<int>>(rc::gen::inRange(100, 1000)));
  std::vector<Planned> revisions;
  for (const int key : keys) {
    Planned one{"r" + std::to_string(key), {}, {}};
    const auto older = [&](Ids& ids) {
      const auto at = static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(revisions.size())));
      const std::string& id = revisions[at].id;
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    };
    const int parents = revisions.empty() ? 0 : *rc::gen::element(0, 1, 1, 1, 2);
    for (int i = 0; i < parents; ++i) older(one.revises);
    if (!revisions.empty() && *rc::gen::element(0, 0, 0, 1) == 1) older(one.depends_on);
    revisions.push_back(one);
  }
  return revisions;
}

Graph graph_of(const std::vector<Planned>& revisions) {
  const Project project;
  for (const Planned& one : revisions) {
    project.revision(one.id, join(one.revises, ", "), {}, {"depends-on: " + join(one.depends_on, ", ")});
  }
  return project.graph();
}

std::size_t place_in(const Ids& order, const std::string& id) {
  return static_cast<std::size_t>(std::find(order.begin(), order.end(), id) - order.begin());
}

RC_GTEST_PROP(GraphOrder, RespectsEveryEdgeAndLosesNobody, ()) {
  const std::vector<Planned> revisions = any_revisions();
  const Ids order = graph_of(revisions).plan_upgrade("heads", {});
  RC_ASSERT(order.size() == revisions.size());
  for (const Planned& one : revisions) {
    for (const Ids* before : {&one.revises, &one.depends_on}) {
      for (const std::string& parent : *before) RC_ASSERT(place_in(order, parent) < place_in(order, one.id));
    }
  }
}

RC_GTEST_PROP(GraphOrder, OfADowngradeIsTheReverse, ()) {
  const Graph graph = graph_of(any_revisions());
  const Ids up = graph.plan_upgrade("heads", {});
  Ids down = graph.plan_downgrade("base", {up.begin(), up.end()}, {});
  std::reverse(down.begin(), down.end());
  RC_ASSERT(down == up);
  Ids newest = graph.newest_first();
  std::reverse(newest.begin(), newest.end());
  RC_ASSERT(newest == up);
}

RC_GTEST_PROP(GraphOrder, AnUpgradeGoesOnFromWhateverHasBeenApplied, ()) {
  const Graph graph = graph_of(any_revisions());
  const Ids up = graph.plan_upgrade("heads", {});
  RC_PRE(!up.empty());
  const std::string target = *rc::gen::elementOf(up);
  const Ids first = graph.plan_upgrade(target, {});
  std::set<std::string> applied(first.begin(), first.end());
  RC_ASSERT(first.back() == target);
  const Ids rest = graph.plan_upgrade("heads", applied);
  RC_ASSERT(first.size() + rest.size() == up.size());
  applied.insert(rest.begin(), rest.end());
  // Down to the target: it stays with all that it needs, and nothing that stays misses what it needs.
  for (const std::string& id : graph.plan_downgrade(target, applied, {})) applied.erase(id);
  RC_ASSERT(applied.count(target) == 1U);
  for (const std::string& id : applied) {
    for (const std::string& before : graph.ancestors(id)) RC_ASSERT(applied.count(before) == 1U);
  }
}

}  // namespace
}  // namespace deployer::migrations
