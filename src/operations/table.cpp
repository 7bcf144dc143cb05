#include "operations/table.h"

#include "operations/verbs.h"
#include "reporters/table.h"

namespace deployer {

namespace {

using Type = ParameterType;

Parameter place(std::string name, std::string doc, bool required = true, Type type = Type::text) {
  return {.name = std::move(name), .type = type, .doc = std::move(doc), .required = required};
}

Parameter flag(std::string name, Type type, std::string doc) {
  return {.name = std::move(name), .type = type, .doc = std::move(doc)};
}

const Parameter lock_timeout =
    flag("lock_timeout", Type::duration, "wait so long for another run of the same target to end (0s)");

Parameter required_flag(std::string name, std::string doc) {
  return {.name = std::move(name), .type = Type::text, .doc = std::move(doc), .required = true};
}

std::vector<Parameter> create_flags(Parameter message) {
  return {std::move(message),
          flag("rev_id", Type::text, "its id; else twelve random hex digits"),
          flag("head", Type::text, "what it revises; else the head"),
          flag("empty", Type::boolean, "with empty sections, as it is without a schema to compare with"),
          flag("splice", Type::boolean, "it may revise what is not a head"),
          flag("branch_label", Type::text, "a label for the branch that begins with it"),
          flag("depends_on", Type::list, "a revision that must be applied before; may be given again")};
}

std::vector<Parameter> migrate_flags(Parameter revision) {
  return {std::move(revision),
          flag("sql", Type::boolean, "print the script instead"),
          flag("dry_run", Type::boolean, "say what would be done, and change nothing"),
          flag("no_backup", Type::boolean, "without a backup before it"),
          flag("no_rehearse", Type::boolean, "without the rehearsal on a copy"),
          flag("no_checks", Type::boolean, "without asking the database whether it is whole"),
          lock_timeout};
}

std::optional<std::string> at_least_one_run(const Json& value) {
  if (value.get<std::int64_t>() >= 1) return std::nullopt;
  return "at least 1 is needed";
}

std::vector<Operation> make_operations() {
  return {
      {.words = {"run"},
       .doc = "run a pipeline; when a step fails, everything is taken back",
       .changes = true,
       .parameters = {place("pipeline", "a path, or a file name in pipelines/", true, Type::path),
                      flag("var", Type::map, "a variable of the document; may be given again"),
                      flag("from", Type::text, "begin with this step"),
                      flag("only", Type::list, "run this step only; may be given again"),
                      flag("skip", Type::list, "leave this step out; may be given again"),
                      flag("no_rollback", Type::boolean, "leave what was done when a step fails (exit status 3)"),
                      lock_timeout},
       .positionals = {"pipeline"},
       .later_flags = {"--env", "--plan", "--dry-run", "--detach", "--junit"},
       .run = run_pipeline},
      {.words = {"validate"},
       .doc = "check documents: every mistake in one go",
       .parameters = {place("pipelines", "paths, or file names in pipelines/", true, Type::list)},
       .positionals = {"pipelines"},
       .run = validate_pipelines},
      {.words = {"recover"},
       .doc = "bring runs whose runner died to a clean end",
       .changes = true,
       .parameters = {flag("all", Type::boolean, "of every target, not only of this project's")},
       .run = recover_runs},
      {.words = {"migrate status", "status"},
       .doc = "where the database stands against the migrations",
       .later_flags = {"--exit-code"},
       .run = show_migration_status},
      {.words = {"migrate create", "create"},
       .doc = "write a new migration file",
       .writes = true,
       .parameters = create_flags(place("message", "what it does, in one line")),
       .positionals = {"message"},
       .later_flags = {"--autogenerate"},
       .run = create_migration},
      {.words = {"migrate revision", "revision"},
       .doc = "the same as create, as Alembic says it",
       .writes = true,
       .parameters = create_flags(required_flag("m", "what it does, in one line")),
       .later_flags = {"--autogenerate"},
       .run = create_migration},
      {.words = {"migrate upgrade", "upgrade"},
       .doc = "apply the pending migrations, after a backup and a rehearsal",
       .changes = true,
       .parameters = migrate_flags(
           {.name = "revision", .type = Type::text, .doc = "how far: head, heads, an id, +1, …", .fallback = "head"}),
       .positionals = {"revision"},
       .run = upgrade_database},
      {.words = {"migrate downgrade", "downgrade"},
       .doc = "revert migrations by their down sections, after a backup",
       .changes = true,
       .parameters = migrate_flags(place("revision", "how far: an id, base, -1, …")),
       .positionals = {"revision"},
       .run = downgrade_database},
      {.words = {"migrate rehearse"},
       .doc = "run the pending migrations up, down and up again on a copy; exit status 6 where one does not lead back",
       .parameters =
           {{.name = "revision", .type = Type::text, .doc = "how far: head, heads, an id, +1, …", .fallback = "head"}},
       .positionals = {"revision"},
       .later_flags = {"--with-data"},
       .run = rehearse_migrations},
      {.words = {"migrate current", "current"}, .doc = "the revision of the database", .run = show_current},
      {.words = {"migrate heads", "heads"}, .doc = "the newest revisions of the files", .run = show_heads},
      {.words = {"migrate history", "history"},
       .doc = "the revisions, newest first",
       .parameters = {flag("rev_range", Type::text, "FROM:TO: only these"),
                      flag("r", Type::text, "the same as --rev-range"),
                      flag("indicate_current", Type::boolean, "mark where the database stands"),
                      flag("verbose", Type::boolean, "with their files")},
       .run = show_history},
      {.words = {"migrate preflight", "preflight"},
       .doc = "the checks before an upgrade, alone; exit status 6 when one says no",
       .run = check_upgrade},
      {.words = {"backup create", "backup"},
       .doc = "back the database up; prints the file's name",
       .changes = true,
       .parameters = {flag("path", Type::path, "this file instead of one in the backup folder"),
                      flag("tag", Type::list, "a tag, which retention can keep; may be given again"), lock_timeout},
       .later_flags = {"--engine", "--tables"},
       .run = create_backup},
      {.words = {"backup list"}, .doc = "the backups, newest first", .later_flags = {"--max-age"}, .run = list_backups},
      {.words = {"backup show"},
       .doc = "one backup: what is in it, and the command that restores it without deployer",
       .parameters = {place("name", "a name in the backup folder, or a path with a / in it")},
       .positionals = {"name"},
       .run = show_backup},
      {.words = {"backup verify"},
       .doc = "read a backup back whole, the newest if none is named; exit status 6 when one is not good",
       .parameters = {place("name", "a name in the backup folder, or a path with a / in it", false),
                      flag("all", Type::boolean, "every backup of the folder")},
       .positionals = {"name"},
       .run = verify_backups},
      {.words = {"backup drill"},
       .doc = "restore a backup where nothing else is, the newest if none is named, and compare every table; exit "
              "status 6 "
              "when it is not good",
       .parameters = {place("name", "a name in the backup folder, or a path with a / in it", false)},
       .positionals = {"name"},
       .run = drill_backup},
      {.words = {"restore", "backup restore"},
       .doc = "bring a backup back, after a safety backup",
       .changes = true,
       .parameters = {place("name", "a path, or a name in the backup folder"),
                      flag("into", Type::text, "URL: into this empty schema of a server instead"),
                      flag("tables", Type::list,
                           "T,…: only these tables of a server, and those tied to them by foreign keys"),
                      lock_timeout},
       .positionals = {"name"},
       .run = restore_backup},
      {.words = {"runs list", "runs"},
       .doc = "the history, newest first",
       .parameters = {{.name = "limit", .type = Type::integer, .doc = "at most so many", .check = at_least_one_run}},
       .run = list_runs},
      {.words = {"runs show"},
       .doc = "one run: its steps, its verdict, what is left",
       .parameters = {place("run", "an id, a unique beginning of one, or `last`")},
       .positionals = {"run"},
       .run = show_run},
      {.words = {"runs logs"},
       .doc = "what the steps of a run printed",
       .parameters = {place("run", "an id, a unique beginning of one, or `last`"),
                      place("step", "one step's only", false)},
       .positionals = {"run", "step"},
       .later_flags = {"--follow"},
       .run = show_logs},
      {.words = {"lock list", "lock"}, .doc = "the deployment locks that are held", .run = list_locks},
      {.words = {"config show", "config"}, .doc = "the settings, masked, each with its origin", .run = show_config},
  };
}

}  // namespace

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all = make_operations();
  return all;
}

const std::vector<std::string>& later_operations() {
  static const std::vector<std::string> words = {"init",
                                                 "plan",
                                                 "schema",
                                                 "crash-test",
                                                 "runs export",
                                                 "runs prune",
                                                 "resume",
                                                 "rollback",
                                                 "cancel",
                                                 "approve",
                                                 "reject",
                                                 "lock release",
                                                 "branches",
                                                 "show",
                                                 "merge",
                                                 "stamp",
                                                 "check",
                                                 "edit",
                                                 "migrate branches",
                                                 "migrate show",
                                                 "migrate merge",
                                                 "migrate stamp",
                                                 "migrate check",
                                                 "migrate edit",
                                                 "migrate lint",
                                                 "migrate diff",
                                                 "migrate repair",
                                                 "migrate import",
                                                 "migrate baseline",
                                                 "migrate squash",
                                                 "backup prune",
                                                 "backup sync",
                                                 "serve",
                                                 "schedule",
                                                 "user",
                                                 "token",
                                                 "health",
                                                 "doctor",
                                                 "hosts",
                                                 "completion"};
  return words;
}

void check_output(const std::string& word, const Redactor& redactor) {
  make_reporter(
      word, {}, [](std::string_view) {}, redactor);
}

}  // namespace deployer
