#include "operations/table.h"

#include "operations/verbs.h"

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

std::vector<Operation> make_operations() {
  return {
      {.words = {"run"},
       .doc = "run a pipeline; when a step fails, everything is taken back",
       .changes = true,
       .parameters = {place("pipeline", "a path, or a file name in pipelines/", true, Type::path),
                      flag("var", Type::map, "NAME=VALUE: a variable of the document; may be given again"),
                      flag("from", Type::text, "begin with this step"),
                      flag("only", Type::list, "run this step only; may be given again"),
                      flag("skip", Type::list, "leave this step out; may be given again"),
                      flag("no_rollback", Type::boolean, "leave what was done when a step fails (exit status 3)"),
                      lock_timeout},
       .positionals = {"pipeline"},
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
      {.words = {"runs list", "runs"},
       .doc = "the history, newest first",
       .parameters = {flag("limit", Type::integer, "at most so many")},
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
                                                 "migrate preflight",
                                                 "migrate rehearse",
                                                 "migrate diff",
                                                 "migrate repair",
                                                 "migrate import",
                                                 "migrate baseline",
                                                 "migrate squash",
                                                 "backup show",
                                                 "backup verify",
                                                 "backup drill",
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

const std::vector<std::string>& later_flags() {
  static const std::vector<std::string> flags = {"--env",     "--dry-run",      "--plan",     "--detach", "--junit",
                                                 "--follow",  "--autogenerate", "--tables",   "--into",   "--engine",
                                                 "--max-age", "--exit-code",    "--with-data"};
  return flags;
}

}  // namespace deployer
