#pragma once

#include <memory>
#include <string>

#include "engine/action.h"
#include "support/folder.h"

namespace deployer::test {

/// A run that stands still between its steps, so that a test can look at what actions give to each other: a real engine
/// context with a journal of its own.
class StandingRun {
 public:
  /// On the database of this URL; empty: on none.
  explicit StandingRun(const std::string& url);
  ~StandingRun();

  /// A step behind the others; `with` is the YAML of its inputs.
  const Step& add(const std::string& uses, const std::string& with, const std::string& id);
  Pipeline& pipeline();
  /// The context of a step; the last one is gone then.
  ActionContext& in(const std::string& id);
  /// Runs a step's action, as the engine does.
  Outcome run(const std::string& id);
  /// The next use of the database opens another session.
  void forget_session();
  const RunState& state() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer::test
