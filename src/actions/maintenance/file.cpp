#include "actions/inputs.h"
#include "actions/maintenance/way.h"
#include "base/error.h"
#include "base/text.h"
#include "system/files.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

/// `file: PATH`: there while the service is in maintenance. One that was there before is not touched by turning it on,
/// and is kept aside while it is turned off.
class MaintenanceByFile : public MaintenanceWay {
 public:
  Parameter input() const override {
    return declare_input("file", ParameterType::path, "a file that is there during the maintenance");
  }

  void check(ActionContext& context) const override {
    const fs::path file = context.path(text_input(context.inputs(), "file"));
    const auto found = context.files().info(file);
    if (found && found->is_folder) throw Error(ErrorKind::invalid, file.string() + " is a folder");
  }

  Json subject(ActionContext& context) const override {
    return {{"by", "file"}, {"path", context.path(text_input(context.inputs(), "file")).string()}};
  }

  std::string text(const Json& subject) const override { return "the file " + path_of(subject).string(); }
  std::string by_hand(const Json& subject) const override { return "rm " + shell_quote(path_of(subject).string()); }

  std::optional<bool> is_on(ActionContext& context, const Json& subject) const override {
    return context.files().exists(path_of(subject));
  }

  Json record(ActionContext& context, bool active) const override {
    if (active) return Json::object();
    const std::string file = context.path(text_input(context.inputs(), "file")).string();
    return {{"aside", file + ".deployer-" + context.run_id()}};
  }

  Json turn(ActionContext& context, bool active, const Json& record) const override {
    const fs::path file = path_of(record["of"]);
    const bool is_there = context.files().exists(file);
    if (active && !is_there) context.files().publish(file, content(context));
    if (!active && is_there) context.files().rename(file, aside_of(record));
    return nullptr;
  }

  void bring_back(ActionContext& context, const Json& record) const override {
    Files& files = context.files();
    const fs::path file = path_of(record["of"]);
    const bool is_there = files.exists(file);
    if (record.value("before", false)) {
      if (!record.value("active", true) && !is_there && files.exists(aside_of(record))) {
        files.rename(aside_of(record), file);
      }
    } else if (is_there && is_ours(context, file)) {
      files.remove(file);
    } else if (is_there) {
      context.warn(file.string() + " was written by somebody else meanwhile, and is left");
    }
  }

  void forget(ActionContext& context, const Json& record) const override {
    if (record.contains("aside")) context.files().remove(aside_of(record));
  }

 private:
  static fs::path path_of(const Json& subject) { return subject.value("path", ""); }
  static fs::path aside_of(const Json& record) { return record.value("aside", ""); }
  static std::string content(const ActionContext& context) {
    return "maintenance (run " + context.run_id() + " of deployer)\n";
  }
  static bool is_ours(const ActionContext& context, const fs::path& file) {
    const std::string ours = content(context);
    const auto found = context.files().info(file);
    return found && !found->is_link && found->bytes == ours.size() && context.files().read(file) == ours;
  }
};

}  // namespace

const MaintenanceWay& maintenance_by_file() {
  static const MaintenanceByFile way;
  return way;
}

}  // namespace deployer
