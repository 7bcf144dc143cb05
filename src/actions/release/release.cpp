#include <algorithm>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/release/layout.h"
#include "actions/release/shared.h"
#include "actions/release/source.h"
#include "actions/switched_link.h"
#include "base/error.h"
#include "base/text.h"
#include "state/run_state.h"
#include "system/files.h"

namespace deployer {

namespace {

constexpr const char* release_folders_effect = "make folders";
constexpr const char* release_fetch_effect = "fetch";
constexpr const char* release_build_effect = "build release";
constexpr const char* release_switch_effect = "switch release";

std::optional<std::string> source_complaint(const Json& source) {
  int given = 0;
  for (const char* name : {"git", "path", "archive"}) given += has_input(source, name) ? 1 : 0;
  if (given != 1) return "exactly one of git, path and archive is needed";
  if (has_input(source, "ref") && !has_input(source, "git")) return "ref belongs to git";
  return std::nullopt;
}

std::vector<Parameter> release_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("source", ParameterType::section, "Where the files come from: one of git, path and archive."),
      declare_input("directory", ParameterType::path, "The folder with releases, shared and current in it."),
      declare_input("keep", ParameterType::integer, "How many releases are kept after a success.", 5),
      declare_input("shared", ParameterType::list, "Paths that all releases share; they stand under shared."),
  };
  inputs[0].required = inputs[1].required = true;
  inputs[0].members = {
      declare_input("git", ParameterType::text, "The URL or path of a repository."),
      declare_input("ref", ParameterType::text,
                    "A branch, tag or commit; the repository's HEAD where nothing is said."),
      declare_input("path", ParameterType::path, "A folder that is copied."),
      declare_input("archive", ParameterType::path, "A file that is unpacked: .tar, .tar.gz, .tar.xz, .tar.zst, .zip."),
  };
  inputs[0].check = source_complaint;
  inputs[2].check = [](const Json& value) -> std::optional<std::string> {
    if (value.get<std::int64_t>() >= 1) return std::nullopt;
    return "at least 1 is needed";
  };
  inputs[3].repeated_or_single = true;
  inputs[3].check = shared_paths_complaint;
  return inputs;
}

/// A path of the source, without a slash at its end.
std::filesystem::path source_path(const ActionContext& context, const char* name) {
  const std::filesystem::path path = context.path(text_input(context.inputs().at("source"), name));
  return path.has_filename() ? path : path.parent_path();
}

const Json& source_input(const ActionContext& context) { return context.inputs().at("source"); }

GitSource git_source(const ActionContext& context) {
  const std::string ref = text_input(source_input(context), "ref");
  return GitSource::from(context, text_input(source_input(context), "git"), ref.empty() ? "HEAD" : ref);
}

/// A copy of a folder into itself would never end.
void refuse_directory_in(const std::filesystem::path& source, const ReleaseLayout& layout) {
  std::error_code failure;
  const std::filesystem::path outer = std::filesystem::weakly_canonical(source, failure);
  if (failure) throw io_error(failure.value(), "cannot look at " + source.string());
  const std::filesystem::path directory = std::filesystem::weakly_canonical(layout.directory, failure);
  if (failure) throw io_error(failure.value(), "cannot look at " + layout.directory.string());
  const std::filesystem::path inner = directory.lexically_relative(outer);
  if (!inner.empty() && *inner.begin() != "..") {
    throw Error(ErrorKind::invalid, layout.directory.string() + " is in " + source.string() + ", which is to be copied",
                "give a directory elsewhere");
  }
}

void check_source(const ActionContext& context, const ReleaseLayout& layout) {
  const Json& source = source_input(context);
  if (has_input(source, "git")) {
    git_source(context);
    need_program(context, "git", "git");
    need_program(context, "tar", "tar");
    need_program(context, "bash", "bash");
  } else if (has_input(source, "path")) {
    need_program(context, "cp", "coreutils");
    refuse_directory_in(source_path(context, "path"), layout);
  } else {
    const std::string program = archive_program(source_path(context, "archive"));
    if (program != "unzip") need_program(context, "tar", "tar");
    need_program(context, program, program == "xz" ? "xz-utils" : program);
    need_program(context, "bash", "bash");
  }
}

std::string source_words(const ActionContext& context) {
  const Json& source = source_input(context);
  if (has_input(source, "git")) return git_source(context).ref + " of " + git_source(context).name();
  return source_path(context, has_input(source, "path") ? "path" : "archive").string();
}

/// Folders that this run has to make, parents first.
std::vector<std::filesystem::path> missing_folders(const ReleaseLayout& layout, const Files& files,
                                                   const std::vector<std::string>& shared) {
  std::vector<std::filesystem::path> missing;
  for (std::filesystem::path folder = layout.directory; !files.exists(folder); folder = folder.parent_path()) {
    missing.insert(missing.begin(), folder);
  }
  for (const std::filesystem::path& folder : {layout.releases(), layout.shared()}) {
    if (!files.exists(folder)) missing.push_back(folder);
  }
  const std::vector<std::filesystem::path> below = missing_shared_folders(layout, files, shared);
  missing.insert(missing.end(), below.begin(), below.end());
  return missing;
}

/// Those that something was put into meanwhile stay.
std::string unmake_folders(Files& files, const Json& made) {
  std::vector<std::string> kept;
  for (auto text = made.rbegin(); text != made.rend(); ++text) {
    const std::filesystem::path folder = text->get<std::string>();
    const auto info = files.info(folder);
    if (!info || !info->is_folder) continue;
    if (files.list(folder).empty()) {
      files.remove_folder(folder);
    } else {
      kept.push_back(folder.string());
    }
  }
  return kept.empty() ? "the folders were removed" : "these are not empty and stay: " + listing(kept);
}

/// One release on its way from its source to `current`.
class ReleaseStep {
 public:
  explicit ReleaseStep(ActionContext& context)
      : context_(context), layout_(context), shared_(list_input(context.inputs(), "shared")) {}

  Outcome run() {
    refuse_real_folder(context_, layout_.current());
    make_folders();
    if (has_input(source_input(context_), "git")) fetch();
    const std::string id = new_release_id(layout_, context_.files(), context_.now(), commit_);
    const Json places = {{"folder", layout_.release(id).string()}, {"part", layout_.part(id).string()}};
    context_.effect(release_build_effect, places, [&] {
      build(id);
      return Json(nullptr);
    });
    const std::string after = "releases/" + id;
    context_.effect(release_switch_effect, switch_record(context_.files(), layout_.current(), after), [&] {
      context_.files().switch_link(layout_.current(), after);
      return Json(nullptr);
    });
    return {"released " + id + " from " + source_words(context_), {{"id", id}, {"path", layout_.release(id).string()}}};
  }

 private:
  void make_folders() {
    made_ = missing_folders(layout_, context_.files(), shared_);
    if (made_.empty()) return;
    Json made = Json::array();
    for (const std::filesystem::path& folder : made_) made.push_back(folder.string());
    context_.effect(release_folders_effect, {{"made", made}}, [&] {
      for (const std::filesystem::path& folder : made_) context_.files().make_folder(folder);
      return Json(nullptr);
    });
    for (const std::filesystem::path& folder : made_) {
      const std::filesystem::path below = folder.lexically_relative(layout_.shared());
      if (below != "." && *below.begin() != "..") context_.output("made the folder " + folder.string());
    }
  }

  void fetch() {
    const bool is_new = !context_.files().exists(layout_.repo());
    const Json fetched =
        context_.effect(release_fetch_effect, {{"repo", layout_.repo().string()}, {"made", is_new}}, [&] {
          return Json{{"commit", git_source(context_).fetch(context_, layout_.repo())}};
        });
    commit_ = fetched.at("commit").get<std::string>();
  }

  void build(const std::string& id) {
    Files& files = context_.files();
    remove_release_parts(layout_, files);
    const std::filesystem::path part = layout_.part(id);
    files.make_folder(part);
    const Json& source = source_input(context_);
    if (has_input(source, "git")) {
      git_source(context_).write(context_, layout_.repo(), commit_, part);
      files.publish(part / "REVISION", commit_ + "\n");
    } else if (has_input(source, "path")) {
      copy_release_folder(context_, source_path(context_, "path"), part);
    } else {
      unpack_release_archive(context_, source_path(context_, "archive"), part);
    }
    link_shared(layout_, files, shared_, made_, part);
    sync_file_system(part);
    files.rename(part, layout_.release(id));
  }

  ActionContext& context_;
  ReleaseLayout layout_;
  std::vector<std::string> shared_;
  std::vector<std::filesystem::path> made_;
  std::string commit_;
};

class ReleaseAction : public Action {
 public:
  ReleaseAction() {
    spec_.word = "release";
    spec_.doc = "Puts a version of the application beside those that are there, and switches `current` to it.";
    spec_.inputs = release_inputs();
    spec_.can_continue_on_error = false;
    spec_.wants_quiet = true;
  }

  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const ReleaseLayout layout(context);
    refuse_real_folder(context, layout.current());
    check_source(context, layout);
  }

  StepPlan plan(ActionContext& context) const override {
    const ReleaseLayout layout(context);
    StepPlan plan{"releases " + source_words(context) + " and switches " + layout.current().string() + " to it",
                  {},
                  {},
                  "current points to the previous release again"};
    const std::vector<std::string> shared = list_input(context.inputs(), "shared");
    if (!shared.empty()) plan.details.push_back("shares " + listing(shared));
    return plan;
  }

  Json baseline(ActionContext& context) const override {
    return link_baseline(context.files(), ReleaseLayout(context).current());
  }

  Outcome run(ActionContext& context) const override { return ReleaseStep(context).run(); }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    const Files& files = context.files();
    if (record.name == release_switch_effect) return probe_switch(files, record.data);
    if (record.name != release_build_effect) return Probe::unknown;
    const bool any = files.exists(record.data.at("folder").get<std::string>()) ||
                     files.exists(record.data.at("part").get<std::string>());
    return any ? Probe::partly : Probe::not_happened;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    Files& files = context.files();
    if (record.name == release_switch_effect) return switch_back(files, record.data, "release");
    if (record.name == release_folders_effect) return unmake_folders(files, record.data.at("made"));
    if (record.name == release_build_effect) {
      remove_release(record.data.at("part").get<std::string>(), files);
      remove_release(record.data.at("folder").get<std::string>(), files);
      return "the new release was removed";
    }
    const std::filesystem::path repo = record.data.at("repo").get<std::string>();
    files.remove_folder(repo.string() + ".part");
    if (!record.data.at("made").get<bool>()) return "the mirror stays";
    files.remove_folder(repo);
    return "the mirror was removed";
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    return verify_link(context.files(), baseline);
  }

  void finish(ActionContext& context) const override {
    const ReleaseLayout layout(context);
    const auto keep = static_cast<std::size_t>(context.inputs().at("keep").get<std::int64_t>());
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || effect.name != release_switch_effect) continue;
      if (effect.status != EffectState::Status::done) continue;
      std::vector<std::string> needed = {effect.undo.at("after").get<std::string>()};
      if (effect.undo.at("before").is_string()) needed.push_back(effect.undo.at("before").get<std::string>());
      const std::vector<std::string> removed = remove_old_releases(layout, context.files(), keep, needed);
      if (!removed.empty()) context.output("removed the old releases " + listing(removed));
    }
  }

 private:
  ActionSpec spec_;
};

}  // namespace

const Action& release_action() {
  static const ReleaseAction action;
  return action;
}

}  // namespace deployer
