#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/action.h"
#include "pipeline/pipeline.h"
#include "state/event.h"
#include "state/run_state.h"

namespace deployer {

class FaultPoints;
class Journal;

/// The variable by which a service that was handed over is known; its processes are left alone.
inline constexpr std::string_view service_variable = "DEPLOYER_SERVICE";

/// How a run is told to stop: by the first signal (it rolls back) and by the second (it cuts that short). Any thread.
class StopRequest {
 public:
  /// The n-th call counts; `signal` is the number for the exit status, 0 for a cancel from elsewhere.
  void request(int signal);
  int signal() const { return signal_; }
  std::stop_token stop() const { return stop_.get_token(); }
  std::stop_token cut_short() const { return cut_.get_token(); }

 private:
  std::atomic<int> signal_{0};
  std::stop_source stop_;
  std::stop_source cut_;
};

struct RunRequest {
  std::string id;
  /// What run_started holds besides what the pipeline gives: host, user, version, vars, database {origin, spec,
  /// identity}, arguments.
  Json started = Json::object();
  std::filesystem::path state_folder;  ///< of the target
  bool rollback = true;                ///< false: `--no-rollback`
  bool confirmed = false;              ///< `--yes`
  bool accepts_loss = false;           ///< `recover --yes`: see ActionContext::accepts_loss
  /// The host whose files and services the run worked on, where that is not this one: what is there is not taken back
  /// from here, and named. Empty: this one.
  std::string elsewhere = {};
  std::vector<std::string> only;  ///< step ids; empty: all
  std::vector<std::string> skip;
  std::string from;
  Duration undo_grace = std::chrono::minutes(10);  ///< `rollback_wait`: each undo's own time without a step time-out
};

/// Runs pipelines and takes them back. Knows no action: they come by the lookup.
class Engine {
 public:
  Engine(EngineParts parts, ActionLookup actions, FaultPoints& faults);
  ~Engine();

  /// What must be good before anything is touched: every step's `check`, every hook executable, the names in `only`,
  /// `skip` and `from`. Throws Error; nothing is journalled, no folder made.
  void check(const Pipeline& pipeline, const RunRequest& request, const Deadline& deadline);

  /// Runs the pipeline under the target's lock, which the caller holds, to one of its ends; the state that results is
  /// also in the journal. Throws only where not even run_started could be journalled.
  RunState run(const Pipeline& pipeline, const RunRequest& request, Journal& journal,
               const std::vector<EventListener*>& listeners, StopRequest& stop);

  /// Brings a run whose runner died, or whose rollback did not get to its end, to a clean end: ends the processes it
  /// left, asks the actions what happened, undoes everything; or goes forward where its success was journalled.
  RunState recover(const Pipeline& pipeline, const RunRequest& request, RunState state, Journal& journal,
                   const std::vector<EventListener*>& listeners, StopRequest& stop);

 private:
  EngineParts parts_;
  ActionLookup actions_;
  FaultPoints* faults_;
};

}  // namespace deployer
