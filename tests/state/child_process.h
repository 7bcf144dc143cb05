#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace deployer {

/// Runs a part of a test in a process of its own; its failures are the test's. The wait status: 0 if all was well.
inline int in_a_process_of_its_own(const std::function<void()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    act();
    fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

}  // namespace deployer
