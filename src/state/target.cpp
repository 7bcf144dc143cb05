#include "state/target.h"

#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "state/target_file.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

constexpr const char* target_locks_folder = "locks";
constexpr std::size_t target_longest_slug = 40;

std::string target_variable(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

/// The end of a long one is what tells targets apart for a reader: the file's name, the schema.
std::string target_folder_name(const std::string& identity) {
  const std::string words = slug(identity);
  const std::size_t from = words.size() > target_longest_slug ? words.size() - target_longest_slug : 0;
  const std::string digest = sha256_hex(identity).substr(0, 12);
  const std::string end = slug(words.substr(from));
  return end.empty() ? digest : end + "-" + digest;
}

bool target_may_make(const fs::path& folder) {
  std::error_code ignored;
  const fs::path nearest = fs::exists(folder, ignored) ? folder : folder.parent_path();
  return fs::is_directory(nearest, ignored) && access(nearest.c_str(), W_OK | X_OK) == 0;
}

bool target_is_inside(const fs::path& file, const fs::path& root) {
  return fs::path(file).lexically_normal().parent_path() == (root / target_locks_folder).lexically_normal();
}

Target target_from(const Json& json, const fs::path& root, const fs::path& folder) {
  Target target;
  target.identity = json.at("identity").get<std::string>();
  target.name = json.at("name").get<std::string>();
  target.folder = folder;
  // Those in the state folder are relative to it, so that it can be moved.
  for (const Json& lock : json.at("lock_files")) target.lock_files.push_back(root / lock.get<std::string>());
  return target;
}

}  // namespace

fs::path state_root(const std::string& configured, const std::map<std::string, std::string>& environment) {
  if (configured != "auto") return fs::absolute(configured).lexically_normal();
  fs::path of_system = "/var/lib/deployer";
  if (target_may_make(of_system)) return of_system;
  // XDG Base Directory Specification: a relative path in it is to be ignored.
  const fs::path state_home = target_variable(environment, "XDG_STATE_HOME");
  if (state_home.is_absolute()) return (state_home / "deployer").lexically_normal();
  const fs::path home = target_variable(environment, "HOME");
  if (!home.is_absolute()) {
    throw Error(
        ErrorKind::invalid,
        "there is no place for the state folder: " + of_system.string() + " cannot be written, and HOME is not set",
        "set `state` in etc/deployer.yml, or DEPLOYER_STATE");
  }
  return (home / ".local" / "state" / "deployer").lexically_normal();
}

Target target_of(const fs::path& root, const std::string& database_identity, const fs::path& database_file,
                 const std::string& lock_name, const std::string& pipeline_name) {
  Target target;
  const std::string& own = lock_name.empty() ? pipeline_name : lock_name;
  target.identity = database_identity.empty() ? own : database_identity;
  target.name = lock_name.empty() ? target.identity : lock_name;
  target.folder = root / target_folder_name(target.identity);
  if (!database_file.empty()) target.lock_files.push_back(database_file.string() + ".deployer-lock");
  // A name is a lock of its own beside a database's too: two databases may share it.
  if (database_file.empty() || !lock_name.empty()) {
    target.lock_files.push_back(root / target_locks_folder / (target_folder_name(target.name) + ".lock"));
  }
  return target;
}

fs::path target_file_of(const Target& target) { return target.folder / "target.json"; }

std::string target_file_text(const Target& target) {
  const fs::path root = target.folder.parent_path();
  Json locks = Json::array();
  for (const fs::path& file : target.lock_files) {
    const bool inside = target_is_inside(file, root);
    locks.push_back((inside ? file.lexically_relative(root) : file).string());
  }
  return dump_pretty({{"identity", target.identity}, {"name", target.name}, {"lock_files", locks}}) + "\n";
}

bool is_lock_in_state_folder(const Target& target, const fs::path& lock_file) {
  return target_is_inside(lock_file, target.folder.parent_path());
}

std::vector<Target> known_targets(const fs::path& root, const Files& files) {
  std::vector<Target> targets;
  for (const std::string& name : files.list(root)) {
    Target folder_only;
    folder_only.folder = root / name;
    const fs::path file = target_file_of(folder_only);
    if (!files.exists(file)) continue;
    const Json json = value_or_throw(parse_json(files.read(file), file.string()));
    try {
      targets.push_back(target_from(json, root, root / name));
    } catch (const Json::exception&) {
      throw Error(ErrorKind::invalid, file.string() + " does not describe a target",
                  "the next run on that target writes it anew: move the file aside");
    }
  }
  return targets;
}

}  // namespace deployer
