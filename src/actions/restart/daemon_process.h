#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/restart/service_record.h"

namespace deployer {

/// A service as it was found: whether it runs, and how it is started again.
struct DaemonSnapshot {
  std::string name;
  std::filesystem::path pid_file;
  Json record = nullptr;                         ///< what `services/NAME.json` held; null: there was none
  std::optional<ServiceRecord> service;          ///< how the process is started; of a running one always known
  std::shared_ptr<const ProcessRecord> process;  ///< null: it does not run

  Json json() const;
  static DaemonSnapshot from(const Json& json);
};

/// Looks for the service: the process of its record, else the one that its pid file names, if that file was written
/// after the process began: a pid file left by a dead one, whose number somebody else has now, is none. Of a process
/// that no run of deployer has started, command and folder are read from /proc; `wanted` gives the rest.
DaemonSnapshot look_for_daemon(ActionContext& context, const ServiceRecord& wanted);

/// The processes of a service that a run has started, by the variables in their environment: found also where the
/// runner died before it knew their pids.
std::vector<ProcessRecord> processes_of_service(const std::string& run, const std::string& name);

/// Starts the service by start-stop-daemon(8), in the background with pid file and log, and publishes its record with
/// the process in it. Nothing of it may be running. `secrets` gives values that are kept by name, before the step's
/// environment. Error `failed` where it ended before it was found.
ServiceRecord start_daemon(ActionContext& context, ServiceRecord service, const Json& secrets);

/// Until the service has run for a moment. Error `failed`, with the last lines of its log from `log_begin` on, where
/// it ended instead.
void wait_until_daemon_stays(ActionContext& context, const ServiceRecord& service, std::uint64_t log_begin);

/// Bytes in the log so far.
std::uint64_t log_size(const ActionContext& context, const ServiceRecord& service);

/// Ends these processes with all their descendants (TERM, ten seconds, KILL) and removes the pid file if it names one
/// of them. Nothing happens for those that are gone.
void stop_daemon(ActionContext& context, const std::vector<ProcessRecord>& processes,
                 const std::filesystem::path& pid_file);

}  // namespace deployer
