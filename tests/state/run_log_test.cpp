#include "state/run_log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>

#include "state/child_process.h"
#include "state/journal_events.h"
#include "support/folder.h"

namespace deployer {

namespace {

using test::Folder;
using test::read_file;

Event output_of(const std::string& step, const std::string& text, const std::string& stream = "out") {
  return event_of("r1", "step_output", step, {{"stream", stream}, {"text", text}}, 1);
}

}  // namespace

TEST(RunLog, HasAFileForEachStepWithALineForEachOfItsLinesAndEvents) {
  const Folder folder;
  const Redactor redactor;
  RunLog log(folder.path(), "r1", redactor);
  log.on_event(event_of("r1", "run_started"));
  log.on_event(event_of("r1", "step_started", "build", {{"uses", "run"}, {"name", "Build it"}}, 1));
  log.on_event(output_of("build", "hello"));
  log.on_event(output_of("build", "oops", "err"));
  log.on_event(event_of("r1", "step_progress", "build", {{"done", 1}}));
  log.on_event(event_of("r1", "step_finished", "build", {{"status", "failed"}, {"error", "exited with\nstatus 3"}}, 1));
  EXPECT_EQ(read_file(folder / "runs/r1/build.log"),
            "2026-11-24T12:00:00.000Z run step_started\n"
            "2026-11-24T12:00:00.000Z out hello\n"
            "2026-11-24T12:00:00.000Z err oops\n"
            "2026-11-24T12:00:00.000Z run step_finished failed exited with status 3\n");
  EXPECT_EQ(log.failure(), "");
}

TEST(RunLog, ListsItsFilesInTheOrderInWhichTheStepsBegan) {
  const Folder folder;
  const Redactor redactor;
  RunLog log(folder.path(), "r1", redactor);
  for (const char* step : {"zebra", "", "ant", "zebra"}) log.on_event(output_of(step, "x"));
  log.close();
  RunLog again(folder.path(), "r1", redactor);
  again.on_event(output_of("zebra", "recovered"));
  const std::filesystem::path at = folder / "runs/r1";
  EXPECT_EQ(RunLog::files(folder.path(), "r1"),
            (std::vector<std::filesystem::path>{at / "zebra.log", at / "_run.log", at / "ant.log"}));
  EXPECT_TRUE(RunLog::files(folder.path(), "r2").empty());
}

TEST(RunLog, MasksSecretsInTextAndInNames) {
  const Folder folder;
  Redactor redactor;
  redactor.add("PASSWORD", "hunter2hunter2");
  RunLog log(folder.path(), "r1", redactor);
  log.on_event(output_of("hunter2hunter2", "the password is hunter2hunter2"));
  const std::vector<std::filesystem::path> files = RunLog::files(folder.path(), "r1");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].filename(), "___.log");
  EXPECT_EQ(read_file(files[0]), "2026-11-24T12:00:00.000Z out the password is ***\n");
}

TEST(RunLog, StaysInItsFolderWhateverAStepIsCalled) {
  const Folder folder;
  const Redactor redactor;
  RunLog log(folder.path(), "r1", redactor);
  log.on_event(output_of("../../../evil", "x"));
  EXPECT_EQ(RunLog::files(folder.path(), "r1").at(0), folder / "runs/r1/_________evil.log");
}

TEST(RunLog, TellsTheFirstErrorOfTheDiskAndGoesOnWhenThereIsRoom) {
  const Folder folder;
  EXPECT_EQ(in_a_process_of_its_own([&] {
              signal(SIGXFSZ, SIG_IGN);
              const Redactor redactor;
              RunLog log(folder.path(), "r1", redactor);
              log.on_event(output_of("build", "first"));
              const rlimit none = {0, RLIM_INFINITY};
              ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
              log.on_event(output_of("build", "lost"));
              EXPECT_EQ(log.failure(),
                        "cannot write the log " + (folder / "runs/r1/build.log").string() + ": File too large");
              const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
              ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &all), 0);
              log.on_event(output_of("build", "last"));
              EXPECT_EQ(read_file(folder / "runs/r1/build.log"),
                        "2026-11-24T12:00:00.000Z out first\n2026-11-24T12:00:00.000Z out last\n");
            }),
            0);
}

TEST(RunLog, TellsWhenItsFolderCannotBeMade) {
  const Folder folder;
  const Redactor redactor;
  folder.write("runs", "a file where the folder should be");
  RunLog log(folder.path(), "r1", redactor);
  log.on_event(output_of("build", "x"));
  EXPECT_NE(log.failure(), "");
}

}  // namespace deployer
