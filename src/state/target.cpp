#include "state/target.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/id.h"
#include "system/file_lock.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

constexpr const char* target_file = "target.json";

std::string variable(const std::map<std::string, std::string>& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string folder_name(const std::string& identity) {
  const std::string words = slug(identity);
  const std::size_t longest = 40;
  const std::string end = words.size() > longest ? words.substr(words.size() - longest) : words;
  return slug(end) + "-" + sha256_hex(identity).substr(0, 12);
}

Json json_of(const Target& target) {
  Json locks = Json::array();
  for (const fs::path& file : target.lock_files) locks.push_back(file.string());
  return {{"identity", target.identity}, {"name", target.name}, {"lock_files", locks}};
}

std::string owner_text(const LockOwner& owner) {
  return dump({{"run", owner.run}, {"host", owner.host}, {"record", owner.record}, {"since", owner.since}}) + "\n";
}

std::optional<LockOwner> read_owner(const fs::path& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Result<Json> json = parse_json(text, file.string());
  // The owner writes the file while it holds the lock: for a moment it may be half there.
  if (!json || !json->is_object()) return LockOwner{};
  return LockOwner{json->value("run", ""), json->value("host", ""), json->value("record", Json::object()),
                   json->value("since", "")};
}

/// In place: the file is the lock itself, and a rename would put another file in its place.
void write_owner(const fs::path& file, const LockOwner& owner) {
  std::ofstream out(file, std::ios::trunc);
  out << owner_text(owner);
}

}  // namespace

fs::path state_root(const std::string& configured, const std::map<std::string, std::string>& environment) {
  if (configured != "auto") return configured;
  const fs::path system = "/var/lib/deployer";
  const fs::path nearest = fs::exists(system) ? system : system.parent_path();
  if (access(nearest.c_str(), W_OK | X_OK) == 0) return system;
  const std::string state_home = variable(environment, "XDG_STATE_HOME");
  if (!state_home.empty()) return fs::path(state_home) / "deployer";
  const std::string home = variable(environment, "HOME");
  if (home.empty()) {
    throw Error(ErrorKind::invalid, "there is no place for the state folder: HOME is not set",
                "set `state` in etc/deployer.yml, or DEPLOYER_STATE");
  }
  return fs::path(home) / ".local" / "state" / "deployer";
}

Target target_of(const fs::path& root, const std::string& database_identity, const fs::path& database_file,
                 const std::string& lock_name, const std::string& pipeline_name) {
  Target target;
  target.name = !lock_name.empty() ? lock_name : !database_identity.empty() ? database_identity : pipeline_name;
  target.identity = !database_identity.empty() ? database_identity : target.name;
  target.folder = root / folder_name(target.identity);
  if (!database_file.empty()) target.lock_files.push_back(database_file.string() + ".deployer-lock");
  // A name is a lock of its own, also where there is a database: two databases may share one.
  if (database_file.empty() || !lock_name.empty()) {
    target.lock_files.push_back(root / "locks" / (folder_name(target.name) + ".lock"));
  }
  return target;
}

std::vector<Target> known_targets(const fs::path& root, const Files& files) {
  std::vector<Target> targets;
  for (const std::string& name : files.list(root)) {
    const fs::path file = root / name / target_file;
    if (!files.exists(file)) continue;
    const Json json = value_or_throw(parse_json(files.read(file), file.string()));
    Target target;
    target.identity = json.value("identity", "");
    target.name = json.value("name", "");
    target.folder = root / name;
    for (const std::string lock : json.value("lock_files", Json::array())) target.lock_files.emplace_back(lock);
    targets.push_back(std::move(target));
  }
  return targets;
}

struct TargetLock::State {
  std::vector<FileLock> locks;
  std::vector<fs::path> files;
};

TargetLock::TargetLock(std::unique_ptr<State> state) : state_(std::move(state)) {}
TargetLock::TargetLock(TargetLock&&) noexcept = default;
TargetLock& TargetLock::operator=(TargetLock&&) noexcept = default;

TargetLock::~TargetLock() {
  if (!state_) return;
  for (const fs::path& file : state_->files) std::ofstream(file, std::ios::trunc);
}

std::optional<TargetLock> TargetLock::take(const Target& target, const LockOwner& owner, Files& files,
                                           const Deadline& deadline,
                                           const std::function<void(const LockOwner&)>& waiting) {
  files.make_folder(target.folder, 0700);
  auto state = std::make_unique<State>();
  bool told = false;
  for (const fs::path& file : target.lock_files) {
    if (file.parent_path().filename() == "locks") files.make_folder(file.parent_path(), 0700);
    std::optional<FileLock> lock = FileLock::try_take(file);
    if (!lock && deadline.left().value_or(Duration(1)) > Duration::zero()) {
      if (!told && waiting) waiting(read_owner(file).value_or(LockOwner{}));
      told = true;
      lock = FileLock::take(file, deadline);
    }
    if (!lock) return std::nullopt;
    write_owner(file, owner);
    state->locks.push_back(std::move(*lock));
    state->files.push_back(file);
  }
  const fs::path description = target.folder / target_file;
  const std::string text = dump_pretty(json_of(target)) + "\n";
  if (!files.exists(description) || files.read(description) != text) files.publish(description, text, 0600);
  return TargetLock(std::move(state));
}

std::optional<LockOwner> TargetLock::holder(const Target& target) {
  for (const fs::path& file : target.lock_files) {
    if (FileLock::is_held(file)) return read_owner(file);
  }
  return std::nullopt;
}

}  // namespace deployer
