#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/redactor.h"
#include "state/event.h"

namespace deployer {

/// The output of a run's steps, for `runs logs`: a file a step, `FOLDER/runs/RUN/STEP.log`, a line
/// `TIME STREAM TEXT` for each step_output event (STREAM is `out` or `err`) and for each durable event of the step
/// (STREAM is `run`). What the run's own hooks print is in `_run.log`. Masked, not synced: a lost line costs nothing.
/// Errors of the disk are swallowed (a full disk must not stop a run); the first is told by `failure`, and each line is
/// tried anew. Calls must not overlap.
class RunLog : public EventListener {
 public:
  RunLog(const std::filesystem::path& target_folder, const std::string& run, const Redactor& redactor);
  ~RunLog() override;
  void on_event(const Event& event) override;
  void close() override;
  const std::string& failure() const;

  /// The files of a run, in the order in which their steps began.
  static std::vector<std::filesystem::path> files(const std::filesystem::path& target_folder, const std::string& run);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer
