#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/redactor.h"
#include "engine/engine.h"
#include "state/journal.h"
#include "support/folder.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {

/// A world of things that steps make and take away, by an action that does as a test says, run by the real engine with
/// a real journal.
class World : public EventListener {
 public:
  /// What a step does; what is empty makes the thing that is called like the step, or takes it away.
  struct Script {
    std::function<void(ActionContext&)> run;
    std::function<void(ActionContext&, const UndoRecord&)> undo;
    std::function<Json(ActionContext&)> baseline;
    std::function<void(ActionContext&)> settle;
    std::function<Verification(ActionContext&)> verify;
    std::function<void(ActionContext&)> check;
    Json record = Json::object();  ///< the undo record of the thing
    bool fails = false;            ///< after it was made
  };

  /// The journal passes fault points of its own.
  explicit World(FileCalls* disk = nullptr, FaultPoints journal_faults = {});
  ~World() override;

  Step& add(const std::string& id, Script script);
  Step& add(const std::string& id) { return add(id, Script()); }
  Step& add_failing(const std::string& id);
  Pipeline& pipeline() { return pipeline_; }
  RunRequest& request() { return request_; }
  StopRequest& stop() { return *stop_; }
  Redactor& redactor() { return *redactor_; }
  const Folder& folder() const { return folder_; }

  RunState run();
  /// As another process would: what this one knows of secrets is forgotten, and `know` says what is known again.
  RunState recover(const std::function<void(Redactor&)>& know = {});
  void check();
  /// The run as its journal has it.
  RunState journalled();
  std::vector<Event> journal_events();

  /// Makes a thing through an effect.
  void make(ActionContext& context, const std::string& thing, const Json& record = Json::object());

  std::set<std::string> things;
  std::vector<std::string> log;
  std::function<void(const Event&)> listener;

  void on_event(const Event& event) override;

 private:
  class Scripted;
  Engine engine();
  Journal open_journal();

  Folder folder_;
  Files files_;
  Processes processes_;
  SystemClock clock_;
  std::unique_ptr<Redactor> redactor_;
  std::unique_ptr<StopRequest> stop_;
  FaultPoints faults_;
  FaultPoints journal_faults_;
  std::map<std::string, Script> scripts_;
  std::unique_ptr<Scripted> action_;
  Pipeline pipeline_;
  RunRequest request_;
};

/// The step of that id.
const StepState& step_of(const RunState& state, const std::string& id);

}  // namespace deployer::test
