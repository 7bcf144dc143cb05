#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "engine/world.h"

namespace deployer::test {
namespace {

/// A disk on which the journal finds no room from some moment on, until the ballast has gone. The journal's fault
/// points write into a file; that is /dev/full meanwhile, so each of its commits fails with ENOSPC.
class FullDisk : public FileCalls {
 public:
  explicit FullDisk(std::filesystem::path trace) : trace_(std::move(trace)) { point_to("/dev/null"); }

  void fill() { point_to("/dev/full"); }
  bool ballast_is_gone() const { return gone_; }

  int unlink(const char* path) override {
    const int status = FileCalls::unlink(path);
    if (std::strstr(path, "ballast") != nullptr) {
      gone_ = true;
      point_to("/dev/null");
    }
    return status;
  }

 private:
  void point_to(const char* device) {
    std::error_code ignored;
    std::filesystem::remove(trace_, ignored);
    std::filesystem::create_symlink(device, trace_);
  }

  std::filesystem::path trace_;
  bool gone_ = false;
};

FaultPoints points_into(const std::filesystem::path& trace) {
  setenv("DEPLOYER_FAULT_TRACE", trace.c_str(), 1);
  FaultPoints points = FaultPoints::from_environment();
  unsetenv("DEPLOYER_FAULT_TRACE");
  return points;
}

/// The run of two steps whose journal is full behind its `number`-th event; nothing where run_started did not fit.
std::optional<RunState> run_on_a_full_disk(std::int64_t number, std::vector<std::string>& log, bool& freed,
                                           RunState& journalled) {
  const Folder folder;
  FullDisk disk(folder / "trace");
  World world(&disk, points_into(folder / "trace"));
  for (const char* id : {"a", "b"}) world.add(id);
  if (number == 0) disk.fill();
  world.listener = [&](const Event& event) {
    if (event.seq == number) disk.fill();
  };
  std::optional<RunState> state;
  try {
    state = world.run();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::no_space) << error.message;
  }
  log = world.log;
  freed = disk.ballast_is_gone();
  journalled = world.journalled();
  if (state) {
    const bool all = world.things.size() == 2;
    EXPECT_TRUE(world.things.empty() || all) << number;
    EXPECT_EQ(state->status, all ? RunStatus::succeeded : RunStatus::rolled_back) << number;
    EXPECT_EQ(state->exit_status, all ? 0 : 1) << number;
  }
  return state;
}

TEST(FullDiskRun, EndsDoneOrUndoneWhereverTheJournalFindsNoRoom) {
  std::vector<std::string> log;
  bool freed = false;
  RunState journalled;
  EXPECT_FALSE(run_on_a_full_disk(0, log, freed, journalled));
  EXPECT_TRUE(log.empty());
  int rolled_back = 0;
  for (std::int64_t number = 1;; ++number) {
    const std::optional<RunState> state = run_on_a_full_disk(number, log, freed, journalled);
    ASSERT_TRUE(state) << number;
    if (!freed) break;  // the run was over before
    EXPECT_TRUE(journalled.finished) << number;
    EXPECT_EQ(to_json(journalled), to_json(*state)) << number;
    if (state->status == RunStatus::rolled_back) ++rolled_back;
  }
  EXPECT_GT(rolled_back, 6);
}

}  // namespace
}  // namespace deployer::test
