#include "actions/step_context.h"

#include <gtest/gtest.h>

#include "actions/table.h"
#include "base/redactor.h"
#include "base/yaml.h"
#include "database/session.h"
#include "engine/engine.h"
#include "engine/run_scope.h"
#include "state/journal.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {

namespace {

std::shared_ptr<database::Session> open_of_standing_run(const Pipeline& pipeline, const Deadline& deadline) {
  const database::Url url = value_or_throw(database::parse_url(pipeline.database.at("url").get<std::string>()));
  return database::open(url, pipeline.project, database::Access::create, deadline);
}

Deadline time_of_a_step() { return Deadline::after(std::chrono::seconds(60)); }

}  // namespace

struct StandingRun::State {
  Folder folder;
  Files files;
  Processes processes;
  SystemClock clock;
  Redactor redactor;
  FaultPoints faults;
  Journal journal = Journal::open(folder / "state", files, redactor, faults);
  Recorder recorder{"standing", journal, clock, redactor, {}, {}};
  EngineParts parts{files, processes, clock, redactor, open_of_standing_run, {{"PATH", "/usr/bin:/bin"}}};
  ActionLookup actions = find_action;
  Pipeline pipeline;
  RunRequest request;
  StopRequest stop;
  RunScope scope{parts, actions, pipeline, request, faults, &recorder, &stop, nullptr, time_of_a_step()};
  std::unique_ptr<ActionContext> context;
};

StandingRun::StandingRun(const std::string& url) : state_(std::make_unique<State>()) {
  state_->pipeline.name = "standing";
  state_->pipeline.project = state_->folder.path();
  if (!url.empty()) state_->pipeline.database["url"] = url;
  state_->request.id = "standing";
  state_->request.state_folder = state_->folder / "state";
  state_->recorder.record("run_started", "", 0, {{"pipeline", "standing"}, {"steps", Json::array()}});
}

StandingRun::~StandingRun() = default;

const Step& StandingRun::add(const std::string& uses, const std::string& with, const std::string& id) {
  Diagnostics diagnostics;
  Step step;
  step.uses = uses;
  step.inputs =
      read_parameters(load_yaml(with, "with.yml").root, find_action(uses)->spec().inputs, "with", diagnostics);
  for (const Diagnostic& diagnostic : diagnostics) ADD_FAILURE() << diagnostic.text();
  step.id = step.name = id;
  step.shell = {"bash", "--noprofile", "--norc", "-eo", "pipefail"};
  step.working_directory = state_->folder.path();
  state_->pipeline.steps.push_back(step);
  return state_->pipeline.steps.back();
}

Pipeline& StandingRun::pipeline() { return state_->pipeline; }

ActionContext& StandingRun::in(const std::string& id) {
  state_->context = std::make_unique<ActionContext>(state_->scope, *state_->scope.find_step(id), 1, time_of_a_step());
  return *state_->context;
}

Outcome StandingRun::run(const std::string& id) {
  ActionContext& context = in(id);
  return find_action(context.step().uses)->run(context);
}

void StandingRun::forget_session() { state_->scope.session.reset(); }
const RunState& StandingRun::state() const { return state_->recorder.state(); }

}  // namespace deployer::test
