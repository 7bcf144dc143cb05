#include "operations/workspace.h"

#include "actions/table.h"
#include "backups/retention.h"
#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/url.h"
#include "engine/engine.h"
#include "engine/hooks.h"
#include "system/files.h"
#include "system/process.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_url_file = 64 * 1024;

std::optional<std::string> complaint_of_url(const Json& value) {
  const Result<database::Url> url = database::parse_url(value.get<std::string>());
  if (url) return std::nullopt;
  return url.error().message + (url.error().hint.empty() ? "" : " (" + url.error().hint + ")");
}

std::optional<std::string> complaint_of_scratch(const Json& value) {
  std::string word;
  if (value.is_object() && !value.empty()) word = value.begin().key();  // {server: URL}
  if (value.is_string()) word = value.get<std::string>();
  if (word == "auto") return std::nullopt;
  if (word == "none") {
    return "'none' leaves no place to rehearse: leave `scratch` out, and say `rehearse: false` (--no-rehearse) where "
           "nothing is to be rehearsed";
  }
  if (word == "schema" || word.rfind("server", 0) == 0) return "'" + word + "' is not in this version, only 'auto' is";
  return "'auto' is needed";
}

Vocabulary make_vocabulary() {
  Vocabulary words;
  words.actions = action_words();
  words.later_actions = later_actions();
  words.database = {
      {.name = "url",
       .type = ParameterType::text,
       .doc = "the database's URL",
       .secret = true,
       .check = complaint_of_url},
      {.name = "migrations", .type = ParameterType::path, .doc = "the folder of the revision files"},
      {.name = "scratch",
       .type = ParameterType::any,
       .doc = "where rehearsals and drills go: auto",
       .fallback = "auto",
       .check = complaint_of_scratch},
  };
  words.backups = {
      {.name = "directory", .type = ParameterType::path, .doc = "the folder of the backups", .fallback = "backups"},
      {.name = "compression",
       .type = ParameterType::choice,
       .doc = "how they are compressed",
       .fallback = "zstd",
       .choices = {"zstd"}},
      {.name = "retention",
       .type = ParameterType::section,
       .doc = "which backups are kept",
       .members = backups::retention_parameters()},
  };
  return words;
}

/// `--database env:NAME` and `file:PATH`.
std::string resolved_flag(const App& app, const std::string& flag) {
  if (flag.starts_with("env:")) {
    const auto found = app.environment.find(flag.substr(4));
    if (found == app.environment.end() || found->second.empty()) {
      throw Error(ErrorKind::secret, "--database " + flag + ": the environment does not have it");
    }
    return found->second;
  }
  if (!flag.starts_with("file:")) return flag;
  try {
    const std::string text = app.files.read(app.cwd / flag.substr(5), largest_url_file);
    if (trim(text).empty()) throw Error(ErrorKind::secret, "the file is empty");
    return std::string(trim(text));
  } catch (const Error& error) {
    throw Error(ErrorKind::secret, "--database " + flag + ": " + error.message);
  }
}

/// A file that somebody wrote for us and that cannot be read is a mistake of its author: nothing was touched.
Error as_mistake(const Error& error) {
  if (error.kind != ErrorKind::io) return error;
  return Error(ErrorKind::invalid, error.message, error.hint);
}

}  // namespace

const Vocabulary& vocabulary() {
  static const Vocabulary words = make_vocabulary();
  return words;
}

database::Url url_of(const Pipeline& pipeline) {
  if (!pipeline.database.contains("url")) {
    throw Error(ErrorKind::invalid, "no database is configured",
                "set DATABASE_URL, give --database, or write `database: {url: …}` in etc/deployer.yml");
  }
  return value_or_throw(database::parse_url(pipeline.database["url"].get<std::string>()));
}

Workspace::Workspace(App& app) : Workspace(app, find_project(app.cwd, app.project_flag, app.files)) {}

Workspace::Workspace(App& app, const fs::path& project) : app_(app), project_(project) {
  try {
    settings_ = Settings::load({project_, app.config_flag, app.environment}, app.files);
  } catch (const Error& error) {
    throw as_mistake(error);
  }
  std::string configured = settings_.text("state");
  if (configured != "auto") configured = (project_ / configured).lexically_normal().string();
  state_root_ = deployer::state_root(configured, app.environment);
}

LoadRequest Workspace::request(const fs::path& file) const {
  LoadRequest request;
  request.file = file;
  request.project = project_;
  request.database = resolved_flag(app_, app_.database_flag);
  request.environment = app_.environment;
  return request;
}

Pipeline Workspace::load(const Document& document, const std::string& run_id, const std::string& started_at,
                         const std::map<std::string, std::string>& vars) const {
  LoadRequest load_request = request(document.file);
  load_request.vars = vars;
  load_request.run_id = run_id;
  load_request.started_at = started_at;
  if (!document.text.empty()) {
    load_request.sources = {{document.file.string(), document.text, sha256_hex(document.text)}};
  }
  return load(load_request);
}

Pipeline Workspace::load(const LoadRequest& request) const {
  const PipelineLoader loader(vocabulary(), settings_, app_.files, app_.processes, app_.redactor);
  const Deadline deadline = Deadline::never(app_.stop.stop());
  try {
    return loader.load(request, deadline);
  } catch (const Error& error) {
    deadline.check("reading " + request.file.string());
    throw as_mistake(error);
  }
}

fs::path Workspace::find_document(const std::string& word) const {
  // The loader knows the project; whoever types a path means the folder they stand in.
  const fs::path here = app_.cwd / word;
  const std::optional<FileInfo> info = app_.files.info(here);
  const bool is_path = word.find('/') != std::string::npos;
  if (is_path && info && !info->is_folder) return here.lexically_normal();
  try {
    return find_pipeline(word, project_, app_.files);
  } catch (const Error&) {
    if (info && !info->is_folder) return here.lexically_normal();
    throw;
  }
}

Diagnostics Workspace::check(const fs::path& file) const {
  LoadRequest load_request = request(file);
  load_request.read_secrets = false;
  load_request.run_id = "00000000T000000000-000000";
  load_request.started_at = "1970-01-01T00:00:00.000Z";
  const Pipeline pipeline = load(load_request);
  HookSet::find(pipeline, app_.files);
  return pipeline.warnings;
}

Pipeline Workspace::database_only() const {
  // A document of one step that is never run: its head is what the settings, the environment and the flag give.
  return load({"<database>", "steps: [{run: 'true'}]\n"}, "", "", {});
}

const database::Dialect& Workspace::dialect_for(const std::string& operation,
                                                const std::function<bool(const database::Dialect&)>& is_able) const {
  const database::Dialect& dialect = database::dialect_of(url_of(database_only()).engine);
  if (is_able(dialect)) return dialect;
  throw Error(ErrorKind::usage,
              "'deployer " + operation + "' of a " + std::string(dialect.name()) + " database is not in this version");
}

std::string Workspace::database_identity() const {
  try {
    const Pipeline pipeline = database_only();
    if (!pipeline.database.contains("url")) return {};
    return url_of(pipeline).identity(project_.string());
  } catch (const Error&) {
    return {};
  }
}

Target Workspace::target(const Pipeline& pipeline) const {
  std::string identity;
  fs::path file;
  if (pipeline.database.contains("url")) {
    const database::Url url = url_of(pipeline);
    identity = url.identity(pipeline.project.string());
    if (!url.file.empty()) {
      file = fs::weakly_canonical(pipeline.project / url.file);
      if (!app_.files.info(file.parent_path() / ".")) {
        throw Error(ErrorKind::invalid, "the folder of the database " + file.string() + " does not exist",
                    "mkdir -p " + file.parent_path().string());
      }
    }
  }
  return target_of(state_root_, identity, file, pipeline.lock, pipeline.name);
}

}  // namespace deployer
