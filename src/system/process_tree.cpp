#include "system/process_tree.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "base/error.h"
#include "system/process.h"
#include "system/process_descriptor.h"
#include "system/process_pidfd.h"

namespace deployer::process {

namespace {

constexpr Duration longest_wait{20};

/// Sends a signal to the very process of the entry. The errno, 0 if it was sent.
int send_signal(const Entry& entry, int number) {
  const Descriptor handle(::pidfd_open(entry.key.pid, 0));
  if (!handle.open()) return errno;
  const std::optional<Entry> now = read_entry(entry.key.pid);
  if (!now || now->key != entry.key) return ESRCH;
  return ::pidfd_send_signal(handle.get(), number, nullptr, 0) == 0 ? 0 : errno;
}

}  // namespace

Tree::Tree(std::set<Key> roots, bool roots_always, std::string keep_variable, Adopts adopts)
    : roots_(std::move(roots)),
      roots_always_(roots_always),
      keep_variable_(std::move(keep_variable)),
      adopts_(std::move(adopts)),
      known_(roots_) {}

bool Tree::spared(const Entry& entry) const {
  if (keep_variable_.empty() || (roots_always_ && roots_.contains(entry.key))) return false;
  const std::optional<std::string> environment = read_environment(entry.key.pid);
  return environment && variable_in(*environment, keep_variable_).has_value();
}

bool Tree::belongs(const Entry& entry, const Table& table) const {
  if (known_.contains(entry.key)) return true;
  // A session's id is the pid of who made it, and not given out again before the session is empty: so all in it came
  // from there, unless another process has that pid by now.
  const auto leader = known_.lower_bound({entry.session, 0});
  if (leader != known_.end() && leader->pid == entry.session) {
    const auto now = table.find(entry.session);
    if (now == table.end() || known_.contains(now->second.key)) return true;
  }
  return adopts_ && adopts_(entry);
}

std::vector<Entry> Tree::members(const Table& table) {
  std::multimap<pid_t, const Entry*> children;
  std::vector<const Entry*> found;
  for (const auto& [pid, entry] : table) {
    if (pid == ::getpid() || pid == 1) continue;
    children.emplace(entry.parent, &entry);
    if (belongs(entry, table)) found.push_back(&entry);
  }
  std::set<pid_t> listed;
  for (const Entry* entry : found) listed.insert(entry->key.pid);
  for (std::size_t next = 0; next < found.size(); ++next) {
    const auto [first, last] = children.equal_range(found[next]->key.pid);
    for (auto child = first; child != last; ++child) {
      if (listed.insert(child->second->key.pid).second) found.push_back(child->second);
    }
  }

  std::set<pid_t> kept;
  std::vector<pid_t> kept_in_turn;
  for (const Entry* entry : found) {
    if (spared(*entry) && kept.insert(entry->key.pid).second) kept_in_turn.push_back(entry->key.pid);
  }
  for (std::size_t next = 0; next < kept_in_turn.size(); ++next) {
    const auto [first, last] = children.equal_range(kept_in_turn[next]);
    for (auto child = first; child != last; ++child) {
      if (kept.insert(child->second->key.pid).second) kept_in_turn.push_back(child->second->key.pid);
    }
  }

  std::vector<Entry> members;
  for (const Entry* entry : found) {
    if (kept.contains(entry->key.pid)) {
      if (!roots_.contains(entry->key)) known_.erase(entry->key);
      continue;
    }
    known_.insert(entry->key);
    members.push_back(*entry);
  }
  return members;
}

TreeEnd::TreeEnd(Tree tree, Duration grace, Reap reap)
    : tree_(std::move(tree)), kill_at_(Clock::now() + grace), reap_(std::move(reap)) {}

Duration TreeEnd::killing_for() const { return std::chrono::duration_cast<Duration>(Clock::now() - kill_at_); }

std::string TreeEnd::survivor() const {
  if (left_.empty()) return "a process";
  return "process " + std::to_string(left_.front().key.pid) + " (" + left_.front().name + ")";
}

void TreeEnd::signal_all(const std::vector<Entry>& living, bool kill) {
  std::set<pid_t> pids;
  for (const Entry& entry : living) pids.insert(entry.key.pid);
  const bool first_look = std::exchange(first_look_, false);
  bool some = false;
  int refusal = 0;
  for (const Entry& entry : living) {
    const bool tell = !termed_.contains(entry.key) && (first_look || !pids.contains(entry.parent));
    if (!kill && !tell) continue;
    const int code = send_signal(entry, kill ? SIGKILL : SIGTERM);
    // A stopped process takes notice of TERM only when it goes on.
    if (!kill && code == 0) send_signal(entry, SIGCONT);
    if (code == EPERM) {
      refusal = code;
      continue;
    }
    some = true;
    if (code == 0) termed_.insert(entry.key);
    if (code != 0 && code != ESRCH) throw io_error(code, "cannot signal process " + std::to_string(entry.key.pid));
  }
  if (kill && !some && refusal != 0) {
    throw Error(ErrorKind::left_behind, survivor() + " cannot be ended: not permitted",
                "end it as the user it belongs to, or as root");
  }
}

std::optional<Duration> TreeEnd::round() {
  std::vector<Entry> living;
  for (Entry& entry : tree_.members(read_table())) {
    if (entry.lives()) {
      living.push_back(std::move(entry));
    } else if (entry.parent == ::getpid()) {
      reap_(entry.key.pid);
    }
  }
  left_ = living;
  if (living.empty()) {
    if (++empty_looks_ == 2) return std::nullopt;
    return Duration(0);
  }
  empty_looks_ = 0;
  const Clock::time_point now = Clock::now();
  const bool kill = now >= kill_at_;
  const std::size_t before = termed_.size();
  signal_all(living, kill);
  wait_ = termed_.size() > before ? Duration(1) : std::min(wait_ * 2, longest_wait);
  if (kill) return wait_;
  return std::clamp(std::chrono::ceil<Duration>(kill_at_ - now), Duration(0), wait_);
}

}  // namespace deployer::process

namespace deployer {

int end_processes(const std::vector<ProcessRecord>& records, Duration grace, const Deadline& deadline,
                  std::string_view keep_variable) {
  std::set<process::Key> roots;
  for (const ProcessRecord& record : records) {
    if (is_alive(record) == true) roots.insert({record.pid, record.start_time});
  }
  if (roots.empty()) return 0;
  // Half of the time at least is for KILL.
  if (const std::optional<Duration> left = deadline.left()) grace = std::min(grace, *left / 2);
  process::TreeEnd end(process::Tree(std::move(roots), false, std::string(keep_variable)), grace, [](pid_t) {});
  while (const std::optional<Duration> wait = end.round()) {
    if (deadline.cancelled()) throw Error(ErrorKind::cancelled, "cancelled: ending " + end.survivor());
    if (deadline.expired()) throw Error(ErrorKind::timed_out, "timed out: ending " + end.survivor());
    deadline.sleep(*wait);
  }
  return end.signalled();
}

}  // namespace deployer
