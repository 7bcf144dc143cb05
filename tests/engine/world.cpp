#include "engine/world.h"

#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "base/id.h"

namespace deployer::test {

class World::Scripted : public Action {
 public:
  explicit Scripted(World& world) : world_(world) {}
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    if (const auto& act = script(context).check) act(context);
  }
  Json baseline(ActionContext& context) const override {
    const auto& act = script(context).baseline;
    return act ? act(context) : Json("as it was");
  }
  Outcome run(ActionContext& context) const override {
    const Script& script = this->script(context);
    if (script.run) {
      script.run(context);
    } else {
      world_.make(context, context.step().id, script.record);
    }
    if (script.fails) throw Error(ErrorKind::failed, context.step().id + " fails");
    return {};
  }
  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (const auto& act = script(context).undo) act(context, record);
    const std::string thing = record.name.substr(record.name.find(' ') + 1);
    world_.things.erase(thing);
    world_.log.push_back("undo " + thing);
    return "taken away";
  }
  void settle(ActionContext& context, const Json& /*baseline*/) const override {
    if (const auto& act = script(context).settle) act(context);
  }
  Verification verify(ActionContext& context, const Json& /*baseline*/) const override {
    const auto& act = script(context).verify;
    return act ? act(context) : Verification{true, world_.things.count(context.step().id) == 0, "it is still there"};
  }

 private:
  const Script& script(const ActionContext& context) const { return world_.scripts_.at(context.step().id); }

  World& world_;
  ActionSpec spec_{"scripted", "Does as a test says.", {}};
};

World::World(FileCalls* disk, FaultPoints journal_faults)
    : files_(disk != nullptr ? Files(*disk) : Files()),
      redactor_(std::make_unique<Redactor>()),
      stop_(std::make_unique<StopRequest>()),
      journal_faults_(std::move(journal_faults)),
      action_(std::make_unique<Scripted>(*this)) {
  pipeline_.name = "world";
  pipeline_.file = folder_ / "world.yml";
  pipeline_.project = folder_.path();
  request_.id = new_run_id(clock_.now());
  request_.state_folder = folder_ / "state";
  request_.undo_grace = std::chrono::seconds(20);
}

World::~World() = default;

Step& World::add(const std::string& id, Script script) {
  scripts_[id] = std::move(script);
  Step step;
  step.uses = "scripted";
  step.id = step.name = id;
  step.shell = {"bash", "--noprofile", "--norc", "-eo", "pipefail"};
  step.working_directory = folder_.path();
  pipeline_.steps.push_back(step);
  return pipeline_.steps.back();
}

Step& World::add_failing(const std::string& id) {
  Script script;
  script.fails = true;
  return add(id, std::move(script));
}

void World::make(ActionContext& context, const std::string& thing, const Json& record) {
  context.effect("make " + thing, record, [&] {
    things.insert(thing);
    log.push_back("make " + thing);
    return Json(nullptr);
  });
}

Engine World::engine() {
  const std::map<std::string, std::string> environment = {{"PATH", "/usr/bin:/bin"}};
  return {EngineParts{files_, processes_, clock_, *redactor_, {}, environment},
          [this](std::string_view) { return action_.get(); }, faults_};
}

Journal World::open_journal() { return Journal::open(folder_ / "state", files_, *redactor_, journal_faults_); }

RunState World::run() {
  Journal journal = open_journal();
  return engine().run(pipeline_, request_, journal, {this}, *stop_);
}

RunState World::recover(const std::function<void(Redactor&)>& know) {
  redactor_ = std::make_unique<Redactor>();
  if (know) know(*redactor_);
  stop_ = std::make_unique<StopRequest>();
  Journal journal = open_journal();
  RunState state = fold(journal.events(request_.id));
  return engine().recover(pipeline_, request_, std::move(state), journal, {this}, *stop_);
}

void World::check() { engine().check(pipeline_, request_, Deadline::never()); }

std::vector<Event> World::journal_events() {
  const std::optional<Journal> journal = Journal::open_for_reading(folder_ / "state");
  return journal ? journal->events(request_.id) : std::vector<Event>{};
}

RunState World::journalled() { return fold(journal_events()); }

void World::on_event(const Event& event) {
  if (listener) listener(event);
}

const StepState& step_of(const RunState& state, const std::string& id) {
  for (const StepState& step : state.steps) {
    if (step.id == id) return step;
  }
  throw std::runtime_error("the run has no step " + id);
}

}  // namespace deployer::test
