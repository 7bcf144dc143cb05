#include "state/run_state.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/id.h"
#include "state/journal_events.h"

namespace deployer {

namespace {

/// Events of one run with their numbers.
class Told {
 public:
  Told& operator()(const std::string& kind, const std::string& step = "", Json data = Json::object(), int attempt = 0) {
    Event event = event_of("r1", kind, step, std::move(data), attempt);
    event.seq = static_cast<std::int64_t>(events.size()) + 1;
    event.time += std::chrono::seconds(events.size());
    events.push_back(std::move(event));
    return *this;
  }
  std::vector<Event> events;
};

Told started() {
  Told told;
  told("run_started", "",
       {{"pipeline", "production"},
        {"project", "/srv"},
        {"record", {{"pid", 7}}},
        {"steps",
         {{{"id", "backup"}, {"name", "Back up"}, {"uses", "backup"}},
          {{"id", "migrate"}, {"name", ""}, {"uses", "migrate"}}}}});
  return told;
}

/// A run of two steps; the second fails in its middle and both are taken back.
Told rolled_back() {
  Told told = started();
  told("baseline_taken", "", {{"backup", nullptr}})("step_started", "backup", {{"uses", "backup"}}, 1);
  told("effect_intended", "backup", {{"name", "publish"}, {"action", "backup"}, {"version", 1}, {"undo", {{"f", 1}}}},
       1);
  told("effect_done", "backup", {{"effect", 4}, {"result", {{"name", "b1"}}}}, 1);
  told("fact", "backup", {{"name", "backup"}, {"value", "b1"}}, 1);
  told("step_finished", "backup", {{"status", "succeeded"}, {"duration_ms", 1200}, {"outputs", {{"name", "b1"}}}}, 1);
  told("step_started", "migrate", {{"uses", "migrate"}}, 1);
  told("effect_intended", "migrate", {{"name", "apply"}, {"action", "migrate"}}, 1);
  told("effect_failed", "migrate", {{"effect", 9}, {"error", "no such table"}}, 1);
  told("step_finished", "migrate", {{"status", "failed"}, {"error", "no such table"}, {"duration_ms", 10}}, 1);
  told("rollback_started", "", {{"reason", "step 'migrate' failed"}});
  told("undo_started", "migrate", {{"effect", 9}}, 1)("undo_finished", "migrate",
                                                      {{"effect", 9}, {"ok", true}, {"way_back", "transaction"}}, 1);
  told("undo_started", "backup", {{"effect", 4}}, 1)("undo_finished", "backup",
                                                     {{"effect", 4}, {"ok", true}, {"way_back", "it stays"}}, 1);
  told("rollback_finished", "", {{"ok", true}, {"verified", true}});
  told("run_finished", "",
       {{"status", "rolled_back"},
        {"exit_status", 1},
        {"verified", true},
        {"lost", Json::array()},
        {"runbook", Json::array()},
        {"error", "step 'migrate' failed"}});
  return told;
}

/// What tells two states apart.
std::string everything(const RunState& state) {
  std::string text = dump(to_json(state)) + dump(state.baseline) + dump(state.runner) + dump(Json(state.facts)) +
                     dump(Json(state.children)) + dump(Json(state.services)) + std::to_string(state.last_seq) +
                     std::to_string(state.finished) + std::to_string(state.succeeded) +
                     std::to_string(state.rolling_back) + state.error;
  for (const EffectState& effect : state.effects) {
    text += std::to_string(effect.id) + std::to_string(static_cast<int>(effect.status)) + dump(effect.result);
  }
  return text;
}

}  // namespace

TEST(RunState, IsOfASuccessWhatItsEventsSay) {
  Told told = started();
  told("step_started", "backup", {{"uses", "backup"}}, 1);
  told("step_finished", "backup", {{"status", "succeeded"}, {"duration_ms", 1200}, {"summary", "b1"}}, 1);
  told("step_finished", "migrate", {{"status", "skipped"}});
  told("warning", "backup", {{"message", "slow"}})("warning", "", {{"message", "late"}});
  told("run_succeeded")("run_finished", "", {{"status", "succeeded"}, {"exit_status", 0}, {"verified", nullptr}});
  RunState state = fold(told.events);
  EXPECT_EQ(state.id, "r1");
  EXPECT_EQ(state.pipeline, "production");
  EXPECT_EQ(state.project, "/srv");
  EXPECT_EQ(state.status, RunStatus::succeeded);
  EXPECT_EQ(state.exit_status, 0);
  EXPECT_TRUE(state.succeeded);
  EXPECT_TRUE(state.finished);
  EXPECT_FALSE(state.verified);
  EXPECT_EQ(state.warnings, (std::vector<std::string>{"backup: slow", "late"}));
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::succeeded);
  EXPECT_EQ(state.find_step("backup")->duration, Duration(1200));
  EXPECT_EQ(state.find_step("backup")->name, "Back up");
  EXPECT_EQ(state.find_step("migrate")->status, StepStatus::skipped);
  EXPECT_EQ(state.find_step("nobody"), nullptr);
}

TEST(RunState, SaysOfARollbackWhichStepFailedAndWhichWereUndone) {
  RunState state = fold(rolled_back().events);
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(state.verified, true);
  EXPECT_FALSE(state.rolling_back);
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::undone);
  EXPECT_EQ(state.find_step("backup")->undo, "it stays");
  EXPECT_EQ(state.find_step("migrate")->status, StepStatus::failed);
  EXPECT_EQ(state.find_step("migrate")->undo, "transaction");
  EXPECT_EQ(state.find_effect(4)->status, EffectState::Status::undone);
  EXPECT_EQ(state.find_effect(9)->status, EffectState::Status::undone);
  EXPECT_EQ(state.error, "step 'migrate' failed");
}

TEST(RunState, IsShownAsTheContractHasIt) {
  EXPECT_EQ(
      dump(to_json(fold(rolled_back().events))),
      R"({"id":"r1","pipeline":"production","status":"rolled_back","verified":true,"lost":[],"warnings":0,)"
      R"("started_at":"2026-11-24T12:00:00.000Z","finished_at":"2026-11-24T12:00:17.000Z","exit_status":1,)"
      R"("revision_before":null,"revision_after":null,"backup":"b1","way_back":null,"steps":[)"
      R"({"id":"backup","uses":"backup","status":"undone","started_at":"2026-11-24T12:00:02.000Z",)"
      R"("duration_ms":1200,"attempts":1,"error":null,"outputs":{"name":"b1"},"undo":"it stays"},)"
      R"({"id":"migrate","uses":"migrate","status":"failed","started_at":"2026-11-24T12:00:07.000Z",)"
      R"("duration_ms":10,"attempts":1,"error":"no such table","outputs":{},"undo":"transaction"}],"runbook":[]})");
}

TEST(RunState, KeepsAStepThatCouldNotBeUndoneUntilARecoveryCould) {
  Told told = started();
  told("step_started", "backup", Json::object(), 1)("effect_intended", "backup", {{"name", "a"}}, 1);
  told("step_finished", "backup", {{"status", "succeeded"}}, 1)("rollback_started", "", {{"reason", "x"}});
  told("undo_finished", "backup", {{"effect", 3}, {"ok", false}, {"error", "no room"}}, 1);
  told("run_finished", "",
       {{"status", "rollback_failed"}, {"exit_status", 3}, {"runbook", {"make room"}}, {"verified", false}});
  RunState state = fold(told.events);
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_EQ(state.runbook, std::vector<std::string>{"make room"});
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::undo_failed);
  EXPECT_EQ(state.find_step("backup")->undo, "failed: no room");

  told("recovery_started", "", {{"record", {{"pid", 8}}}});
  state = fold(told.events);
  EXPECT_EQ(state.status, RunStatus::running);
  EXPECT_FALSE(state.finished);
  EXPECT_FALSE(state.exit_status);
  EXPECT_TRUE(state.runbook.empty());
  EXPECT_EQ(state.runner, (Json{{"pid", 8}}));

  told("undo_finished", "backup", {{"effect", 3}, {"ok", true}, {"way_back", "removed"}}, 1);
  told("run_finished", "", {{"status", "rolled_back"}, {"exit_status", 1}, {"verified", true}});
  state = fold(told.events);
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::undone);
  EXPECT_EQ(state.find_step("backup")->undo, "removed");
}

TEST(RunState, TakesWhatRanForFailedWhenARecoveryBegins) {
  Told told = started();
  told("step_started", "backup", Json::object(), 1)("child_started", "backup", {{"record", {{"pid", 9}}}}, 1);
  RunState state = fold(told.events);
  EXPECT_EQ(state.children, std::vector<Json>{(Json{{"pid", 9}})});
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::running);
  told("recovery_started", "", {{"record", {{"pid", 8}}}});
  state = fold(told.events);
  EXPECT_EQ(state.find_step("backup")->status, StepStatus::failed);
  EXPECT_EQ(state.find_step("backup")->error, "the runner died");
}

TEST(RunState, ForgetsAChildThatHasEnded) {
  Told told = started();
  told("child_started", "backup", {{"record", {{"pid", 9}}}})("child_started", "backup", {{"record", {{"pid", 10}}}});
  told("child_ended", "backup", {{"record", {{"pid", 9}}}, {"exit", "exited with status 0"}});
  EXPECT_EQ(fold(told.events).children, std::vector<Json>{(Json{{"pid", 10}})});
}

TEST(RunState, CountsAttemptsAndForgetsTheErrorOfOneThatWasTriedAgain) {
  Told told = started();
  told("step_started", "backup", Json::object(), 1)("step_retried", "backup", {{"error", "refused"}}, 1);
  EXPECT_EQ(fold(told.events).find_step("backup")->error, "refused");
  told("step_started", "backup", Json::object(), 2);
  RunState state = fold(told.events);
  EXPECT_EQ(state.find_step("backup")->attempts, 2);
  EXPECT_EQ(state.find_step("backup")->error, "");
  EXPECT_EQ(state.find_step("backup")->started_at, told.events[1].time);
}

TEST(RunState, TakesAnEventOnce) {
  Told told = started();
  told("warning", "", {{"message", "w"}});
  RunState state = fold(told.events);
  for (const Event& event : told.events) apply(state, event);
  EXPECT_EQ(state.warnings.size(), 1u);
  EXPECT_EQ(everything(state), everything(fold(told.events)));
}

TEST(RunState, LeavesLiveEventsAndUnknownKindsAlone) {
  RunState state = fold(started().events);
  const std::string before = everything(state);
  apply(state, event_of("r1", "step_output", "backup", {{"stream", "out"}, {"text", "x"}}));
  apply(state, event_of("r1", "step_progress", "backup", {{"done", 1}}));
  apply(state, event_of("r1", "something_newer", "backup", {{"status", "failed"}}));
  EXPECT_EQ(everything(state), before);
}

TEST(RunState, AppliesOneByOneToWhatFoldGives) {
  RunState state;
  const Told told = rolled_back();
  for (std::size_t n = 0; n < told.events.size(); ++n) {
    EXPECT_EQ(everything(state), everything(fold({told.events.begin(), told.events.begin() + static_cast<long>(n)})));
    EXPECT_EQ(state.finished, false);
    apply(state, told.events[n]);
  }
  EXPECT_TRUE(state.finished);
}

RC_GTEST_PROP(RunStateProperty, FoldsAnyEventsWithoutSurpriseAndTwiceToTheSame, ()) {
  const std::vector<std::string> kinds = {"run_started",     "baseline_taken",   "step_started",
                                          "effect_intended", "effect_done",      "effect_failed",
                                          "child_started",   "child_ended",      "fact",
                                          "service_changed", "step_finished",    "step_retried",
                                          "hook_started",    "hook_finished",    "warning",
                                          "run_succeeded",   "rollback_started", "undo_started",
                                          "undo_finished",   "settled",          "verified",
                                          "step_output",     "run_finished",     "***",
                                          "step_progress",   "recovery_started", "rollback_finished"};
  const std::vector<std::string> keys = {"effect",      "status",      "ok",       "name",     "value",
                                         "steps",       "record",      "lost",     "error",    "runbook",
                                         "outputs",     "verified",    "attempts", "message",  "way_back",
                                         "exit_status", "duration_ms", "version",  "pipeline", "service"};
  const std::vector<Json> values = {nullptr,
                                    true,
                                    false,
                                    0,
                                    3,
                                    -1,
                                    1e300,
                                    "***",
                                    "succeeded",
                                    "failed",
                                    "undone",
                                    Json::array(),
                                    Json::object(),
                                    {{{"id", "a"}, {"uses", 3}}},
                                    {"x", 1},
                                    "rolled_back"};
  const int count = *rc::gen::inRange(0, 40);
  std::vector<Event> events;
  RunState state;
  for (int i = 0; i < count; ++i) {
    Json data = Json::object();
    const int entries = *rc::gen::inRange(0, 5);
    for (int k = 0; k < entries; ++k) data[*rc::gen::elementOf(keys)] = *rc::gen::elementOf(values);
    if (*rc::gen::inRange(0, 20) == 0) data = *rc::gen::elementOf(values);
    Event event = event_of("r1", *rc::gen::elementOf(kinds),
                           *rc::gen::elementOf(std::vector<std::string>{"", "a", "b"}), data, *rc::gen::inRange(0, 3));
    event.seq = i + 1;
    events.push_back(event);
    apply(state, event);
    RC_ASSERT(everything(state) == everything(fold(events)));
  }
}

TEST(EventJson, IsOneObjectWithItsDataBehindWhatEveryEventHas) {
  Event event = event_of("r1", "step_output", "build", {{"stream", "out"}, {"text", "hi"}}, 1);
  EXPECT_EQ(dump(to_json(event)), R"({"event":"step_output","run":"r1","seq":null,"step":"build","attempt":1,)"
                                  R"("time":"2026-11-24T12:00:00.000Z","stream":"out","text":"hi"})");
}

TEST(EventJson, KeepsWhatItSaysWhereItsDataHasAKeyOfTheSameName) {
  Event event = event_of("r1", "hook_started", "", {{"event", "before-run"}, {"hook", "hooks/x"}});
  event.seq = 3;
  EXPECT_EQ(dump(to_json(event)),
            R"({"event":"hook_started","run":"r1","seq":3,"step":"","attempt":0,"time":"2026-11-24T12:00:00.000Z",)"
            R"("hook_event":"before-run","hook":"hooks/x"})");
}

TEST(EventJson, TellsDurableFromLive) {
  EXPECT_TRUE(is_durable("step_finished"));
  EXPECT_FALSE(is_durable("step_output"));
  EXPECT_FALSE(is_durable("step_progress"));
}

}  // namespace deployer
