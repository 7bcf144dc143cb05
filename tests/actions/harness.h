#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/redactor.h"
#include "engine/engine.h"
#include "state/run_state.h"
#include "support/folder.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {

/// Runs pipelines of real actions by the real engine, with a journal in a folder of its own. The services that its runs
/// started are ended with it.
class RunHarness : public EventListener {
 public:
  RunHarness();
  ~RunHarness() override;

  const std::filesystem::path& project() const { return folder_.path(); }
  const Folder& folder() const { return folder_; }
  std::filesystem::path state_folder() const { return folder_ / "state"; }
  Pipeline& pipeline() { return pipeline_; }
  Redactor& redactor() { return redactor_; }

  /// Adds a step; `with` is the YAML of its inputs, read as the loader reads it. A test failure if it is refused.
  Step& add(const std::string& uses, const std::string& with, const std::string& id = {});
  /// Adds a `run` step.
  Step& add_command(const std::string& text, const std::string& id = {});
  void clear() { pipeline_.steps.clear(); }

  /// What the loader would complain of in such inputs, a message each.
  static std::vector<std::string> complaints(const std::string& uses, const std::string& with);

  /// Engine::check and then Engine::run; each call is a run of its own.
  RunState run();
  /// Engine::check alone: the text of its Error, empty where all is well.
  std::string check();
  /// Runs it in a child process that is killed when it passes its `number`-th fault point, then recovers the run here.
  RunState run_killed_at(std::size_t number);
  /// The same; it is killed when an event is told of which `is_the_end` is true.
  RunState run_killed_on(const std::function<bool(const Event&)>& is_the_end);
  /// The names of the fault points that a run of it passes, in their order.
  std::vector<std::string> points_of_a_run();

  /// Lines of step output so far, and messages of warnings.
  const std::vector<std::string>& output() const { return output_; }
  void on_event(const Event& event) override;

 private:
  RunState run_with(FaultPoints& faults, const std::string& id, EventListener& listener);
  RunState recover_killed(const std::function<void(const std::string& id)>& run_in_child);
  Engine engine(FaultPoints& faults);
  RunRequest request(const std::string& id) const;

  Folder folder_;
  Files files_;
  std::unique_ptr<Processes> processes_;
  SystemClock clock_;
  Redactor redactor_;
  Pipeline pipeline_;
  std::vector<std::string> runs_;
  std::vector<std::string> output_;
};

/// Kills a run of a pipeline at the fault point called `point` (the number of it is found out with a twin of it) and
/// recovers it. `prepare` makes the pipeline, and whatever must have been before.
RunState killed_at(const std::string& point, RunHarness& harness, const std::function<void(RunHarness&)>& prepare);

/// A port of 127.0.0.1 that is free now.
int free_port();

/// The step of that id.
const StepState& step_of(const RunState& state, const std::string& id);

}  // namespace deployer::test
