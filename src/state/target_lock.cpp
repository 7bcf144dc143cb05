#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/log.h"
#include "state/target.h"
#include "state/target_file.h"
#include "system/file_lock.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

constexpr int owner_looks = 20;
constexpr Duration owner_pause = std::chrono::milliseconds(10);

std::string owner_text(const LockOwner& owner, const fs::path& journal) {
  return dump({{"run", owner.run},
               {"host", owner.host},
               {"record", owner.record},
               {"since", owner.since},
               {"journal", journal.string()}}) +
         "\n";
}

/// Written in place, over what was there and then cut: a rename would put another file where the lock is, and a reader
/// that comes in between sees what is no JSON. A disk that is too full for it must not keep a run from being recovered:
/// then nobody is named.
void write_owner(const fs::path& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return;
  const auto length = static_cast<ssize_t>(text.size());
  const bool written = ::pwrite(fd, text.data(), text.size(), 0) == length;
  if (::ftruncate(fd, written ? length : 0) != 0 || !written) {
    log(LogLevel::warning, "cannot write who holds it into the lock file " + file.string());
  }
  ::close(fd);
}

std::optional<LockOwner> read_owner(const fs::path& file) {
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Result<Json> json = parse_json(text, file.string());
  if (!json || !json->is_object()) return std::nullopt;
  try {
    return LockOwner{json->at("run").get<std::string>(), json->at("host").get<std::string>(), json->at("record"),
                     json->at("since").get<std::string>(), json->value("journal", "")};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

/// What stands in the file of one that died says nothing of who holds it now.
bool owner_has_died(const LockOwner& owner) {
  try {
    return is_alive(ProcessRecord::from(owner.record)) == std::optional<bool>(false);
  } catch (const Error&) {
    return false;
  }
}

/// Who holds a file that is held. It may have been taken this instant, and not been written yet.
LockOwner owner_of_held(const fs::path& file) {
  std::optional<LockOwner> owner;
  for (int look = 0; look < owner_looks; ++look) {
    owner = read_owner(file);
    if (owner && !owner_has_died(*owner)) return *owner;
    if (!FileLock::is_held(file)) break;
    (void)Deadline::never().sleep(owner_pause);
  }
  LockOwner nobody;
  nobody.record = Json::object();
  return nobody;
}

/// Whoever ends well empties the file. Who stands in it still has died, and if its journal is in another folder than
/// ours, what it left can only be taken back from there.
void refuse_what_died_elsewhere(const fs::path& file, const Target& target) {
  const std::optional<LockOwner> dead = read_owner(file);
  if (!dead || dead->run.empty() || dead->journal.empty() || dead->journal == target.folder.string()) return;
  throw Error(ErrorKind::unsettled, "run " + dead->run + " died here, and its journal is in " + dead->journal,
              "take it back from there: DEPLOYER_STATE=" + fs::path(dead->journal).parent_path().string() +
                  " deployer recover --all; if that folder is gone, look at the database yourself, then remove " +
                  file.string());
}

}  // namespace

struct TargetLock::State {
  std::vector<FileLock> locks;
  std::vector<fs::path> files;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (const fs::path& file : files) write_owner(file, "");
  }
};

TargetLock::TargetLock(std::unique_ptr<State> state) : state_(std::move(state)) {}
TargetLock::TargetLock(TargetLock&&) noexcept = default;
TargetLock& TargetLock::operator=(TargetLock&&) noexcept = default;
TargetLock::~TargetLock() = default;

std::optional<TargetLock> TargetLock::take(const Target& target, const LockOwner& owner, Files& files,
                                           const Deadline& deadline,
                                           const std::function<void(const LockOwner&)>& waiting) {
  files.make_folder(target.folder, 0700);
  auto state = std::make_unique<State>();
  bool told = false;
  for (const fs::path& file : target.lock_files) {
    if (is_lock_in_state_folder(target, file)) files.make_folder(file.parent_path(), 0700);
    std::optional<FileLock> lock = FileLock::try_take(file);
    if (!lock && !deadline.expired() && !deadline.cancelled()) {
      if (!told && waiting) waiting(owner_of_held(file));
      told = true;
      lock = FileLock::take(file, deadline);
    }
    if (!lock) return std::nullopt;
    refuse_what_died_elsewhere(file, target);
    state->locks.push_back(std::move(*lock));
    state->files.push_back(file);
    write_owner(file, owner_text(owner, target.folder));
  }
  const fs::path description = target_file_of(target);
  const std::string text = target_file_text(target);
  if (!files.exists(description) || files.read(description) != text) files.publish(description, text, 0600);
  return TargetLock(std::move(state));
}

std::optional<LockOwner> TargetLock::holder(const Target& target) {
  for (const fs::path& file : target.lock_files) {
    if (FileLock::is_held(file)) return owner_of_held(file);
  }
  return std::nullopt;
}

}  // namespace deployer
