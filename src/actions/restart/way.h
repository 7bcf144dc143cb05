#pragma once

#include <string>

#include "engine/action.h"

namespace deployer {

/// One way to restart services: what `restart` does once it is known which of its inputs was given. Everything as in
/// Action. Stateless, one object a way, lives as long as the program.
class RestartWay {
 public:
  virtual ~RestartWay() = default;

  virtual Parameter input() const = 0;  ///< the declaration of the input that chooses it
  virtual void check(ActionContext& context) const = 0;
  virtual StepPlan plan(ActionContext& context) const = 0;
  virtual Json baseline(ActionContext& context) const = 0;
  virtual Outcome run(ActionContext& context) const = 0;
  virtual Probe probe(ActionContext& context, const UndoRecord& record) const = 0;
  virtual std::string undo(ActionContext& context, const UndoRecord& record) const = 0;
  virtual void quiet(ActionContext& context) const = 0;
  virtual void settle(ActionContext& context, const Json& baseline) const = 0;
  virtual Verification verify(ActionContext& context, const Json& baseline) const = 0;
};

const RestartWay& daemon_way();
const RestartWay& systemd_way();
const RestartWay& command_way();

/// What `undo` says of an effect that `settle` takes back, when everything beneath the service is as before.
inline constexpr const char* left_to_settle = "left to the end of the rollback";

}  // namespace deployer
