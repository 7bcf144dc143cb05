#include "actions/migrate/work.h"

#include <fmt/core.h>

#include "actions/inputs.h"
#include "backups/backup.h"
#include "backups/restore.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/version.h"
#include "database/dialect.h"
#include "migrations/status.h"
#include "state/run_state.h"
#include "system/files.h"

namespace deployer {

namespace {

using Stakes = std::map<std::string, std::uint64_t>;

MigrationWork plan_with(ActionContext& context, const database::Dialect& dialect,
                        std::map<std::string, migrations::Applied> rows, Diagnostics& warnings) {
  MigrationWork work;
  work.rows = std::move(rows);
  work.graph = migrations::Graph::load(migrations_folder(context), dialect.lexer(), context.files());
  for (Diagnostic& found : migrations::compare(work.graph, work.rows)) warnings.push_back(std::move(found));
  if (has_errors(warnings)) throw Error(ErrorKind::invalid, "the migrations do not fit their history", warnings);
  const std::string target = text_input(context.inputs(), "target");
  const std::set<std::string> applied = migrations::applied_ids(work.rows);
  work.up = text_input(context.inputs(), "direction") != "down";
  if (!work.up) {
    work.plan = work.graph.plan_downgrade(target, applied, migrations::parents_of(work.rows));
    return work;
  }
  for (const std::string& id : applied) {
    if (work.graph.find(id) != nullptr) continue;
    throw Error(ErrorKind::invalid, "the database is ahead: revision '" + id + "' is applied, and no file has it",
                "get the files of that revision, or downgrade");
  }
  work.plan = work.graph.plan_upgrade(target, applied);
  return work;
}

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
  request.revision = database_baseline(context)["revision"];
  request.now = context.now();
  try {
    const backups::Manifest made = backups::create(context.database(), request, context.files(), context.deadline());
    context.set_fact("safety_backup", made.name);
  } catch (const Error& error) {
    if (needed || error.kind != ErrorKind::no_space) throw;
    context.warn("no safety backup before the restore: " + error.summary());
  }
}

std::string stakes_text(const Stakes& stakes) {
  std::vector<std::string> parts;
  for (const auto& [table, rows] : stakes) parts.push_back(fmt::format("{} (at least {})", table, rows));
  return listing(parts);
}

}  // namespace

std::filesystem::path migrations_folder(const ActionContext& context) {
  return context.path(context.pipeline().database.value("migrations", "migrations"));
}

migrations::History history_of(const ActionContext& context) {
  return migrations::History(context.pipeline().database.value("history_table", "deployer_migrations"));
}

MigrationWork plan_migration(ActionContext& context) {
  database::Session& session = context.database();
  Diagnostics warnings;
  MigrationWork work =
      plan_with(context, session.dialect(), history_of(context).read(session, context.deadline()), warnings);
  for (const Diagnostic& warning : warnings) context.warn(warning.message);
  return work;
}

void need_capable_database(ActionContext& context) {
  if (!context.has_database()) context.database();  // throws what is to be done
  const database::Url url = value_or_throw(database::parse_url(context.pipeline().database.value("url", "")));
  const database::Dialect& dialect = database::dialect_of(url.engine);
  const database::Capabilities& able = dialect.capabilities();
  if (able.transactional_ddl && able.online_backup) return;
  throw Error(ErrorKind::invalid,
              "step '" + context.step().id + "': '" + context.step().uses + "' on " + std::string(dialect.name()) +
                  " is not in this version",
              "this version reads such a database: status, current, heads, history, upgrade --dry-run");
}

MigrationWork peek_migration(ActionContext& context) {
  const database::Url url = value_or_throw(database::parse_url(context.pipeline().database.value("url", "")));
  std::map<std::string, migrations::Applied> rows;
  try {
    const auto session =
        database::open(url, context.pipeline().project, database::Access::read_only, context.deadline());
    rows = history_of(context).read(*session, context.deadline());
  } catch (const Error& error) {
    // A database that is not there, or does not answer yet: the run's own steps wait for it and say so.
    if (error.kind != ErrorKind::not_found && error.kind != ErrorKind::unavailable) throw;
  }
  Diagnostics warnings;
  return plan_with(context, database::dialect_of(url.engine), std::move(rows), warnings);
}

migrations::ExecutorOptions executor_options(ActionContext& context) {
  const Json& started = context.state().started;
  migrations::ExecutorOptions options;
  options.run_id = context.run_id();
  options.applied_by = started.value("user", "") + "@" + started.value("host", "");
  options.version = std::string(version());
  options.now = rfc3339(context.now());
  options.on_statement = [&context](std::size_t number, std::size_t count, std::string_view sql) {
    context.progress(number, count, sql);
  };
  return options;
}

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

Json database_baseline(ActionContext& context) {
  database::Session& session = context.database();
  const migrations::History history = history_of(context);
  const auto rows = history.read(session, context.deadline());
  const database::Schema schema = session.dialect().introspect(session, context.deadline(), {history.table()});
  return {{"revision", migrations::ids_json(migrations::current_of(rows))}, {"fingerprint", schema.fingerprint()}};
}

Json backup_of_run(const ActionContext& context) { return context.fact("backup_manifest"); }

std::map<std::string, std::uint64_t> rows_at_stake(ActionContext& context, const TableDigests& before,
                                                   const TableDigests& after, const Json& backup) {
  TableDigests backed = digests_from(backup.value("tables", Json::object()));
  backed.erase(history_of(context).table());
  Stakes stakes = differing(backed, before);
  for (const auto& [table, rows] : differing(after, table_digests(context))) {
    stakes[table] = std::max(stakes[table], rows);
  }
  return stakes;
}

void restore_backup_of_run(ActionContext& context, const std::string& policy, const TableDigests& before,
                           const std::optional<TableDigests>& after) {
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
  const Stakes stakes = rows_at_stake(context, before, after ? *after : table_digests(context), backup);
  if (!stakes.empty() && !accepted) {
    throw Error(ErrorKind::left_behind,
                "a restore would lose rows that others have written since the backup: " + stakes_text(stakes),
                "keep them, or lose them with: " + command);
  }
  const std::string unknown =
      "the run died before it had counted the rows, so whether others have written since is not known";
  if (!after && !accepted) throw Error(ErrorKind::left_behind, unknown, "if nobody has: " + command);
  if (!after) context.warn(unknown);
  take_safety_backup(context, backup, !stakes.empty() || !after);
  database::Session& session = context.database();
  const backups::Source source = backups::find_source(backup.value("file", ""), {}, session, context.files());
  backups::restore(session, source, context.state_folder() / "scratch" / context.run_id(), context.files(),
                   context.deadline());
  if (stakes.empty()) return;
  Json lost = Json::array();
  for (const auto& [table, rows] : stakes) lost.push_back({{"table", table}, {"rows", rows}});
  context.set_fact("lost", lost);
}

}  // namespace deployer
