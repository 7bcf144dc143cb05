#include "actions/services.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "actions/builtin.h"
#include "base/error.h"
#include "base/id.h"
#include "base/redactor.h"
#include "base/text.h"
#include "engine/engine.h"
#include "state/journal.h"
#include "support/folder.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;

/// An action as those that use services: it stops them, does its work, which can be undone, and starts them again.
class WhileStopped : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }
  void check(ActionContext& context) const override { check_services(context, names(context)); }
  Json baseline(ActionContext& context) const override { return services_baseline(context, names(context)); }

  Outcome run(ActionContext& context) const override {
    stop_services(context, names(context));
    stop_services(context, names(context));
    context.output(services_are_down(context, names(context)) ? "down" : "up");
    context.effect("work", Json::object(), [&] {
      log(context, "work");
      return Json(nullptr);
    });
    start_services(context, names(context), context.state().baseline.at(context.step().id));
    start_services(context, names(context), context.state().baseline.at(context.step().id));
    context.output(services_are_down(context, names(context)) ? "down" : "up");
    return {"worked", Json::object()};
  }

  Probe probe(ActionContext& context, const UndoRecord& record) const override {
    return is_service_effect(record) ? probe_service(context, record) : Probe::unknown;
  }

  std::string undo(ActionContext& context, const UndoRecord& record) const override {
    if (is_service_effect(record)) return undo_service(context, record);
    log(context, services_are_down(context, names(context)) ? "undone" : "undone under a service");
    return {};
  }

  void quiet(ActionContext& context) const override { quiet_services(context, names(context)); }
  void settle(ActionContext& context, const Json& baseline) const override {
    settle_services(context, names(context), baseline);
  }
  Verification verify(ActionContext& context, const Json& baseline) const override {
    return verify_services(context, names(context), baseline);
  }

 private:
  static std::vector<std::string> names(const ActionContext& context) {
    return context.inputs().at("services").get<std::vector<std::string>>();
  }
  static void log(ActionContext& context, const std::string& line) {
    const std::filesystem::path file = context.path("seen");
    const std::string before = context.files().exists(file) ? context.files().read(file) : std::string();
    context.files().publish(file, before + line + "\n", 0600);
  }

  ActionSpec spec_{"while_stopped", "Works while services are stopped.", {}, false, true};
};

const Action* find_service_action(std::string_view word) {
  static const WhileStopped while_stopped;
  if (word == "restart") return &restart_action();
  if (word == "run") return &run_action();
  return word == "while_stopped" ? &while_stopped : nullptr;
}

constexpr const char* daemon_script = "#!/bin/sh\necho \"$1\" >>seen\nexec sleep 1000\n";

/// A project whose pipeline may have a daemon `app`, and a step that needs it stopped.
class ServicesTest : public testing::Test, public EventListener {
 protected:
  void SetUp() override {
    processes_->set_keep_variable(service_variable);
    pipeline_.name = "test";
    pipeline_.file = folder_ / "test.yml";
    pipeline_.project = folder_.path();
    folder_.write("daemon", daemon_script, 0755);
  }

  void TearDown() override {
    for (const std::string& run : runs_) {
      end_processes(find_by_environment("DEPLOYER_SERVICE_RUN", run), std::chrono::seconds(5),
                    Deadline::after(std::chrono::seconds(20)));
    }
  }

  Step& add(const std::string& uses, Json inputs) {
    Step step;
    step.uses = step.id = step.name = uses;
    step.inputs = std::move(inputs);
    step.shell = {"bash", "-ec"};
    step.working_directory = folder_.path();
    pipeline_.steps.push_back(step);
    return pipeline_.steps.back();
  }
  void add_restart(const std::string& release) {
    add("restart", {{"daemon", {{"name", "app"}, {"command", {"./daemon", release}}, {"pid_file", "app.pid"}}},
                    {"ready_within", 100}});
  }
  void add_while_stopped() { add("while_stopped", {{"services", {"app"}}, {"ready_within", 100}}); }
  void add_failure() {
    Step& step = add("run", Json::object());
    step.run.argv = {"false"};
  }

  /// Release 1 runs; the pipeline is then to work while it is stopped, and to start release 2.
  void deploy_first() {
    add_restart("1");
    ASSERT_EQ(run().status, RunStatus::succeeded);
    pipeline_.steps.clear();
    output_.clear();
    folder_.write("seen", "");
  }

  Engine engine(FaultPoints& faults) {
    const std::map<std::string, std::string> environment = {{"PATH", "/usr/bin:/bin"}};
    return {EngineParts{files_, *processes_, clock_, redactor_, nullptr, environment}, find_service_action, faults};
  }
  RunRequest request() const {
    RunRequest request;
    request.id = runs_.back();
    request.state_folder = folder_ / "state";
    return request;
  }
  RunState run_with(FaultPoints& faults) {
    Journal journal = Journal::open(folder_ / "state", files_, redactor_, faults);
    StopRequest stop;
    return engine(faults).run(pipeline_, request(), journal, {this}, stop);
  }
  RunState run() {
    runs_.push_back(new_run_id(clock_.now()));
    FaultPoints faults;
    return run_with(faults);
  }
  std::string check() {
    runs_.push_back(new_run_id(clock_.now()));
    FaultPoints faults;
    try {
      engine(faults).check(pipeline_, request(), Deadline::after(std::chrono::seconds(60)));
      return {};
    } catch (const Error& error) {
      return error.text();
    }
  }

  /// The points that a run passes.
  std::vector<std::string> points() {
    const std::filesystem::path trace = folder_ / "points";
    setenv("DEPLOYER_FAULT_TRACE", trace.c_str(), 1);
    FaultPoints faults = FaultPoints::from_environment();
    unsetenv("DEPLOYER_FAULT_TRACE");
    runs_.push_back(new_run_id(clock_.now()));
    run_with(faults);
    return split(trim(files_.read(trace)), '\n');
  }
  /// Kills a run at its `number`-th point, and recovers it.
  RunState killed_at(std::size_t number) {
    runs_.push_back(new_run_id(clock_.now()));
    const pid_t child = fork();
    if (child == 0) {
      static_cast<void>(processes_.release());  // its threads are the parent's
      processes_ = std::make_unique<Processes>();
      setenv("DEPLOYER_FAULT_KILL", std::to_string(number).c_str(), 1);
      FaultPoints faults = FaultPoints::from_environment();
      run_with(faults);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    FaultPoints faults;
    Journal journal = Journal::open(folder_ / "state", files_, redactor_, faults);
    StopRequest stop;
    return engine(faults).recover(pipeline_, request(), fold(journal.events(request().id)), journal, {this}, stop);
  }

  void on_event(const Event& event) override {
    if (event.kind == "step_output") output_.push_back(event.data.value("text", ""));
  }

  std::vector<std::string> seen() const { return split(trim(read_file(folder_ / "seen")), '\n'); }
  std::size_t running() const {
    std::size_t count = 0;
    for (const std::string& run : runs_) count += find_by_environment("DEPLOYER_SERVICE_RUN", run).size();
    return count;
  }

  Folder folder_;
  Files files_;
  std::unique_ptr<Processes> processes_ = std::make_unique<Processes>();
  SystemClock clock_;
  Redactor redactor_;
  Pipeline pipeline_;
  std::vector<std::string> runs_;
  std::vector<std::string> output_;
};

TEST_F(ServicesTest, AreStoppedForTheWorkAndRunAgainByTheirOldCommandAfterwards) {
  deploy_first();
  add_while_stopped();
  add_restart("2");
  const RunState state = run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_THAT(output_, ElementsAre("down", "up"));
  EXPECT_THAT(seen(), ElementsAre("work", "1", "2"));
  EXPECT_EQ(running(), 1U);
}

TEST_F(ServicesTest, StayStoppedWhereTheyDidNotRun) {
  add_while_stopped();
  add_restart("1");
  add_failure();
  const RunState state = run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_THAT(output_, ElementsAre("down", "down"));
  EXPECT_THAT(seen(), ElementsAre("work", "1", "undone"));
  EXPECT_EQ(running(), 0U);
}

TEST_F(ServicesTest, AreDownAlsoWhileTheWorkIsUndoneAndAreStartedOnceForAllStepsThatLookAfterThem) {
  deploy_first();
  add_while_stopped();
  add_restart("2");
  add_failure();
  const RunState state = run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_THAT(seen(), ElementsAre("work", "1", "2", "undone", "1"));
  EXPECT_EQ(running(), 1U);
}

TEST_F(ServicesTest, RunAgainBeforeTheNextAttempt) {
  deploy_first();
  folder_.write("daemon", "#!/bin/sh\necho \"$1\" >>seen\ntest $(grep -c 1 seen) != 1 && exec sleep 1000\n", 0755);
  add_while_stopped();
  add_restart("2");
  pipeline_.steps[0].retry.attempts = 2;
  const RunState state = run();
  EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_THAT(seen(), ElementsAre("work", "1", "undone", "1", "work", "1", "2"));
  EXPECT_EQ(running(), 1U);
}

TEST_F(ServicesTest, AreAsBeforeAfterAKillAtEachPointOfTheStep) {
  deploy_first();
  add_while_stopped();
  add_restart("2");
  add_failure();
  const std::vector<std::string> all = points();
  for (const char* point :
       {"effect.before stop app", "effect.after stop app", "effect.before work", "effect.after work",
        "effect.before start app", "effect.after start app", "undo.after start app"}) {
    const auto found = std::find(all.begin(), all.end(), point);
    ASSERT_NE(found, all.end()) << point;
    folder_.write("seen", "");
    const RunState state = killed_at(static_cast<std::size_t>(found - all.begin()) + 1);
    EXPECT_EQ(state.status, RunStatus::rolled_back) << point << join(state.runbook, "\n");
    EXPECT_EQ(state.verified, true) << point;
    EXPECT_EQ(running(), 1U) << point;
    EXPECT_THAT(seen(), testing::Not(testing::Contains("undone under a service"))) << point;
  }
}

TEST_F(ServicesTest, ADaemonWhoseProgramIsMissingIsFoundByTheCheck) {
  add_while_stopped();
  add("restart", {{"daemon", {{"name", "app"}, {"command", {"no-such-program"}}}}});
  EXPECT_EQ(check(),
            "error: step 'while_stopped' needs no-such-program, which is not there\n"
            "hint: install it, or put its folder into PATH");
}

TEST_F(ServicesTest, ANameOfNeitherADaemonNorAUnitIsRefused) {
  add("while_stopped", {{"services", {"no such unit"}}});
  EXPECT_EQ(check(), "error: step 'while_stopped': 'no such unit' is no name of a unit");
}

}  // namespace
}  // namespace deployer::test
