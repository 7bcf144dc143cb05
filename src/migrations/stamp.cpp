#include "migrations/stamp.h"

#include <algorithm>

#include "base/error.h"

namespace deployer::migrations {

namespace {

Ids in_order_of(Ids order, const std::set<std::string>& ids) {
  std::erase_if(order, [&](const std::string& id) { return ids.count(id) == 0; });
  return order;
}

Applied stamped_row(const Revision& revision, const ExecutorOptions& options) {
  Applied row = applied_row(revision);
  row.applied_at = options.now;
  row.marked_by = options.applied_by;
  row.deployer_version = options.version;
  row.run_id = options.run_id;
  return row;
}

}  // namespace

StampPlan plan_stamp(const Graph& graph, const std::map<std::string, Applied>& rows, const std::string& word,
                     bool purge) {
  const Ids targets = graph.resolve(word, current_of(rows));
  if (targets.empty() && word != "base") {
    throw Error(ErrorKind::invalid, "'" + word + "' is the base", "stamp base forgets every revision");
  }
  std::set<std::string> wanted(targets.begin(), targets.end());
  std::set<std::string> behind;
  for (const std::string& target : targets) {
    wanted.merge(graph.ancestors(target));
    behind.merge(graph.descendants(target));
  }
  std::set<std::string> forgotten;
  for (const auto& [id, row] : rows) {
    const bool stays = wanted.count(id) > 0 && row.state == "applied";
    const bool other_branch = !targets.empty() && graph.find(id) != nullptr && behind.count(id) == 0;
    if (purge || (!stays && (!other_branch || row.state != "applied"))) forgotten.insert(id);
  }
  std::erase_if(wanted, [&](const std::string& id) { return rows.count(id) > 0 && forgotten.count(id) == 0; });
  StampPlan plan;
  plan.forgotten = in_order_of(graph.newest_first(), forgotten);
  for (const std::string& id : forgotten) {
    if (graph.find(id) == nullptr) plan.forgotten.insert(plan.forgotten.begin(), id);
  }
  Ids order = graph.newest_first();
  std::reverse(order.begin(), order.end());
  plan.marked = in_order_of(order, wanted);
  return plan;
}

void stamp(database::Session& session, const Graph& graph, const History& history, const StampPlan& plan,
           const ExecutorOptions& options, const Deadline& deadline) {
  // Where making a table ends a transaction, an empty one is all that a failure could leave.
  history.create(session, deadline);
  session.begin(deadline);
  try {
    for (const std::string& id : plan.forgotten) history.remove(session, id, deadline);
    for (const std::string& id : plan.marked) {
      history.insert(session, stamped_row(*graph.find(id), options), deadline);
    }
    session.commit(deadline);
  } catch (...) {
    session.rollback();
    throw;
  }
}

}  // namespace deployer::migrations
