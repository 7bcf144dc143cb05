#include "actions/migrate/work.h"

#include "actions/inputs.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/version.h"
#include "database/dialect.h"
#include "migrations/status.h"
#include "state/run_state.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer {

namespace {

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

void need_database(ActionContext& context) {
  if (!context.has_database()) context.database();  // throws what is to be done
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
  options.fault = [&context](const std::string& point) { context.fault_point("migrate." + point); };
  options.on_note = [&context](const std::string& note) { context.output(note); };
  const auto wait = [&](const char* name, Duration fallback) {
    if (has_input(context.inputs(), name)) return duration_input(context.inputs(), name);
    return Duration(context.pipeline().database.value(name, fallback.count()));
  };
  options.lock_wait = wait("lock_wait", options.lock_wait);
  options.lock_wait_timeout = wait("lock_wait_timeout", options.lock_wait_timeout);
  options.statement_timeout = wait("statement_timeout", options.statement_timeout);
  return options;
}

Json database_baseline(ActionContext& context) {
  database::Session& session = context.database();
  const migrations::History history = history_of(context);
  const auto rows = history.read(session, context.deadline());
  const database::Schema schema = session.dialect().introspect(session, context.deadline(), {history.table()});
  return {{"revision", migrations::ids_json(migrations::current_of(rows))}, {"fingerprint", schema.fingerprint()}};
}

}  // namespace deployer
