#include <unistd.h>

#include <array>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/migrate/work.h"
#include "actions/restart/service_record.h"
#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "base/units.h"
#include "database/dialect.h"
#include "database/session.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

using ValidateProblems = std::vector<std::string>;

std::string validate_path_variable(const ActionContext& context) {
  const auto environment = context.environment();
  const auto path = environment.find("PATH");
  return path == environment.end() ? std::string() : path->second;
}

void validate_tools(ActionContext& context, ValidateProblems& problems) {
  const std::string path = validate_path_variable(context);
  for (const std::string& tool : list_input(context.inputs(), "tools")) {
    if (!find_program(tool, path)) problems.push_back("there is no program " + tool + " in PATH");
  }
}

void validate_env(ActionContext& context, ValidateProblems& problems) {
  const auto environment = context.environment();
  for (const std::string& name : list_input(context.inputs(), "env")) {
    // A secret of the document was read, and is not empty: it is given to whom the document says.
    if (context.redactor().knows(name)) continue;
    const auto found = environment.find(name);
    if (found == environment.end())
      problems.push_back("the variable " + name + " is not set (see env and inherit_env)");
    else if (found->second.empty())
      problems.push_back("the variable " + name + " is empty");
  }
}

void validate_files(ActionContext& context, ValidateProblems& problems) {
  for (const std::string& file : list_input(context.inputs(), "files")) {
    const std::string path = context.path(file).string();
    if (access(path.c_str(), F_OK) != 0)
      problems.push_back(path + " does not exist");
    else if (access(path.c_str(), R_OK) != 0)
      problems.push_back(path + " cannot be read");
  }
}

void validate_services(ActionContext& context, ValidateProblems& problems) {
  const bool has_systemctl = find_program("systemctl", validate_path_variable(context)).has_value();
  for (const std::string& name : list_input(context.inputs(), "services")) {
    const std::optional<ServiceRecord> daemon = ServiceRecord::load(context, name);
    if (daemon) {
      const bool runs = daemon->process && is_alive(*daemon->process).value_or(false);
      if (!runs) problems.push_back("the service " + name + " does not run");
    } else if (has_systemctl) {
      CommandOptions options;
      options.quiet = true;
      const CommandResult answer = context.command({"", {"systemctl", "is-active", "--", name}, {}}, options);
      if (!answer.ok) problems.push_back("the service " + name + " is " + std::string(trim(answer.out)));
    } else {
      problems.push_back("the service " + name + " is unknown: no daemon of this target, and there is no systemctl");
    }
  }
}

constexpr std::string_view times_database = "x-database";

/// `2x-database` is 2, a size nothing.
std::optional<std::uint64_t> database_multiple(const std::string& text) {
  if (!text.ends_with(times_database)) return std::nullopt;
  const std::string digits = text.substr(0, text.size() - times_database.size());
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::stoull(digits);
}

/// Bytes that the database takes: its file with what is beside it, else what the server counts for the schema.
std::uint64_t database_bytes(ActionContext& context) {
  database::Session& session = context.database();
  if (session.url().file.empty()) {
    const database::Rows rows = session.query(
        "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = ?",
        {session.url().name}, context.deadline());
    return static_cast<std::uint64_t>(std::stoull("0" + database::as_text(rows.rows.at(0).at(0))));
  }
  const std::filesystem::path file = context.path(session.url().file);
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal", "-journal"}) {
    const auto info = context.files().info(file.string() + suffix);
    if (info) bytes += info->bytes;
  }
  return bytes;
}

void validate_disk(ActionContext& context, ValidateProblems& problems) {
  const Json& inputs = context.inputs();
  if (!has_input(inputs, "disk_free")) return;
  const std::filesystem::path path = context.path(text_input(inputs["disk_free"], "path"));
  const std::string at_least = text_input(inputs["disk_free"], "at_least");
  const auto multiple = database_multiple(at_least);
  const std::uint64_t wanted = multiple ? *multiple * database_bytes(context) : value_or_throw(parse_size(at_least));
  const std::uint64_t free = context.files().free_space(path);
  if (free >= wanted) return;
  problems.push_back(path.string() + " has " + human_size(free) + " free, and " + human_size(wanted) + " are needed (" +
                     at_least + ")");
}

bool validate_wants(ActionContext& context, const std::string& name) {
  return has_input(context.inputs(), name) ? context.inputs()[name].get<bool>() : context.has_database();
}

void validate_database(ActionContext& context, ValidateProblems& problems) {
  if (!validate_wants(context, "database")) return;
  database::Session& session = context.database();
  const database::Rows rows = session.query("SELECT 1", context.deadline());
  if (rows.empty()) problems.push_back("the database does not answer a query");
  context.output("database: " + session.server().product + " " + session.server().version);
}

bool wants_migrations(ActionContext& context) {
  if (has_input(context.inputs(), "migrations")) return context.inputs()["migrations"].get<bool>();
  return context.has_database() && context.files().exists(migrations_folder(context));
}

void validate_migrations(ActionContext& context, ValidateProblems& problems) {
  if (!wants_migrations(context)) return;
  database::Session& session = context.database();
  const auto folder = migrations_folder(context);
  if (!context.files().exists(folder)) {
    problems.push_back(folder.string() + " does not exist");
    return;
  }
  const auto graph = migrations::Graph::load(folder, session.dialect().lexer(), context.files());
  const migrations::Ids heads = graph.heads();
  if (heads.size() > 1) problems.push_back("the migrations have several heads: " + listing(heads));
  const migrations::History history(context.pipeline().database.value("history_table", "deployer_migrations"));
  for (const Diagnostic& found : migrations::compare(graph, history.read(session, context.deadline()))) {
    if (found.level == Level::error)
      problems.push_back(found.message);
    else
      context.warn(found.message);
  }
}

using ValidateCheck = void (*)(ActionContext&, ValidateProblems&);

/// What is looked at, a line each, in this order.
constexpr std::array<ValidateCheck, 7> validate_checks = {validate_tools,     validate_env,  validate_files,
                                                          validate_services,  validate_disk, validate_database,
                                                          validate_migrations};

std::optional<std::string> at_least_complaint(const Json& value) {
  const std::string text = value.get<std::string>();
  if (database_multiple(text) || parse_size(text)) return std::nullopt;
  return "'" + text + "' is neither a size (2GiB) nor a multiple of the database (2x-database)";
}

std::vector<Parameter> validate_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("tools", ParameterType::list, "Programs that must be in PATH."),
      declare_input("env", ParameterType::list, "Variables that must be set for the step's commands, and not empty."),
      declare_input("files", ParameterType::list, "Files and folders that must exist and be readable."),
      declare_input("services", ParameterType::list,
                    "Services that must run: daemons of this target or systemd units."),
      declare_input("disk_free", ParameterType::section, "Room that must be free."),
      declare_input("database", ParameterType::boolean, "The database answers; true where one is configured."),
      declare_input("migrations", ParameterType::boolean,
                    "The migrations parse, fit their history and have one head; true where there are some."),
  };
  for (std::size_t i = 0; i < 4; ++i) inputs[i].repeated_or_single = true;
  std::vector<Parameter> disk = {
      declare_input("path", ParameterType::path, "A path on the file system in question; it need not exist yet."),
      declare_input("at_least", ParameterType::text, "A size (2GiB), or a multiple of the database (2x-database)."),
  };
  disk[0].required = disk[1].required = true;
  disk[1].check = at_least_complaint;
  inputs[4].members = std::move(disk);
  return inputs;
}

class ValidateAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const Json& inputs = context.inputs();
    const std::string step = "step '" + context.step().id + "': ";
    const bool by_size =
        has_input(inputs, "disk_free") && database_multiple(text_input(inputs["disk_free"], "at_least")).has_value();
    std::string what = by_size ? "disk_free.at_least" : "";
    for (const char* name : {"database", "migrations"}) {
      if (has_input(inputs, name) && inputs[name].get<bool>()) what = std::string(name) + ": true";
    }
    if (!what.empty() && !context.has_database()) {
      throw Error(ErrorKind::invalid, step + what + " needs a database, and none is configured");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    return {context.step().name, {"looks only, and changes nothing"}, {}, "nothing to undo"};
  }

  Outcome run(ActionContext& context) const override {
    ValidateProblems problems;
    for (const ValidateCheck look : validate_checks) {
      try {
        look(context, problems);
      } catch (const Error& error) {
        if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out) throw;
        note_error(error, problems);
      }
    }
    if (problems.empty()) return {"all is in order", Json::object()};
    if (problems.size() > 1) {
      for (const std::string& problem : problems) context.output(problem);
    }
    throw Error(ErrorKind::failed, problems.size() == 1
                                       ? problems.front()
                                       : std::to_string(problems.size()) + " problems: " + join(problems, "; "));
  }

 private:
  static void note_error(const Error& error, ValidateProblems& problems) {
    if (error.diagnostics.empty()) problems.push_back(error.summary());
    for (const Diagnostic& diagnostic : error.diagnostics) {
      problems.push_back(diagnostic.at.text() + ": " + diagnostic.message);
    }
  }

  ActionSpec spec_{"validate",
                   "Looks whether all that the run needs is there; tells everything that is missing at once.",
                   validate_inputs()};
};

}  // namespace

const Action& validate_action() {
  static const ValidateAction action;
  return action;
}

}  // namespace deployer
