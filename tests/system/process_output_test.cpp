#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "support/folder.h"
#include "system/process.h"
#include "system/process_probe.h"

namespace deployer::test {
namespace {

Deadline output_deadline() { return Deadline::after(std::chrono::seconds(30)); }

long resident_kib() {
  std::ifstream file("/proc/self/statm");
  long total = 0;
  long resident = 0;
  file >> total >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

TEST(ProcessOutput, KeepsOutputAndErrorsApart) {
  Processes processes;
  const auto captured = processes.capture(shell("echo out; echo err >&2"), output_deadline());
  EXPECT_TRUE(captured.exit.ok());
  EXPECT_EQ(captured.out, "out\n");
  EXPECT_EQ(captured.err, "err\n");
}

TEST(ProcessOutput, DropsWhatIsOverTheLimitOfACapture) {
  Processes processes;
  const auto captured =
      processes.capture(shell("echo 123456; head -c 300000 /dev/zero; echo e >&2"), output_deadline(), 4);
  EXPECT_TRUE(captured.exit.ok());
  EXPECT_EQ(captured.out, "1234");
  EXPECT_EQ(captured.err, "e\n");
}

TEST(ProcessOutput, IsTheSameByteForByte) {
  std::string bytes;
  unsigned state = 1;
  for (int i = 0; i < 1'000'000; ++i) {
    state = state * 1664525 + 1013904223;
    bytes += static_cast<char>(state >> 24);
  }
  const Folder folder;
  const auto file = folder.write("bytes", bytes);
  Processes processes;
  EXPECT_TRUE(processes.capture(command_of({"/bin/cat", file.string()}), output_deadline()).out == bytes);
}

TEST(ProcessOutput, ComesInPiecesOfAtMost64KiB) {
  Processes processes;
  std::size_t largest = 0;
  std::size_t all = 0;
  processes.run(command_of({"/usr/bin/head", "-c", "5000000", "/dev/zero"}), output_deadline(),
                [&](OutputStream, std::string_view bytes) {
                  largest = std::max(largest, bytes.size());
                  all += bytes.size();
                });
  EXPECT_LE(largest, 65536U);
  EXPECT_EQ(all, 5000000U);
}

TEST(ProcessOutput, FlowsByTheGigabyteInFlatMemory) {
  Processes processes;
  std::uint64_t all = 0;
  const long before = resident_kib();
  long most = before;
  const Exit exit = processes.run(command_of({"/usr/bin/head", "-c", "1G", "/dev/zero"}), output_deadline(),
                                  [&](OutputStream, std::string_view bytes) {
                                    all += bytes.size();
                                    if (all % (1U << 24) < bytes.size()) most = std::max(most, resident_kib());
                                  });
  EXPECT_TRUE(exit.ok());
  EXPECT_EQ(all, 1U << 30);
  EXPECT_LT(most - before, 64 * 1024);
}

TEST(ProcessOutput, IsDeliveredBeforeItsLineEnds) {
  const Folder folder;
  Processes processes;
  std::string seen;
  // The program goes on only once its prompt has been delivered.
  const Exit exit =
      processes.run(shell("printf 'password: '; while ! [ -e " + (folder / "go").string() + " ]; do sleep 0.01; done"),
                    output_deadline(), [&](OutputStream, std::string_view bytes) {
                      seen += bytes;
                      if (seen == "password: ") folder.write("go", "");
                    });
  EXPECT_TRUE(exit.ok());
  EXPECT_EQ(seen, "password: ");
}

TEST(ProcessOutput, TakesALargeInputWhileTheOutputFlowsBack) {
  std::string input;
  while (input.size() < 8'000'000) input += "a line of input that is sent back\n";
  Command command = command_of({"/bin/cat"});
  command.input = input;
  Processes processes;
  const auto captured = processes.capture(command, output_deadline(), 16 << 20);
  EXPECT_TRUE(captured.exit.ok());
  EXPECT_TRUE(captured.out == input);
}

TEST(ProcessOutput, DoesNotMindAProgramThatReadsNoInput) {
  sigset_t before;
  ASSERT_EQ(::sigpending(&before), 0);
  Processes processes;
  Command command = command_of({"/bin/true"});
  command.input.assign(1'000'000, 'x');
  EXPECT_TRUE(processes.run(command, output_deadline()).ok());
  command = shell("exec 0<&-; echo closed");
  command.input.assign(1'000'000, 'x');
  EXPECT_EQ(processes.capture(command, output_deadline()).out, "closed\n");
  sigset_t pending;
  ASSERT_EQ(::sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), sigismember(&before, SIGPIPE));
}

TEST(ProcessOutput, IsFromDevNullWhereNoInputIsGiven) {
  Processes processes;
  EXPECT_EQ(processes.capture(command_of({"/bin/readlink", "/proc/self/fd/0"}), output_deadline()).out, "/dev/null\n");
}

TEST(ProcessOutput, IsNotWaitedForWhenABackgroundProcessHoldsThePipe) {
  Processes processes;
  processes.set_grace(Duration(100));
  const auto begin = std::chrono::steady_clock::now();
  const auto captured = processes.capture(shell("sleep 60 & echo $!"), output_deadline());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_TRUE(captured.exit.ok());
  const pid_t background = std::stoi(captured.out);
  EXPECT_TRUE(record_of(background).has_value());
  EXPECT_EQ(processes.end_all({}), 1);
  EXPECT_FALSE(record_of(background).has_value());
  EXPECT_EQ(processes.end_all({}), 0);
}

TEST(ProcessOutput, OfABackgroundProcessIsReadOnAndDropped) {
  const Folder folder;
  Processes processes;
  processes.set_grace(Duration(100));
  std::size_t delivered = 0;
  const std::string go = (folder / "go").string();
  const std::string done = (folder / "done").string();
  const Exit exit = processes.run(
      shell("(while ! [ -e " + go + " ]; do sleep 0.01; done; head -c 1000000 /dev/zero && echo ok > " + done + ") &"),
      output_deadline(), [&](OutputStream, std::string_view bytes) { delivered += bytes.size(); });
  EXPECT_TRUE(exit.ok());
  folder.write("go", "");
  EXPECT_TRUE(soon([&] { return std::filesystem::exists(done) && read_file(done) == "ok\n"; }));
  EXPECT_EQ(delivered, 0U);
  processes.end_all({});
}

TEST(ProcessOutput, OfABackgroundProcessThatNeverStopsIsNoEndlessDrain) {
  Processes processes;
  processes.set_grace(Duration(100));
  const Exit exit = processes.run(shell("yes & sleep 0.05"), output_deadline(), [](OutputStream, std::string_view) {});
  EXPECT_TRUE(exit.ok());
  EXPECT_EQ(processes.end_all({}), 1);
}

TEST(ProcessOutput, EndsTheTreeIfTheSinkThrows) {
  Processes processes;
  processes.set_grace(Duration(100));
  std::string pids;
  EXPECT_THROW(processes.run(shell("sleep 60 & echo $! $$; wait"), output_deadline(),
                             [&](OutputStream, std::string_view bytes) {
                               pids += bytes;
                               throw std::runtime_error("the disk is full");
                             }),
               std::runtime_error);
  EXPECT_FALSE(record_of(std::stoi(pids)).has_value());
  EXPECT_FALSE(record_of(std::stoi(pids.substr(pids.find(' ')))).has_value());
}

TEST(ProcessOutput, EndsTheTreeIfTheSinkThrowsAtTheLastPiece) {
  Processes processes;
  processes.set_grace(Duration(100));
  pid_t background = 0;
  EXPECT_THROW(processes.run(shell("sleep 60 & echo $!"), output_deadline(),
                             [&](OutputStream, std::string_view bytes) {
                               background = std::stoi(std::string(bytes));
                               // By now the process has ended, and what it left is all there is to end.
                               std::this_thread::sleep_for(std::chrono::milliseconds(50));
                               throw std::runtime_error("the disk is full");
                             }),
               std::runtime_error);
  EXPECT_FALSE(record_of(background).has_value());
}

}  // namespace
}  // namespace deployer::test
