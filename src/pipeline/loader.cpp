#include "pipeline/loader.h"

#include <algorithm>

#include "base/error.h"
#include "base/redactor.h"
#include "base/text.h"
#include "pipeline/document.h"
#include "pipeline/url_password.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

// What is over the limit of a document is refused by the YAML reader, with its words; this only bounds the memory.
constexpr std::uint64_t largest_file = 64 * 1024 * 1024;

SourceFile read_source(const LoadRequest& request, const fs::path& file, const Files& files) {
  for (const SourceFile& source : request.sources) {
    if (source.file == file.string()) return source;
  }
  std::string text = files.read(file, largest_file);
  std::string digest = sha256_hex(text);
  return {file.string(), std::move(text), std::move(digest)};
}

bool only_secrets_are_missing(const Diagnostics& wrong) {
  return std::all_of(wrong.begin(), wrong.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.level == Level::warning || diagnostic.rule == "secret";
  });
}

/// Where a document broke off, what is missing may stand behind the break; what is there is wrong all the same.
void keep_what_is_certain(Diagnostics& found) {
  std::erase_if(found, [](const Diagnostic& diagnostic) {
    return diagnostic.rule != "unknown-key" && diagnostic.rule != "wrong-type" && diagnostic.rule != "expression" &&
           diagnostic.rule != "later";
  });
}

/// The head keys of the settings' file where the document has none; mappings are joined key by key.
YamlNode merged(const YamlNode& document, const YamlNode& settings) {
  YamlNode out = document;
  for (const YamlNode::Entry& entry : settings.entries) {
    YamlNode* own = nullptr;
    for (YamlNode::Entry& candidate : out.entries) {
      if (out.find(entry.key) == &candidate.value) own = &candidate.value;
    }
    if (own == nullptr) {
      out.entries.push_back(entry);
    } else if (own->kind == YamlNode::Kind::mapping && entry.value.kind == YamlNode::Kind::mapping) {
      *own = merged(*own, entry.value);
    }
  }
  return out;
}

}  // namespace

PipelineLoader::PipelineLoader(const Vocabulary& vocabulary, const Settings& settings, Files& files,
                               Processes& processes, Redactor& redactor)
    : vocabulary_(&vocabulary), settings_(&settings), files_(&files), processes_(&processes), redactor_(&redactor) {}

Pipeline PipelineLoader::load(const LoadRequest& request, const Deadline& deadline) const {
  std::vector<SourceFile> sources = {read_source(request, request.file, *files_)};
  if (settings_->source()) sources.push_back(*settings_->source());
  for (const SourceFile& source : sources) make_url_passwords_known(*redactor_, source.text);
  const SourceFile& source = sources.front();
  const YamlDocument document = load_yaml(source.text, source.file);
  Diagnostics found;
  // A document that is broken already does not make a secret's command run.
  const bool read_secrets = request.read_secrets && !has_errors(document.diagnostics);
  DocumentReader reader({*vocabulary_, *settings_, *files_, *processes_, *redactor_, request, read_secrets, deadline},
                        found);
  Pipeline pipeline = reader.read(merged(document.root, settings_->head()));
  if (!document.complete) keep_what_is_certain(found);
  Diagnostics wrong = document.diagnostics;
  wrong.insert(wrong.end(), found.begin(), found.end());
  pipeline.sources = sources;
  for (const SourceFile& text : pipeline.sources) add_excerpts(wrong, text.text, text.file);
  sort_by_place(wrong);
  if (has_errors(wrong)) {
    const ErrorKind kind = only_secrets_are_missing(wrong) ? ErrorKind::secret : ErrorKind::invalid;
    throw redactor_->clean(Error(kind, "the document " + source.file + " is wrong", wrong));
  }
  pipeline.warnings = std::move(wrong);
  return pipeline;
}

fs::path find_pipeline(const std::string& word, const fs::path& project, const Files& files) {
  const bool bare = word.find('/') == std::string::npos;
  std::vector<fs::path> candidates = {project / word};
  if (bare) candidates.push_back(project / "pipelines" / word);
  if (bare && fs::path(word).extension().empty()) {
    candidates.push_back(project / "pipelines" / (word + ".yml"));
    candidates.push_back(project / "pipelines" / (word + ".yaml"));
  }
  for (const fs::path& candidate : candidates) {
    const std::optional<FileInfo> info = files.info(candidate);
    if (info && !info->is_folder) return candidate.lexically_normal();
  }
  const std::optional<std::string> meant = did_you_mean(word, files.list(project / "pipelines"));
  throw Error(ErrorKind::not_found, "there is no pipeline '" + word + "'",
              meant ? "did you mean '" + *meant + "'?"
                    : "it is looked for in " + project.string() + " and in its folder pipelines/");
}

fs::path find_project(const fs::path& cwd, const std::string& flag, const Files& files) {
  if (!flag.empty()) {
    const fs::path folder = (cwd / flag).lexically_normal();
    const std::optional<FileInfo> info = files.info(folder / ".");
    if (!info || !info->is_folder) throw Error(ErrorKind::usage, "-C " + flag + ": there is no such folder");
    return folder.has_filename() ? folder : folder.parent_path();
  }
  for (fs::path folder = cwd; !folder.empty(); folder = folder.parent_path()) {
    if (files.exists(folder / "etc" / "deployer.yml") && folder != folder.root_path()) return folder;
    if (folder == folder.root_path()) break;
  }
  return cwd;
}

}  // namespace deployer
