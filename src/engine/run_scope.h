#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/action.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/recorder.h"

namespace deployer {

/// What everything that belongs to one run shares. Lives in Engine::run, Engine::recover or Engine::check.
struct RunScope {
  const EngineParts& parts;
  const ActionLookup& actions;
  const Pipeline& pipeline;
  const RunRequest& request;
  FaultPoints& faults;
  Recorder* recorder = nullptr;  ///< null while only `check` looks
  StopRequest* stop = nullptr;   ///< null likewise
  std::shared_ptr<database::Session> session;
  /// The way forward of the whole run; what belongs to no single step has its time from here.
  Deadline forward = Deadline::never();

  const Action& action(const Step& step) const;
  const Step* find_step(const std::string& id) const;
};

/// Takes the baseline of all steps that the run is to run and journals it, unless it was taken before. It has the run's
/// time, not that of the step whose effect comes first.
void take_baseline(RunScope& scope);

}  // namespace deployer
