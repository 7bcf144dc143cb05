#include "actions/restart/systemd_unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "actions/inputs.h"
#include "actions/restart/readiness.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr Duration ready_unit_moment = std::chrono::milliseconds(500);
constexpr Duration silent_unit_moment = std::chrono::seconds(2);
constexpr Duration restarted_unit_moment = std::chrono::seconds(5);
constexpr Duration unit_pause = std::chrono::milliseconds(150);
constexpr int most_unit_restarts = 3;
constexpr std::size_t longest_unit_name = 255;
constexpr const char* unit_properties =
    "--property=Id,LoadState,ActiveState,SubState,Type,Result,InvocationID,NRestarts,MainPID,ExecMainStatus,Job,"
    "NeedDaemonReload";

/// A program that only looks: nothing of it need be journalled.
Processes::Captured look(ActionContext& context, std::vector<std::string> argv, const std::string& what) {
  Command command;
  command.argv = std::move(argv);
  command.env = context.environment();
  const Processes::Captured answer = context.processes().capture(command, context.deadline());
  if (!answer.exit.ok()) context.deadline().check(what);
  return answer;
}

std::map<std::string, std::string> properties_in(const std::string& text) {
  std::map<std::string, std::string> properties;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) properties[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return properties;
}

int number_in(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string refusal_hint(const std::string& complaint) {
  const bool denied = complaint.find("Access denied") != std::string::npos ||
                      complaint.find("authentication") != std::string::npos ||
                      complaint.find("Permission denied") != std::string::npos;
  return denied ? "run deployer as root, or let its user manage the unit (polkit)" : std::string();
}

/// Has systemd do something; what it prints beside success is given back.
std::string must_systemctl(ActionContext& context, const std::vector<std::string>& words) {
  std::vector<std::string> argv = {"systemctl", "--no-ask-password"};
  argv.insert(argv.end(), words.begin(), words.end());
  CommandOptions options;
  options.quiet = true;
  const CommandResult result = context.command({"", argv, {}}, options);
  if (result.ok) return result.err_tail;
  throw Error(ErrorKind::failed,
              "systemctl " + words.front() + " " + words.back() + " " + result.text + ": " + result.err_tail,
              refusal_hint(result.err_tail));
}

/// What came of a start that systemd had accepted; Error where it had not.
std::string job_complaint(const std::string& unit, const Processes::Captured& answer) {
  const std::string complaint(trim(answer.err));
  if (complaint.starts_with("A dependency job")) return "was not started: another unit that it needs has failed";
  if (complaint.starts_with("Job for ")) return "was not started";
  throw Error(ErrorKind::failed, "systemctl restart " + unit + " " + answer.exit.text() + ": " + complaint,
              refusal_hint(complaint));
}

/// The last lines that a start has left: those of the service's own processes, else what systemd wrote about it.
std::string last_unit_lines(ActionContext& context, const UnitState& state, const UnitStart& start) {
  if (!find_program("journalctl", context.environment()["PATH"])) return {};
  // What was written just now may not be in a file yet; only root may ask for that, and it does without.
  look(context, {"journalctl", "--sync"}, "reading the journal");
  const auto since_us = std::chrono::duration_cast<std::chrono::microseconds>(start.since.time_since_epoch()).count();
  const std::string since = fmt::format("--since=@{}.{:06}", since_us / 1000000, since_us % 1000000);
  for (const std::string& match : {"_SYSTEMD_UNIT=" + state.id, "--unit=" + state.id}) {
    const Processes::Captured lines =
        look(context, {"journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=10", since, match},
             "reading the journal");
    const std::string text(trim(lines.out));
    if (!text.empty()) return ": " + text;
  }
  return {};
}

std::string how_it_is(const UnitState& state) {
  std::string text = state.active == state.sub ? state.active : state.active + ", " + state.sub;
  if (!state.result.empty() && state.result != "success") text += ", " + state.result;
  if (state.main_status != 0) text += " " + std::to_string(state.main_status);
  return text;
}

Error unit_error(ActionContext& context, const std::string& unit, const std::string& what, const UnitState& state,
                 const UnitStart& start) {
  return {ErrorKind::failed, unit + " " + what + " (" + how_it_is(state) + ")" + last_unit_lines(context, state, start),
          "more: journalctl --unit " + state.id};
}

/// One start as it is watched.
class UnitWatch {
 public:
  UnitWatch(ActionContext& context, const std::string& unit, const UnitStart& start)
      : context_(context), unit_(unit), start_(start) {}

  void wait() {
    while (!is_ready(unit_state(context_, unit_))) {
      if (!context_.deadline().sleep(unit_pause)) context_.deadline().check("waiting for " + unit_);
    }
  }

 private:
  bool is_ready(const UnitState& now) {
    refuse_failed(now);
    if (now.has_job || !now.is_up()) {
      if (ended_well(now)) return true;
      up_since_.reset();
      refuse_late(now);
      return false;
    }
    if (now.type.empty() || now.type == "oneshot") return true;
    if (!up_since_ || now.invocation != invocation_) {
      up_since_ = Deadline::Clock::now();
      invocation_ = now.invocation;
    }
    return Deadline::Clock::now() - *up_since_ >= stay_up(context_, moment(now));
  }

  Duration moment(const UnitState& now) const {
    if (now.restarts > 0) return restarted_unit_moment;
    const bool silent = now.type == "simple" || now.type == "exec" || now.type == "idle";
    return silent ? silent_unit_moment : ready_unit_moment;
  }

  void refuse_failed(const UnitState& now) const {
    if (now.restarts >= most_unit_restarts) {
      throw error("does not stay up: systemd started it again " + std::to_string(now.restarts) + " times", now);
    }
    if (now.has_job) return;
    if (now.active == "failed") throw error("failed", now);
    if (now.active != "inactive" || ended_well(now)) return;
    throw error(start_.complaint.empty() ? "does not run after its start" : start_.complaint, now);
  }

  void refuse_late(const UnitState& now) const {
    const Duration within = ready_within(context_);
    if (start_.in_time && context_.now() - start_.since < within) return;
    throw error("was not ready within " + duration_text(within), now);
  }

  /// What has ended well, systemd may have forgotten already.
  bool ended_well(const UnitState& now) const {
    return !now.has_job && now.active == "inactive" && now.type == "oneshot" && start_.in_time &&
           start_.complaint.empty();
  }

  Error error(const std::string& what, const UnitState& now) const {
    return unit_error(context_, unit_, what, now, start_);
  }

  ActionContext& context_;
  const std::string& unit_;
  const UnitStart& start_;
  std::optional<Deadline::Clock::time_point> up_since_;
  std::string invocation_;
};

void must_be_startable(const std::string& unit, const UnitState& state) {
  if (state.load == "loaded") return;
  if (state.load == "not-found") throw Error(ErrorKind::failed, "systemd has no unit " + unit);
  if (state.load == "masked") {
    throw Error(ErrorKind::failed, "the unit " + unit + " is masked", "systemctl unmask " + unit);
  }
  throw Error(ErrorKind::failed, "systemd cannot read the unit " + unit + " (" + state.load + ")",
              "systemd-analyze verify " + unit);
}

}  // namespace

bool UnitState::is_up() const { return active == "active" || active == "reloading" || active == "refreshing"; }
bool UnitState::is_down() const { return !has_job && (active == "inactive" || active == "failed"); }

bool UnitState::same_start(const UnitState& other) const {
  return invocation == other.invocation && main_pid == other.main_pid;
}

Json UnitState::json() const {
  return {{"id", id},
          {"load", load},
          {"active", active},
          {"sub", sub},
          {"type", type},
          {"invocation", invocation},
          {"restarts", restarts},
          {"main_pid", main_pid}};
}

UnitState UnitState::from(const Json& json) {
  UnitState state;
  state.id = json.at("id").get<std::string>();
  state.load = json.at("load").get<std::string>();
  state.active = json.at("active").get<std::string>();
  state.sub = json.at("sub").get<std::string>();
  state.type = json.at("type").get<std::string>();
  state.invocation = json.at("invocation").get<std::string>();
  state.restarts = json.at("restarts").get<int>();
  state.main_pid = json.at("main_pid").get<int>();
  return state;
}

std::optional<std::string> unit_name_complaint(const std::string& name) {
  const bool good = !name.empty() && name.size() <= longest_unit_name && name.front() != '-' &&
                    std::all_of(name.begin(), name.end(), [](char letter) {
                      return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                             (letter >= '0' && letter <= '9') ||
                             std::string_view(":-_.\\@").find(letter) != std::string_view::npos;
                    });
  if (good) return std::nullopt;
  return "'" + name + "' is no name of a unit";
}

void need_systemd(const ActionContext& context) {
  need_program(context, "systemctl", "systemd");
  // sd_booted(3).
  if (context.files().exists("/run/systemd/system")) return;
  throw Error(ErrorKind::missing_tool,
              "step '" + context.step().id + "' needs systemd, which does not run on this machine",
              "use `daemon` or `command` of restart on a machine without it");
}

UnitState unit_state(ActionContext& context, const std::string& unit) {
  const Processes::Captured answer =
      look(context, {"systemctl", "--no-ask-password", "show", unit_properties, "--", unit}, "looking at " + unit);
  if (!answer.exit.ok()) {
    throw Error(ErrorKind::failed,
                "systemctl show " + unit + " " + answer.exit.text() + ": " + std::string(trim(answer.err)));
  }
  std::map<std::string, std::string> properties = properties_in(answer.out);
  UnitState state;
  state.id = properties["Id"];
  state.load = properties["LoadState"];
  state.active = properties["ActiveState"];
  state.sub = properties["SubState"];
  state.type = properties["Type"];
  state.result = properties["Result"];
  state.invocation = properties["InvocationID"];
  state.restarts = number_in(properties["NRestarts"]);
  state.main_pid = number_in(properties["MainPID"]);
  state.main_status = number_in(properties["ExecMainStatus"]);
  state.has_job = number_in(properties["Job"]) != 0;
  state.needs_reload = properties["NeedDaemonReload"] == "yes";
  return state;
}

UnitStart start_unit(ActionContext& context, const std::string& unit) {
  UnitState before = unit_state(context, unit);
  if (before.needs_reload) {
    must_systemctl(context, {"daemon-reload"});
    before = unit_state(context, unit);
  }
  must_be_startable(unit, before);
  // Also starts that go well count against the limit. It sets the number of systemd's own restarts to nothing, too. A
  // unit that is not loaded has neither, and systemctl says so.
  look(context, {"systemctl", "--no-ask-password", "reset-failed", "--", unit}, "starting " + unit);
  UnitStart start{context.now(), true, ""};
  Command command;
  command.argv = {"systemctl", "--no-ask-password", "restart", "--", unit};
  command.env = context.environment();
  const Processes::Captured answer =
      context.processes().capture(command, context.deadline().at_most(ready_within(context)));
  if (answer.exit.ok()) return start;
  context.deadline().check("starting " + unit);
  start.in_time = answer.exit.kind != Exit::Kind::timed_out;
  if (start.in_time) start.complaint = job_complaint(unit, answer);
  return start;
}

void wait_until_unit_is_ready(ActionContext& context, const std::string& unit, const UnitStart& start) {
  UnitWatch(context, unit, start).wait();
}

void stop_unit(ActionContext& context, const std::string& unit) {
  if (unit_state(context, unit).is_down()) return;
  const std::string words = must_systemctl(context, {"stop", "--", unit});
  if (!words.empty()) context.warn(words);
  const UnitState now = unit_state(context, unit);
  if (!now.is_down()) throw Error(ErrorKind::failed, unit + " was stopped and is " + how_it_is(now));
}

void bring_unit_back(ActionContext& context, const std::string& unit, const UnitState& before) {
  if (!before.is_up() && before.active != "activating") {
    stop_unit(context, unit);
    return;
  }
  const UnitState now = unit_state(context, unit);
  if (now.is_up() && !now.has_job && (now.same_start(before) || is_settled(context, unit, now.invocation))) return;
  const UnitStart start = start_unit(context, unit);
  if (!before.is_up()) return;
  wait_until_unit_is_ready(context, unit, start);
  remember_settled(context, unit, unit_state(context, unit).invocation);
}

Probe probe_unit(ActionContext& context, const std::string& effect, const std::string& unit, const UnitState& before) {
  const UnitState now = unit_state(context, unit);
  if (effect.starts_with("stop ") && now.is_down()) return Probe::happened;
  if (now.has_job) return Probe::partly;
  if (now.same_start(before) && now.active == before.active) return Probe::not_happened;
  return now.is_up() && !effect.starts_with("stop ") ? Probe::happened : Probe::partly;
}

Verification verify_unit(ActionContext& context, const std::string& unit, const UnitState& before) {
  if (before.active == "activating") return {};
  const UnitState now = unit_state(context, unit);
  if (before.is_up() == now.is_up())
    return {true, true, unit + (now.is_up() ? " runs" : " does not run") + ", as before"};
  return {true, false, unit + " is " + how_it_is(now) + " and was " + before.active};
}

}  // namespace deployer
