#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "engine/action.h"

namespace deployer {

/// What systemd says of a unit (org.freedesktop.systemd1(5), by `systemctl show`).
struct UnitState {
  std::string id;          ///< its full name, also where an alias was asked for
  std::string load;        ///< loaded, not-found, masked, bad-setting, error
  std::string active;      ///< active, reloading, inactive, failed, activating, deactivating
  std::string sub;         ///< running, exited, dead, auto-restart, …
  std::string type;        ///< of a service: simple, notify, oneshot, …; empty for other kinds of units
  std::string result;      ///< of a service: success, exit-code, timeout, …
  std::string invocation;  ///< new with each start, also with those that systemd makes by itself
  int restarts = 0;        ///< starts by systemd itself since somebody has started it
  int main_pid = 0;
  int main_status = 0;  ///< exit status or signal of the last main process
  bool has_job = false;
  bool needs_reload = false;  ///< its files have changed since systemd read them

  bool is_up() const;
  bool is_down() const;                           ///< and nothing is about to start it
  bool same_start(const UnitState& other) const;  ///< neither was started between the two looks

  Json json() const;
  static UnitState from(const Json& json);
};

/// A start that systemd has accepted, and what came of its job.
struct UnitStart {
  std::chrono::system_clock::time_point since;
  bool in_time = true;    ///< the job was over within `ready_within`
  std::string complaint;  ///< why the job failed; empty where it was done
};

/// Why a text cannot name a unit (systemd.unit(5)), or nothing.
std::optional<std::string> unit_name_complaint(const std::string& name);

/// Error `missing_tool` where there is no systemctl, or the machine was not started by systemd.
void need_systemd(const ActionContext& context);

/// Error `failed` where systemd does not answer.
UnitState unit_state(ActionContext& context, const std::string& unit);

/// Starts the unit anew, whether it runs or not: its files are read again where they have changed, and its limit of
/// starts is forgotten, so that a unit that flapped can start on the old code. Returns when the job is over, or after
/// `ready_within`. Error `failed` for a unit that is missing, masked or broken, or where systemd refuses.
UnitStart start_unit(ActionContext& context, const std::string& unit);

/// Until the unit is active *and* ready, by its type, and has stayed so: for two seconds where the type is one that
/// says nothing of being ready (simple, exec, idle), else for half a second, and for five after a restart of systemd's
/// own, the third of which fails it at once. A oneshot is ready when it has ended well. `ready_within` is for becoming
/// ready. Error `failed`, with the last lines that the failed start has left in the journal.
void wait_until_unit_is_ready(ActionContext& context, const std::string& unit, const UnitStart& start);

/// Until it is down; nothing happens to one that is. A warning where something else can start it again (a socket).
void stop_unit(ActionContext& context, const std::string& unit);

/// To how it was found: up again (by a start of its own, where it is up by another one than then) and ready, or down.
/// One that was on its way up then is started and not waited for.
void bring_unit_back(ActionContext& context, const std::string& unit, const UnitState& before);

/// Whether the effect of that name (`stop`, `start`, `restart` and the unit) happened to a unit that was `before`.
Probe probe_unit(ActionContext& context, const std::string& effect, const std::string& unit, const UnitState& before);

/// Whether it is as it was, running or not.
Verification verify_unit(ActionContext& context, const std::string& unit, const UnitState& before);

}  // namespace deployer
