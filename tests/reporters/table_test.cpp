#include "reporters/table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/error.h"
#include "support/folder.h"

namespace deployer {

namespace {

Event table_event(const std::string& kind, const std::string& step = "", Json data = Json::object()) {
  Event event;
  event.run = "r1";
  event.time = std::chrono::system_clock::time_point(std::chrono::seconds(1795521600));
  event.kind = kind;
  event.step = step;
  event.data = std::move(data);
  if (is_durable(kind)) event.seq = 1;
  return event;
}

/// A pipe whose reader may stand still or go away.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  /// The next `count` bytes.
  std::string read(std::size_t count) const {
    std::string text(count, '\0');
    std::size_t got = 0;
    while (got < count) {
      const ssize_t taken = ::read(ends_[0], text.data() + got, count - got);
      if (taken <= 0) break;
      got += static_cast<std::size_t>(taken);
    }
    text.resize(got);
    return text;
  }

 private:
  int ends_[2];
};

std::string refusal(const std::string& word) {
  const Redactor redactor;
  try {
    make_reporter(
        word, {}, [](std::string_view) {}, redactor);
    return "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::usage);
    return error.text();
  }
}

}  // namespace

TEST(Reporters, AreRefusedByNameWhereTheyAreOfALaterVersion) {
  for (const std::string word : {"tty", "github", "gitlab", "junit"}) {
    EXPECT_EQ(refusal(word),
              "error: --output " + word + " is not in this version\nhint: there are auto, plain and json");
  }
}

TEST(Reporters, AreRefusedWhereThereAreNone) {
  EXPECT_EQ(refusal("jsno"), "error: there is no output 'jsno'\nhint: did you mean 'json'?");
  EXPECT_EQ(refusal("xyzzyx"), "error: there is no output 'xyzzyx'\nhint: there are auto, plain and json");
  EXPECT_EQ(refusal(""), "error: there is no output ''\nhint: there are auto, plain and json");
}

TEST(Reporters, ArePlainByThemselves) {
  const Redactor redactor;
  std::string said;
  const auto reporter = make_reporter(
      "auto", {}, [&](std::string_view text) { said += text; }, redactor);
  reporter->on_event(table_event("warning", "", {{"message", "x"}}));
  EXPECT_NE(said.find("  warning: x\n"), std::string::npos) << said;
}

TEST(JsonReporter, WritesALineAnEventAndNothingElse) {
  Redactor redactor;
  redactor.add("PASSWORD", "hunter2hunter2");
  std::vector<std::string> said;
  const auto reporter = make_reporter(
      "json", {}, [&](std::string_view text) { said.emplace_back(text); }, redactor);
  reporter->on_event(table_event("step_output", "build", {{"stream", "out"}, {"text", "hunter2hunter2\nx \xff"}}));
  reporter->on_event(table_event("run_finished", "", {{"status", "succeeded"}}));
  reporter->close();
  EXPECT_EQ(said,
            (std::vector<std::string>{R"({"event":"step_output","run":"r1","seq":null,"step":"build","attempt":0,)"
                                      R"("time":"2026-11-24T12:00:00.000Z","stream":"out","text":"***\nx )"
                                      "\xef\xbf\xbd\"}\n",
                                      R"({"event":"run_finished","run":"r1","seq":1,"step":"","attempt":0,)"
                                      R"("time":"2026-11-24T12:00:00.000Z","status":"succeeded"})"
                                      "\n"}));
}

TEST(JsonReporter, SaysNothingOfASuccessAndAllOfAFailureWhenQuiet) {
  for (const std::string status : {"succeeded", "rolled_back"}) {
    const Redactor redactor;
    int lines = 0;
    const auto reporter = make_reporter(
        "json", {.quiet = true}, [&](std::string_view) { ++lines; }, redactor);
    for (int i = 0; i < 300; ++i) reporter->on_event(table_event("step_output", "build", {{"text", "x"}}));
    reporter->on_event(table_event("run_finished", "", {{"status", status}}));
    reporter->close();
    EXPECT_EQ(lines, status == "succeeded" ? 0 : 201);
  }
}

TEST(Output, IsWrittenWhenTheCallReturnsWhereSomebodyTakesIt) {
  const Pipe pipe;
  const ReportOutput output = output_to(pipe.writer());
  output("one line\n");
  EXPECT_EQ(pipe.read(9), "one line\n");
}

TEST(Output, OutlivesAReaderThatHasGone) {
  Pipe pipe;
  pipe.close_reader();
  // A signal of its own would end the process here.
  const ReportOutput output = output_to(pipe.writer());
  for (int i = 0; i < 3; ++i) output("nobody reads this\n");
}

TEST(Output, WaitsForNoReaderThatStandsStillAndGivesItAllLater) {
  const Pipe pipe;
  std::string expected;
  std::string got;
  {
    const ReportOutput output = output_to(pipe.writer());
    for (int i = 0; i < 20'000; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      expected += line;
      output(line);
    }
    got = pipe.read(expected.size());
  }
  EXPECT_EQ(got, expected);
}

TEST(Output, DropsWholeLinesWhereTheReaderNeverMoves) {
  const Pipe pipe;
  const std::string line = std::string(99'999, 'x') + "\n";
  std::string got;
  {
    const ReportOutput output = output_to(pipe.writer(), std::chrono::milliseconds(50));
    for (int i = 0; i < 200; ++i) output(line);
  }
  // What the pipe holds; what was kept for later has gone with the writer.
  fcntl(pipe.writer(), F_SETFL, O_NONBLOCK);
  EXPECT_EQ(pipe.read(4096), std::string(4096, 'x'));
}

TEST(Output, LosesALineToAFullDiskAndGoesOnBehindIt) {
  const test::Folder folder;
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const int fd = open((folder / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const ReportOutput output = output_to(fd);
    output("first\n");
    const rlimit small = {10, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    output("second\n");
    const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &all);
    output("third\n");
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(test::read_file(folder / "out"), "first\nseco\nthird\n");
}

}  // namespace deployer
