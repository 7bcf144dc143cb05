#pragma once

#include <string>

#include "actions/restart/daemon_process.h"

namespace deployer {

/// The step of this pipeline that restarts a daemon of that name, or null.
const Step* find_daemon_step(const ActionContext& context, const std::string& name);

/// A daemon as its step wants it now; `owner` may be another step than that of the context. Error `missing_tool` where
/// its program is not in PATH.
ServiceRecord daemon_definition(const ActionContext& context, const Step& owner);

/// How the daemon is now.
DaemonSnapshot daemon_state(ActionContext& context, const Step& owner);

/// What an effect on a daemon keeps for its undo.
Json daemon_undo(const DaemonSnapshot& before, const std::filesystem::path& pid_file);

/// Stops a daemon that runs, as the effect `stop NAME`. Error `failed` where it could never be started again, because
/// how it was started cannot be read.
void stop_daemon_as_effect(ActionContext& context, const DaemonSnapshot& before, const Json& undo);

/// Starts it as `service` says, as the effect `start NAME`, and waits until it stays. What was started.
ServiceRecord start_daemon_as_effect(ActionContext& context, const ServiceRecord& service, const Step& owner,
                                     const Json& undo);

Probe probe_daemon(ActionContext& context, const UndoRecord& record);
/// As Action::undo: what the effect started is stopped, what it stopped runs again (while a run is rolled back: later,
/// by `bring_daemon_back`).
std::string undo_daemon(ActionContext& context, const UndoRecord& record, const Step& owner);

/// Ends what this run has started of a daemon; nothing happens where that is nothing.
void stop_started_daemon(ActionContext& context, const std::string& name, const std::filesystem::path& pid_file);

/// The daemon back to how it was found, by what is known of it from then. A process that still runs untouched is left
/// alone.
void bring_daemon_back(ActionContext& context, const DaemonSnapshot& before, const Step& owner);

/// Whether it is as it was: running by the same command, or not running.
Verification verify_daemon(ActionContext& context, const DaemonSnapshot& before, const Step& owner);

}  // namespace deployer
