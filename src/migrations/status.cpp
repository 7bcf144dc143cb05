#include "migrations/status.h"

#include <algorithm>

#include "base/text.h"

namespace deployer::migrations {

namespace {

std::string ids_text(const Ids& ids) { return ids.empty() ? "None" : join(ids, ", "); }

std::string list_text(const std::string& title, const Ids& ids) {
  std::string out = "  " + title + ": " + std::to_string(ids.size()) + "\n";
  for (const std::string& id : ids) out += "    - " + id + "\n";
  return out;
}

}  // namespace

std::string MigrationStatus::text() const {
  std::string out = "Migration Status:\n";
  out += "  Current Revision: " + ids_text(current) + "\n";
  out += "  Head Revision: " + ids_text(heads) + "\n";
  out += std::string("  Up to Date: ") + (is_up_to_date ? "True" : "False") + "\n";
  out += std::string("  Needs Migration: ") + (needs_migration ? "True" : "False") + "\n";
  out += list_text("Pending Migrations", pending);
  if (!ahead.empty()) out += list_text("Ahead", ahead);
  return out;
}

Json MigrationStatus::json() const {
  return {{"current_revision", ids_json(current)},
          {"head_revision", ids_json(heads)},
          {"is_up_to_date", is_up_to_date},
          {"needs_migration", needs_migration},
          {"pending_migrations", pending},
          {"ahead", ahead},
          {"schema_drift", nullptr}};
}

Json ids_json(const Ids& ids) {
  if (ids.empty()) return nullptr;
  if (ids.size() == 1) return ids.front();
  return ids;
}

MigrationStatus status_of(const Graph& graph, const std::map<std::string, Applied>& rows) {
  MigrationStatus status;
  const std::set<std::string> applied = applied_ids(rows);
  status.current = current_of(rows);
  status.heads = graph.heads();
  for (const std::string& id : applied) {
    if (graph.find(id) == nullptr) status.ahead.push_back(id);
  }
  Ids order = graph.newest_first();
  std::reverse(order.begin(), order.end());
  for (const std::string& id : order) {
    if (applied.count(id) == 0) status.pending.push_back(id);
  }
  status.needs_migration = !status.pending.empty();
  status.is_up_to_date = status.pending.empty();
  return status;
}

}  // namespace deployer::migrations
