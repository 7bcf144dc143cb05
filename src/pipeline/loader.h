#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "pipeline/settings.h"

namespace deployer {

class Files;
class Processes;
class Redactor;

struct LoadRequest {
  std::filesystem::path file;               ///< absolute
  std::filesystem::path project;            ///< absolute
  std::map<std::string, std::string> vars;  ///< `--var`; one that the document does not have is an error
  /// `--database`: a URL, `env:NAME` or `file:PATH`; empty: not given.
  std::string database;
  std::map<std::string, std::string> environment;  ///< the runner's own
  std::string run_id;                              ///< for `run.id`
  std::string started_at;                          ///< for `run.started_at`
  /// False: the document alone is checked (`validate`); no secret and no env_file is read, and a value that rests on
  /// one is not checked further.
  bool read_secrets = true;
  /// Where a run is rebuilt from its journal: the sources as they were; what is in them is not read from the disk.
  std::vector<SourceFile> sources;
};

/// Reads, checks and evaluates a document. Every secret that is read is made known to the redactor first.
class PipelineLoader {
 public:
  PipelineLoader(const Vocabulary& vocabulary, const Settings& settings, Files& files, Processes& processes,
                 Redactor& redactor);

  /// The pipeline, or an Error `invalid` (or `secret`, where only secrets are missing) with every mistake of the
  /// document as a diagnostic, in the order of the text. Nothing is changed on the machine; a secret's `command` is
  /// the only thing that runs. Blocks as long as the deadline allows it to.
  Pipeline load(const LoadRequest& request, const Deadline& deadline) const;

 private:
  const Vocabulary* vocabulary_;
  const Settings* settings_;
  Files* files_;
  Processes* processes_;
  Redactor* redactor_;
};

/// The document that PIPELINE names on the command line: a path, or a bare file name looked up in `pipelines/` of the
/// project (with `.yml` or `.yaml` added where it has no suffix). Error `not_found` with "did you mean".
std::filesystem::path find_pipeline(const std::string& word, const std::filesystem::path& project, const Files& files);

/// The project's folder: `-C` where given, else the nearest parent of `cwd` with etc/deployer.yml, else `cwd`.
std::filesystem::path find_project(const std::filesystem::path& cwd, const std::string& flag, const Files& files);

}  // namespace deployer
