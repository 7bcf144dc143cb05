#include "actions/migrate/way_back.h"

#include <fmt/core.h>

#include <algorithm>

#include "actions/inputs.h"
#include "actions/maintenance.h"
#include "actions/migrate/work.h"
#include "backups/backup.h"
#include "backups/restore.h"
#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/server.h"
#include "migrations/status.h"
#include "state/run_state.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer {

namespace {

using Stakes = std::map<std::string, std::uint64_t>;

Stakes differing(const TableDigests& a, const TableDigests& b) {
  Stakes stakes;
  for (const auto& [table, digest] : a) {
    const auto other = b.find(table);
    if (other != b.end() && other->second == digest) continue;
    const std::uint64_t now = other == b.end() ? 0 : other->second.rows;
    stakes[table] = std::max<std::uint64_t>(1, now > digest.rows ? now - digest.rows : digest.rows - now);
  }
  for (const auto& [table, digest] : b) {
    if (a.count(table) == 0) stakes[table] = std::max<std::uint64_t>(1, digest.rows);
  }
  return stakes;
}

void keep_touched(Stakes& stakes, const std::vector<std::string>& touched) {
  if (touched.empty()) return;
  std::erase_if(stakes, [&](const auto& stake) {
    return std::find(touched.begin(), touched.end(), stake.first) == touched.end();
  });
}

/// Rows that others may have written since the backup, by table; or why that is not known.
struct AtStake {
  Stakes rows;
  std::string unknown;
};

/// From the rows alone: the backup's are those from before the first statement, and those from after the last one are
/// still there.
AtStake stakes_by_rows(ActionContext& context, const RestoreWindow& window, const Json& backup) {
  TableDigests backed = digests_from(backup.value("tables", Json::object()));
  backed.erase(history_of(context).table());
  AtStake at_stake{differing(backed, window.before), {}};
  if (!window.after) {
    at_stake.unknown = "the run died before it had counted the rows, so whether others have written since is not known";
    return at_stake;
  }
  for (const auto& [table, rows] : differing(*window.after, table_digests(context))) {
    at_stake.rows[table] = std::max(at_stake.rows[table], rows);
  }
  return at_stake;
}

/// The effect in which the backup was made; 0 where there is none.
std::int64_t backup_effect(const ActionContext& context) {
  for (const EffectState& effect : context.state().effects) {
    if (effect.action == "backup" && effect.status == EffectState::Status::done) return effect.id;
  }
  return 0;
}

/// On a server, where others may write at any moment between two looks at the rows: writes that were stopped before the
/// backup and still are, or the binary log.
AtStake stakes_by_proof(ActionContext& context, const RestoreWindow& window, const Json& backup,
                        const database::Server& server) {
  std::string why;
  const std::optional<std::int64_t> stopped = writes_stopped_since(context, why);
  if (stopped && *stopped < backup_effect(context)) return {};
  const database::OthersWrites writes =
      server.others_writes(context.database(), backup.value("log_position", ""), context.deadline());
  if (!writes.known) {
    AtStake at_stake = stakes_by_rows(context, window, backup);
    keep_touched(at_stake.rows, window.touched);
    at_stake.unknown = "whether others have written since the backup is not known: " +
                       (stopped ? std::string("writes were stopped only after it") : why) + "; " + writes.why;
    return at_stake;
  }
  AtStake at_stake{writes.by_table, {}};
  keep_touched(at_stake.rows, window.touched);
  // An event of the log may hold several rows; what can be counted of them says more.
  const Stakes counted = at_stake.rows.empty() ? Stakes{} : stakes_by_rows(context, window, backup).rows;
  for (auto& [table, rows] : at_stake.rows) {
    const auto found = counted.find(table);
    if (found != counted.end()) rows = std::max(rows, found->second);
  }
  return at_stake;
}

/// What is there before a restore stays at hand, whatever the digests say: one a run. Where it is known that nothing is
/// lost, a disk that has no room for it keeps nobody from going back.
void take_safety_backup(ActionContext& context, const Json& beside, bool needed) {
  if (!context.fact("safety_backup").is_null()) return;
  backups::BackupRequest request;
  request.directory = std::filesystem::path(beside.value("file", "")).parent_path();
  request.project = context.pipeline().project;
  request.scratch = context.state_folder() / "scratch";
  request.tags = {"safety"};
  request.run = context.run_id();
  const auto rows = history_of(context).read(context.database(), context.deadline());
  request.revision = migrations::ids_json(migrations::current_of(rows));
  request.history = migrations::history_json(rows);
  request.now = context.now();
  try {
    const backups::Manifest made = backups::create(context.database(), request, context.machine(), context.deadline());
    context.set_fact("safety_backup", made.name);
  } catch (const Error& error) {
    if (needed || error.kind != ErrorKind::no_space) throw;
    context.warn("no safety backup before the restore: " + error.summary());
  }
}

/// Neither the safety backup nor the restore could pass over a table that a crash of the server has left unreadable.
void drop_what_cannot_be_read(ActionContext& context, const database::Server& server, const RestoreWindow& window,
                              const Json& backup) {
  std::vector<std::string> tables;
  for (const auto& [table, digest] : digests_from(backup.value("tables", Json::object()))) {
    const std::vector<std::string>& touched = window.touched;
    const bool comes_back = touched.empty() || std::find(touched.begin(), touched.end(), table) != touched.end();
    if (comes_back) tables.push_back(table);
  }
  for (const std::string& table : server.drop_unreadable(context.database(), tables, context.deadline())) {
    context.warn("the server's crash left table " + table + " unreadable; it comes back from the backup");
  }
}

std::string stakes_text(const Stakes& stakes) {
  std::vector<std::string> parts;
  for (const auto& [table, rows] : stakes) parts.push_back(fmt::format("{} (at least {})", table, rows));
  return listing(parts);
}

void refuse_to_lose(const AtStake& at_stake, const std::string& command) {
  if (!at_stake.rows.empty()) {
    throw Error(ErrorKind::left_behind,
                "a restore would lose rows that others have written since the backup: " + stakes_text(at_stake.rows),
                "keep them, or lose them with: " + command);
  }
  if (!at_stake.unknown.empty()) {
    throw Error(ErrorKind::left_behind, at_stake.unknown, "if nobody has: " + command);
  }
}

}  // namespace

TableDigests table_digests(ActionContext& context) {
  database::Session& session = context.database();
  const database::Schema schema =
      session.dialect().introspect(session, context.deadline(), {history_of(context).table()});
  return database::row_digests(session, schema, context.deadline());
}

Json json_of(const TableDigests& digests) {
  Json json = Json::object();
  for (const auto& [table, digest] : digests) json[table] = {{"rows", digest.rows}, {"sum", digest.sum}};
  return json;
}

TableDigests digests_from(const Json& json) {
  TableDigests digests;
  for (const auto& [table, digest] : json.items()) {
    digests[table] = {digest.value("rows", std::uint64_t{0}), digest.value("sum", "")};
  }
  return digests;
}

Json backup_of_run(const ActionContext& context) { return context.fact("backup_manifest"); }

void write_history(database::Session& session, const migrations::History& history,
                   const std::map<std::string, migrations::Applied>& rows, const Deadline& deadline) {
  history.create(session, deadline);
  for (const auto& entry : rows) history.insert(session, entry.second, deadline);
}

void restore_backup_of_run(ActionContext& context, const std::string& policy, const RestoreWindow& window) {
  const Json backup = backup_of_run(context);
  if (backup.is_null()) {
    throw Error(ErrorKind::left_behind, "there is no backup of this run to go back to",
                "restore one by hand: deployer backup list, deployer restore NAME");
  }
  const std::string command = "deployer recover --yes, which restores " + shell_quote(backup.value("file", ""));
  const bool accepted = policy == "always" || context.accepts_loss();
  if (policy == "never" && !accepted) {
    throw Error(ErrorKind::left_behind, "it can only be undone by a restore, which `restore: never` forbids",
                "by hand: " + command);
  }
  database::Session& session = context.database();
  const database::Server* server = session.dialect().server();
  const AtStake at_stake =
      server != nullptr ? stakes_by_proof(context, window, backup, *server) : stakes_by_rows(context, window, backup);
  if (!accepted) refuse_to_lose(at_stake, command);
  if (!at_stake.unknown.empty()) context.warn(at_stake.unknown);
  if (server != nullptr) drop_what_cannot_be_read(context, *server, window, backup);
  take_safety_backup(context, backup, !at_stake.rows.empty() || !at_stake.unknown.empty());
  const backups::Source source = backups::find_source(backup.value("file", ""), {}, session, context.files());
  backups::RestoreOptions options;
  // What a revision did not come to make is neither here nor there.
  for (const std::string& table : window.touched) {
    const bool known = backup.value("tables", Json::object()).contains(table) ||
                       session.dialect().has_table(session, table, context.deadline());
    if (known) options.tables.push_back(table);
  }
  if (options.tables.empty() && !window.touched.empty()) {
    throw Error(ErrorKind::left_behind, "none of the tables that the revision names is here or in the backup",
                "by hand: " + command);
  }
  const migrations::History history = history_of(context);
  options.own_table = history.table();
  options.fill = [&](database::Session& aside) {
    write_history(aside, history, migrations::history_from(backup.value("history", Json::array())), context.deadline());
  };
  backups::restore(session, source, context.state_folder() / "scratch" / context.run_id(), context.machine(),
                   context.deadline(), {}, options);
  if (at_stake.rows.empty()) return;
  Json lost = Json::array();
  for (const auto& [table, rows] : at_stake.rows) lost.push_back({{"table", table}, {"rows", rows}});
  context.set_fact("lost", lost);
}

}  // namespace deployer
