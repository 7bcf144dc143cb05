#include "system/fault.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "support/folder.h"

namespace deployer::test {
namespace {

/// Sets the two variables, and takes them away again.
class FaultEnvironment {
 public:
  FaultEnvironment(const char* kill, const std::string& trace) {
    if (kill != nullptr) ::setenv("DEPLOYER_FAULT_KILL", kill, 1);
    if (!trace.empty()) ::setenv("DEPLOYER_FAULT_TRACE", trace.c_str(), 1);
  }
  ~FaultEnvironment() {
    ::unsetenv("DEPLOYER_FAULT_KILL");
    ::unsetenv("DEPLOYER_FAULT_TRACE");
  }
};

TEST(FaultPoints, DoNothingWhenNobodyTests) {
  FaultPoints points = FaultPoints::from_environment();
  for (int i = 0; i < 1000; ++i) points.pass("journal.before");
  FaultPoints none;
  none.pass("journal.before");
}

TEST(FaultPoints, WriteTheNameOfEachPointIntoTheTrace) {
  const Folder folder;
  const auto trace = folder.write("trace", "earlier\n");
  const FaultEnvironment environment(nullptr, trace.string());
  FaultPoints points = FaultPoints::from_environment();
  points.pass("effect.before backup publish");
  FaultPoints moved = std::move(points);
  moved.pass("effect.after backup publish");
  EXPECT_EQ(read_file(trace), "earlier\neffect.before backup publish\neffect.after backup publish\n");
}

TEST(FaultPoints, KillTheProcessAtTheNumberedPoint) {
  const Folder folder;
  const FaultEnvironment environment("3", (folder / "trace").string());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FaultPoints points = FaultPoints::from_environment();
    points.pass("one");
    FaultPoints moved = std::move(points);
    moved.pass("two");
    moved.pass("three");
    moved.pass("four");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(read_file(folder / "trace"), "one\ntwo\nthree\n");
}

TEST(FaultPoints, RefuseWhatIsNoNumber) {
  for (const char* text : {"", "0", "-1", "3x", "many", " 4"}) {
    const FaultEnvironment environment(text, {});
    try {
      FaultPoints::from_environment();
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind, ErrorKind::usage);
      EXPECT_EQ(error.message, std::string("DEPLOYER_FAULT_KILL is not a number from 1: '") + text + "'");
    }
  }
}

TEST(FaultPoints, FailWhereTheTraceCannotBeWritten) {
  const FaultEnvironment environment(nullptr, "/no/such/folder/trace");
  FaultPoints points = FaultPoints::from_environment();
  try {
    points.pass("one");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "cannot write /no/such/folder/trace: No such file or directory");
  }
}

}  // namespace
}  // namespace deployer::test
