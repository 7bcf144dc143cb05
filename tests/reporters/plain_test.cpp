#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "reporters/layout.h"
#include "reporters/summary.h"
#include "reporters/table.h"

namespace deployer {

namespace {

constexpr const char* plain_run = "20261124T120000000-abcdef";

}  // namespace

class PlainReporterTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC0", 1);
    tzset();
  }

  void begin(ReporterOptions options = {}) {
    reporter = make_reporter(
        "plain", options, [&](std::string_view text) { said += text; }, redactor);
  }

  void tell(const std::string& kind, const std::string& step = "", Json data = Json::object(), int attempt = 0,
            int seconds = 1) {
    now += std::chrono::seconds(seconds);
    Event event;
    event.run = plain_run;
    event.time = now;
    event.kind = kind;
    event.step = step;
    event.attempt = attempt;
    event.data = std::move(data);
    if (is_durable(kind)) event.seq = ++seq;
    reporter->on_event(event);
  }

  void tell_start() {
    tell("run_started", "",
         {{"pipeline", "production"},
          {"steps",
           {{{"id", "backup"}, {"name", ""}, {"uses", "backup"}},
            {{"id", "migrate"}, {"name", ""}, {"uses", "migrate"}}}}},
         0, 0);
  }

  void tell_backup() {
    tell("step_started", "backup", {{"uses", "backup"}}, 1);
    tell("effect_intended", "backup", {{"name", "publish b1"}, {"action", "backup"}}, 1, 0);
    tell("step_finished", "backup",
         {{"status", "succeeded"}, {"duration_ms", 1200}, {"summary", "backup_20261124_120001 (412.0 KiB)"}}, 1);
  }

  void tell_success() {
    tell_start();
    tell_backup();
    tell("step_started", "migrate", {{"uses", "migrate"}}, 1);
    tell("step_output", "migrate", {{"stream", "out"}, {"text", "applying 9a385a344ba4"}}, 1);
    tell("warning", "migrate", {{"message", "no drill yet"}}, 1);
    tell("step_finished", "migrate", {{"status", "succeeded"}, {"duration_ms", 340}}, 1);
    tell("run_succeeded");
    tell("run_finished", "", {{"status", "succeeded"}, {"exit_status", 0}}, 0, 5);
    reporter->close();
  }

  void tell_rollback(bool ok) {
    tell_start();
    tell_backup();
    tell("step_started", "migrate", {{"uses", "migrate"}}, 1);
    tell("effect_intended", "migrate", {{"name", "apply 9a385a344ba4"}, {"action", "migrate"}}, 1, 0);
    tell("step_finished", "migrate",
         {{"status", "failed"}, {"duration_ms", 340}, {"error", "no such table: bokks\nin line 3"}}, 1);
    tell("rollback_started", "", {{"reason", "step 'migrate' failed: no such table: bokks\nin line 3"}});
    tell("undo_started", "migrate", {{"effect", 6}, {"name", "apply 9a385a344ba4"}}, 1, 0);
    if (ok) {
      tell("undo_finished", "migrate", {{"effect", 6}, {"ok", true}, {"way_back", "transaction"}}, 1);
    } else {
      tell("undo_finished", "migrate", {{"effect", 6}, {"ok", false}, {"error", "disk I/O error"}}, 1);
    }
    tell("settled", "backup", {{"step", "backup"}, {"ok", true}});
    tell("verified", "migrate", {{"step", "migrate"}, {"ok", ok}, {"error", ok ? "" : "the schema differs"}});
    tell("rollback_finished", "", {{"ok", ok}, {"verified", ok}});
    Json runbook = Json::array();
    if (!ok) {
      runbook = {"migrate: 'apply 9a385a344ba4' could not be undone: disk I/O error", "  see the disk of /srv",
                 "when that is mended: deployer recover"};
    }
    tell("run_finished", "",
         {{"status", ok ? "rolled_back" : "rollback_failed"},
          {"exit_status", ok ? 1 : 3},
          {"verified", ok},
          {"lost", Json::array()},
          {"runbook", runbook},
          {"error", "step 'migrate' failed: no such table: bokks\nin line 3"}});
    reporter->close();
  }

  Redactor redactor;
  std::string said;
  std::unique_ptr<EventListener> reporter;
  std::chrono::system_clock::time_point now{std::chrono::seconds(1795521600)};
  std::int64_t seq = 0;
};

namespace {

constexpr const char* plain_success =
    R"(12:00:00  run 20261124T120000000-abcdef of production, 2026-11-24 12:00:00 +0000
12:00:01  backup    started
12:00:02  backup    succeeded in 1.2s  backup_20261124_120001 (412.0 KiB)
12:00:03  migrate   started
12:00:04  migrate   | applying 9a385a344ba4
12:00:05  migrate   warning: no drill yet
12:00:06  migrate   succeeded in 340ms

production succeeded
  run       20261124T120000000-abcdef
  took      12.0s
  warnings  1
  details   deployer runs show 20261124T120000000-abcdef
)";

constexpr const char* plain_rolled_back =
    R"(12:00:00  run 20261124T120000000-abcdef of production, 2026-11-24 12:00:00 +0000
12:00:01  backup    started
12:00:02  backup    succeeded in 1.2s  backup_20261124_120001 (412.0 KiB)
12:00:03  migrate   started
12:00:04  migrate   FAILED after 340ms: no such table: bokks
                    in line 3
12:00:05  rolling back: step 'migrate' failed
12:00:06  migrate   undone: apply 9a385a344ba4 (transaction)
12:00:07  backup    settled: in the state from before the run
12:00:08  migrate   verified

production failed, and was rolled back: everything is as it was before
  because   step 'migrate' failed: no such table: bokks in line 3
  run       20261124T120000000-abcdef
  took      10.0s
  details   deployer runs show 20261124T120000000-abcdef
)";

constexpr const char* plain_left_behind =
    R"(12:00:00  run 20261124T120000000-abcdef of production, 2026-11-24 12:00:00 +0000
12:00:01  backup    started
12:00:02  backup    succeeded in 1.2s  backup_20261124_120001 (412.0 KiB)
12:00:03  migrate   started
12:00:04  migrate   FAILED after 340ms: no such table: bokks
                    in line 3
12:00:05  rolling back: step 'migrate' failed
12:00:06  migrate   NOT UNDONE: apply 9a385a344ba4: disk I/O error
12:00:07  backup    settled: in the state from before the run
12:00:08  migrate   NOT VERIFIED: the schema differs

production FAILED, AND COULD NOT BE ROLLED BACK WHOLLY
  because   step 'migrate' failed: no such table: bokks in line 3
  run       20261124T120000000-abcdef
  took      10.0s

What is left, and what to do:
  - migrate: 'apply 9a385a344ba4' could not be undone: disk I/O error
    see the disk of /srv
  - when that is mended: deployer recover

  details   deployer runs show 20261124T120000000-abcdef
)";

}  // namespace

TEST_F(PlainReporterTest, TellsASuccess) {
  begin();
  tell_success();
  EXPECT_EQ(said, plain_success);
}

TEST_F(PlainReporterTest, TellsWhatIsUndoneAndHow) {
  begin();
  tell_rollback(true);
  EXPECT_EQ(said, plain_rolled_back);
}

TEST_F(PlainReporterTest, TellsWhatIsLeftAndWhatToDo) {
  begin();
  tell_rollback(false);
  EXPECT_EQ(said, plain_left_behind);
}

TEST_F(PlainReporterTest, SaysNothingOfASuccessWhenQuiet) {
  begin({.quiet = true});
  tell_success();
  EXPECT_EQ(said, "");
}

TEST_F(PlainReporterTest, SaysAllOfAFailureWhenQuiet) {
  begin({.quiet = true});
  tell_rollback(true);
  EXPECT_EQ(said, plain_rolled_back);
}

TEST_F(PlainReporterTest, SaysAllOfARunThatDidNotComeToItsEndWhenQuiet) {
  begin({.quiet = true});
  tell_start();
  reporter->close();
  EXPECT_EQ(said, "12:00:00  run 20261124T120000000-abcdef of production, 2026-11-24 12:00:00 +0000\n");
}

TEST_F(PlainReporterTest, KeepsTheLastLinesOfEachStepWhenQuiet) {
  begin({.quiet = true});
  tell_start();
  for (int i = 0; i < 500; ++i) tell("step_output", "backup", {{"text", "line " + std::to_string(i)}}, 1, 0);
  tell("step_output", "migrate", {{"text", "alone"}}, 1, 0);
  tell("run_finished", "", {{"status", "rolled_back"}});
  EXPECT_EQ(said.find("line 299\n"), std::string::npos);
  EXPECT_NE(said.find("          backup    | (300 lines before these: deployer runs logs 20261124T120000000-abcdef)\n"
                      "12:00:00  backup    | line 300\n"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("| line 499\n12:00:00  migrate   | alone\n"), std::string::npos);
}

TEST_F(PlainReporterTest, MasksASecretWhereverItStands) {
  redactor.add("PASSWORD", "hunter2hunter2");
  begin();
  tell_start();
  tell("step_output", "hunter2hunter2", {{"text", "hunter2hunter2"}});
  tell("warning", "", {{"message", "hunter2hunter2"}});
  tell("step_finished", "backup", {{"status", "failed"}, {"error", "hunter2hunter2"}});
  tell("rollback_started", "", {{"reason", "hunter2hunter2"}});
  tell("hook_finished", "", {{"hook", "hunter2hunter2"}, {"event", "on-failure"}, {"ok", false}, {"error", "x"}});
  tell("run_finished", "", {{"status", "failed"}, {"error", "hunter2hunter2"}, {"runbook", {"hunter2hunter2"}}});
  EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  EXPECT_NE(said.find("***"), std::string::npos);
}

TEST_F(PlainReporterTest, LetsNoControlSequenceOfAProgramThrough) {
  begin();
  tell_start();
  said.clear();
  tell("step_output", "backup", {{"text", "\x1b[2J\x1b]0;title\a10%\r\x1b[32m100%\x1b[0m done\x07\r"}});
  EXPECT_EQ(said, "12:00:01  backup    | 100% done\n");
}

TEST_F(PlainReporterTest, TellsARecoveryOfWhichItHasNotSeenTheBeginning) {
  begin();
  tell("recovery_started", "", {{"record", {{"pid", 1}}}});
  tell("undo_finished", "backup", {{"effect", 4}, {"name", "publish b1"}, {"ok", true}, {"way_back", "removed"}});
  tell("run_finished", "", {{"status", "rolled_back"}, {"verified", true}, {"error", "the runner died"}}, 0, 2);
  EXPECT_EQ(
      said,
      R"(12:00:01  run 20261124T120000000-abcdef of a pipeline had not come to its end: recovering it, 2026-11-24 12:00:01 +0000
12:00:02  backup    undone: publish b1 (removed)

the run failed, and was rolled back: everything is as it was before
  because   the runner died
  run       20261124T120000000-abcdef
  took      3.0s
  details   deployer runs show 20261124T120000000-abcdef
)");
}

TEST_F(PlainReporterTest, ColoursVerdictsWhereItMay) {
  begin({.color = true});
  tell_start();
  said.clear();
  tell("step_finished", "backup", {{"status", "failed"}, {"error", "no"}});
  tell("run_finished", "", {{"status", "succeeded"}});
  EXPECT_NE(said.find("12:00:01  backup    \x1b[31mFAILED\x1b[0m: no\n"), std::string::npos) << said;
  EXPECT_NE(said.find("\n\x1b[1;32mproduction succeeded\x1b[0m\n"), std::string::npos) << said;
}

TEST_F(PlainReporterTest, TakesDataOfAnyShape) {
  begin();
  for (const char* kind : {"run_started", "step_finished", "undo_finished", "warning", "step_output", "run_finished"}) {
    for (const Json& data : {Json(nullptr), Json(3), Json::array(), Json{{"effect", "x"}, {"lost", 3}, {"ok", 1}}}) {
      tell(kind, "a", data);
    }
  }
  EXPECT_NE(said, "");
}

TEST_F(PlainReporterTest, ShowsTheTimeOfItsReader) {
  setenv("TZ", "CET-1", 1);
  tzset();
  begin();
  tell_start();
  EXPECT_EQ(said, "13:00:00  run 20261124T120000000-abcdef of production, 2026-11-24 13:00:00 +0100\n");
}

TEST(Summary, FitsEightyColumnsAndSaysWhatWasLost) {
  RunState state;
  state.id = plain_run;
  state.pipeline = "production";
  state.status = RunStatus::rolled_back;
  state.verified = false;
  state.error = "step 'health' failed: " + std::string(40, 'a') + " " + std::string(40, 'b') + " not healthy";
  state.lost = {{{"table", "books"}, {"rows", 3}}};
  for (int i = 0; i < 30; ++i) state.warnings.push_back("w");
  state.runbook = {"a long line of a runbook that says what is left, where it is and which command puts it right"};
  const std::string text = run_summary(state, Duration(65'000), {});
  EXPECT_EQ(text.find("\nproduction failed, and was rolled back\n"), 0u) << text;
  EXPECT_NE(text.find("  lost      3 rows of books\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  but       nothing could prove that it is as before (verified: false)\n"), std::string::npos)
      << text;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    EXPECT_LE(columns(text.substr(begin, end - begin)), 80u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Layout, WrapsAtBlanksAndLeavesLongWordsWhole) {
  EXPECT_EQ(wrap("one two  three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("a /very/long/path b", 5), (std::vector<std::string>{"a", "/very/long/path", "b"}));
  EXPECT_EQ(wrap("", 5), std::vector<std::string>{""});
  EXPECT_EQ(wrap("äöü äöü", 7), std::vector<std::string>{"äöü äöü"});
}

TEST(Layout, TakesOutWhatATerminalWouldObey) {
  EXPECT_EQ(printable("plain\ttext"), "plain\ttext");
  EXPECT_EQ(printable("\x1b[1;31mred\x1b[0m"), "red");
  EXPECT_EQ(printable("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link");
  EXPECT_EQ(printable("cut \x1b["), "cut ");
  EXPECT_EQ(printable("cut \x1b"), "cut ");
  EXPECT_EQ(printable("10%\r20%\r"), "20%");
  EXPECT_EQ(printable("Bücher"), "Bücher");
}

}  // namespace deployer
