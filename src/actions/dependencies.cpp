#include <algorithm>
#include <cctype>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/switched_link.h"
#include "base/error.h"
#include "base/text.h"
#include "state/run_state.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr const char* build_effect = "build environment";
constexpr const char* switch_effect = "switch environment";
constexpr const char* install_effect = "command";

/// Where everything of a step with a virtual environment is.
struct VenvPlace {
  std::filesystem::path directory;
  std::filesystem::path lock_file;
  std::filesystem::path link;  ///< the environment, as services name it
  std::string python;

  explicit VenvPlace(const ActionContext& context) {
    const Json& inputs = context.inputs();
    directory = context.path(text_input(inputs, "directory"));
    if (!directory.has_filename()) directory = directory.parent_path();
    const std::string lock = text_input(inputs, "lock_file");
    lock_file = directory / (lock.empty() ? "requirements.txt" : lock);
    const std::string environment = text_input(inputs, "environment");
    link = environment.empty() ? directory / "venv" : context.path(environment);
    if (!link.has_filename()) link = link.parent_path();
    python = text_input(inputs, "python");
  }

  /// The folder that this attempt builds, beside the link, so that the switch is one rename.
  std::filesystem::path folder(const ActionContext& context) const {
    std::string name = link.filename().string() + "-" + context.run_id();
    if (context.attempt() > 1) name += "-" + std::to_string(context.attempt());
    return link.parent_path() / name;
  }
};

void build_venv(ActionContext& context, const VenvPlace& place, const std::filesystem::path& folder) {
  const Json& inputs = context.inputs();
  context.files().make_folder(folder.parent_path());
  CommandOptions options;
  options.directory = place.directory;
  context.must({"", {place.python, "-m", "venv", folder.string()}, {}}, "python3 -m venv", options);
  std::vector<std::string> install = {(folder / "bin" / "python").string(), "-m",     "pip", "install", "--no-input",
                                      "--disable-pip-version-check",        "--quiet"};
  const std::string wheels = text_input(inputs, "find_links");
  if (!wheels.empty()) {
    install.insert(install.end(), {"--no-index", "--find-links", context.path(wheels).string()});
  }
  install.insert(install.end(), {"--requirement", place.lock_file.string()});
  context.must({"", install, {}}, "pip install", options);
  sync_file_system(folder);
}

/// True for `NAME-RUN` and `NAME-RUN-ATTEMPT`, as VenvPlace::folder makes them.
bool is_built_folder(const std::string& name, const std::string& link_name) {
  constexpr std::string_view form = "ddddddddTddddddddd-xxxxxx";
  if (!name.starts_with(link_name + "-")) return false;
  const std::string rest = name.substr(link_name.size() + 1);
  if (rest.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const auto letter = static_cast<unsigned char>(rest[i]);
    const bool good = form[i] == 'd'   ? std::isdigit(letter) != 0
                      : form[i] == 'x' ? std::isalnum(letter) != 0
                                       : rest[i] == form[i];
    if (!good) return false;
  }
  const std::string attempt = rest.substr(form.size());
  return attempt.empty() || (attempt.size() > 1 && attempt.front() == '-' &&
                             attempt.find_first_not_of("0123456789", 1) == std::string::npos);
}

/// Every folder of earlier runs goes, but for the one in use and the one before it.
void remove_old_venvs(ActionContext& context, const std::filesystem::path& link, const Json& before) {
  const Json now = link_text(context.files(), link);
  for (const std::string& name : context.files().list(link.parent_path())) {
    if (!is_built_folder(name, link.filename().string())) continue;
    const std::filesystem::path folder = link.parent_path() / name;
    const auto is_kept = [&](const Json& text) {
      return text.is_string() &&
             (link.parent_path() / text.get<std::string>()).lexically_normal() == folder.lexically_normal();
    };
    if (!is_kept(now) && !is_kept(before)) context.files().remove_folder(folder);
  }
}

std::vector<Parameter> dependencies_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("manager", ParameterType::choice, "What installs; auto chooses pip by requirements.txt.", "auto"),
      declare_input("directory", ParameterType::path, "The folder of the application.", "."),
      declare_input("lock_file", ParameterType::path, "In the directory; requirements.txt for pip."),
      declare_input("environment", ParameterType::path,
                    "The link to the virtual environment in use; DIRECTORY/venv where nothing is said."),
      declare_input("find_links", ParameterType::path, "A folder of wheels; nothing is then asked of an index."),
      declare_input("python", ParameterType::text, "The Python that makes the environment.", "python3"),
      declare_input("command", ParameterType::command,
                    "A command that installs, in place of a manager; the step's rollback undoes it."),
  };
  inputs[0].choices = {"auto", "pip", "npm", "composer", "bundler", "apt"};
  inputs[0].check = [](const Json& value) -> std::optional<std::string> {
    const std::string word = value.get<std::string>();
    if (word == "auto" || word == "pip") return std::nullopt;
    return word + " is not in this version";
  };
  return inputs;
}

class DependenciesAction : public Action {
 public:
  DependenciesAction() {
    spec_.word = "dependencies";
    spec_.doc = "Installs what the application needs into an environment beside the one in use, then switches.";
    spec_.inputs = dependencies_inputs();
    spec_.can_continue_on_error = false;
    spec_.wants_quiet = true;
  }

  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const Json& inputs = context.inputs();
    if (has_input(inputs, "command")) {
      for (const char* name : {"environment", "find_links", "lock_file"}) {
        if (!has_input(inputs, name)) continue;
        throw Error(ErrorKind::invalid, "step '" + context.step().id + "': " + name + " means nothing beside command");
      }
      return;
    }
    const VenvPlace place(context);
    refuse_real_folder(context, place.link);
    Command probe;
    probe.argv = {need_program(context, place.python, "python3").string(), "-c", "import venv, ensurepip"};
    probe.env = context.environment();
    if (!context.processes().capture(probe, context.deadline().at_most(std::chrono::seconds(30))).exit.ok()) {
      throw Error(ErrorKind::missing_tool,
                  "step '" + context.step().id + "': " + place.python + " cannot make virtual environments",
                  "install its modules venv and ensurepip: apt-get install python3-venv");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    if (has_input(context.inputs(), "command")) {
      StepPlan plan{"installs by a command", {}, {}, std::nullopt};
      if (context.step().rollback && !context.step().rollback->none) plan.undo = "its rollback command";
      return plan;
    }
    const VenvPlace place(context);
    return {"builds a new environment beside " + place.link.string() + " and switches to it",
            {"installs " + place.lock_file.string()},
            {},
            "the previous environment is switched back"};
  }

  Json baseline(ActionContext& context) const override {
    if (has_input(context.inputs(), "command")) return nullptr;
    const VenvPlace place(context);
    return link_baseline(context.files(), place.link);
  }

  Outcome run(ActionContext& context) const override {
    const CommandLine command = command_input(context.inputs(), "command", context.step());
    return command.empty() ? run_pip(context) : run_command(context, command);
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    if (record.name == build_effect) {
      return context.files().exists(record.data.at("folder").get<std::string>()) ? Probe::partly : Probe::not_happened;
    }
    return record.name == switch_effect ? probe_switch(context.files(), record.data) : Probe::unknown;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (record.name == switch_effect) return switch_back(context.files(), record.data, "environment");
    if (record.name == build_effect) {
      context.files().remove_folder(record.data.at("folder").get<std::string>());
      return "the new environment was removed";
    }
    return "nothing: the step has no rollback";
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    return verify_link(context.files(), baseline);
  }

  void finish(ActionContext& context) const override {
    for (const EffectState& effect : context.state().effects) {
      if (effect.step != context.step().id || effect.name != switch_effect) continue;
      if (effect.status != EffectState::Status::done) continue;
      remove_old_venvs(context, effect.undo.at("link").get<std::string>(), effect.undo.at("before"));
    }
  }

 private:
  static Outcome run_command(ActionContext& context, const CommandLine& command) {
    CommandOptions options;
    options.directory = context.path(text_input(context.inputs(), "directory"));
    context.effect(install_effect, Json::object(), [&] {
      context.must(command, "command", options);
      return Json(nullptr);
    });
    return {"installed by the command", Json::object()};
  }

  static Outcome run_pip(ActionContext& context) {
    const VenvPlace place(context);
    if (!context.files().exists(place.lock_file)) {
      const bool chosen = text_input(context.inputs(), "manager") == "pip";
      throw Error(ErrorKind::failed,
                  chosen ? place.lock_file.string() + " does not exist"
                         : "no manager fits: there is no " + place.lock_file.string(),
                  chosen ? std::string() : "manager: auto knows pip's requirements.txt; else give a command");
    }
    refuse_real_folder(context, place.link);
    const std::filesystem::path folder = place.folder(context);
    context.effect(build_effect, {{"folder", folder.string()}}, [&] {
      build_venv(context, place, folder);
      return Json(nullptr);
    });
    const std::string after = folder.filename().string();
    context.effect(switch_effect, switch_record(context.files(), place.link, after), [&] {
      context.files().switch_link(place.link, after);
      return Json(nullptr);
    });
    Outcome outcome{"switched " + place.link.string() + " to " + after, Json::object()};
    outcome.outputs["path"] = place.link.string();
    return outcome;
  }

  ActionSpec spec_;
};

}  // namespace

const Action& dependencies_action() {
  static const DependenciesAction action;
  return action;
}

}  // namespace deployer
