#include "base/deadline.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace deployer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(error_kind_info(error.kind).name) + ": " + error.message;
  }
  return "";
}

TEST(Deadline, NeverComesUnlessOneIsSet) {
  const Deadline deadline = Deadline::never();
  EXPECT_FALSE(deadline.expired());
  EXPECT_EQ(deadline.left(), std::nullopt);
  EXPECT_EQ(deadline.poll_ms(), -1);
  EXPECT_EQ(deadline.poll_ms(seconds(2)), 2000);
  EXPECT_EQ(error_of([&] { deadline.check("waiting"); }), "");
}

TEST(Deadline, SaysWhatIsLeft) {
  const Deadline deadline = Deadline::after(seconds(60));
  EXPECT_LE(*deadline.left(), seconds(60));
  EXPECT_GT(*deadline.left(), seconds(50));
  EXPECT_EQ(deadline.poll_ms(milliseconds(100)), 100);
  EXPECT_GT(deadline.poll_ms(), 50'000);
}

TEST(Deadline, ThrowsWhenItIsOver) {
  const Deadline over = Deadline::after(milliseconds(0));
  EXPECT_TRUE(over.expired());
  EXPECT_EQ(*over.left(), milliseconds(0));
  EXPECT_EQ(over.poll_ms(), 0);
  EXPECT_EQ(error_of([&] { over.check("health check"); }), "timed_out: timed out: health check");
}

TEST(Deadline, ThrowsWhenSomebodyAskedToStop) {
  std::stop_source stop;
  const Deadline deadline = Deadline::never(stop.get_token());
  stop.request_stop();
  EXPECT_TRUE(deadline.cancelled());
  EXPECT_EQ(error_of([&] { deadline.check("health check"); }), "cancelled: cancelled: health check");
}

TEST(Deadline, IsTheEarlierOfTwo) {
  EXPECT_LE(*Deadline::never().at_most(seconds(5)).left(), seconds(5));
  EXPECT_LE(*Deadline::after(seconds(5)).at_most(seconds(60)).left(), seconds(5));
  EXPECT_LE(*Deadline::after(seconds(60)).at_most(seconds(5)).left(), seconds(5));
  std::stop_source stop;
  const Deadline shorter = Deadline::never(stop.get_token()).at_most(seconds(5));
  stop.request_stop();
  EXPECT_TRUE(shorter.cancelled());
}

TEST(Deadline, SleepsNoLongerThanItIs) {
  EXPECT_TRUE(Deadline::never().sleep(milliseconds(1)));
  const auto begin = Deadline::Clock::now();
  EXPECT_FALSE(Deadline::after(milliseconds(5)).sleep(seconds(60)));
  EXPECT_LT(Deadline::Clock::now() - begin, seconds(30));
}

TEST(Deadline, IsWokenFromItsSleepByAStop) {
  std::stop_source stop;
  const Deadline deadline = Deadline::never(stop.get_token());
  std::jthread stopper([&] { stop.request_stop(); });
  const auto begin = Deadline::Clock::now();
  EXPECT_FALSE(deadline.sleep(seconds(60)));
  EXPECT_LT(Deadline::Clock::now() - begin, seconds(30));
}

}  // namespace
}  // namespace deployer
