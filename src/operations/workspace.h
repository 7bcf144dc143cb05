#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "operations/app.h"
#include "pipeline/loader.h"
#include "pipeline/pipeline.h"
#include "pipeline/settings.h"
#include "state/target.h"

namespace deployer {

namespace database {
struct Url;
class Dialect;
}  // namespace database

/// Where an operation works: the project's folder, its settings, its database and its state folder.
class Workspace {
 public:
  /// Finds the project and reads its settings. Error `invalid` with every mistake in them. Makes nothing.
  explicit Workspace(App& app);
  /// The same for a folder that is known: of a run that is recovered.
  Workspace(App& app, const std::filesystem::path& project);

  App& app() const { return app_; }
  const std::filesystem::path& project() const { return project_; }
  const Settings& settings() const { return settings_; }
  const std::filesystem::path& state_root() const { return state_root_; }

  /// Reads a document, or one built in (`text` not empty) that `name` stands for.
  struct Document {
    std::filesystem::path file;
    std::string text;
  };
  Pipeline load(const Document& document, const std::string& run_id, const std::string& started_at,
                const std::map<std::string, std::string>& vars) const;

  Pipeline load(const LoadRequest& request) const;

  /// The document that a word of the command line names: a path of the folder one stands in or of the project, or a
  /// file name in `pipelines/`. Error `not_found` with "did you mean".
  std::filesystem::path find_document(const std::string& word) const;

  /// What a document is loaded with here: its place, the flag and the environment.
  LoadRequest request(const std::filesystem::path& file) const;

  /// What the pipeline works on.
  Target target(const Pipeline& pipeline) const;

  /// The document alone, and its hooks: its warnings; Error `invalid` with all their mistakes. No secret is read.
  Diagnostics check(const std::filesystem::path& file) const;

  /// The database that flag, environment or settings name, without any document: what `migrate` and `backup` work on.
  /// A pipeline without steps that holds it; `url` is absent where none is configured.
  Pipeline database_only() const;
  /// The dialect of that database, for an operation (`backup`) that this version has only for some.
  /// Error `usage` for another one, before anything is connected.
  const database::Dialect& dialect_for(const std::string& operation,
                                       const std::function<bool(const database::Dialect&)>& is_able) const;
  /// Its identity, or empty where none is configured or its URL is wrong.
  std::string database_identity() const;

 private:
  App& app_;
  std::filesystem::path project_;
  Settings settings_;
  std::filesystem::path state_root_;
};

/// What a database URL of a pipeline says; Error `invalid` where it has none.
database::Url url_of(const Pipeline& pipeline);

/// The declarations that the loader and the settings take from rooms that they do not know: actions, and the checks of
/// URLs and retention.
const Vocabulary& vocabulary();

}  // namespace deployer
