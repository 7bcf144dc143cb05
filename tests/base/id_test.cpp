#include "base/id.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace deployer {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

const system_clock::time_point two_in_the_morning{std::chrono::seconds(1795485600)};  // 2026-11-24T02:00:00Z

TEST(RunId, SaysWhenTheRunBeganAndSortsByIt) {
  const std::string id = new_run_id(two_in_the_morning + milliseconds(7));
  EXPECT_TRUE(std::regex_match(id, std::regex("20261124T020000007-[0-9a-z]{6}"))) << id;
  EXPECT_LT(id, new_run_id(two_in_the_morning + milliseconds(8)));
  EXPECT_LT(new_run_id(two_in_the_morning), id);
}

TEST(RunId, DiffersWithinAMillisecond) {
  std::set<std::string> ids;
  for (int i = 0; i < 500; ++i) ids.insert(new_run_id(two_in_the_morning));
  EXPECT_EQ(ids.size(), 500U);
}

TEST(RandomHex, HasTheLengthAskedFor) {
  EXPECT_TRUE(std::regex_match(random_hex(12), std::regex("[0-9a-f]{12}")));
  EXPECT_NE(random_hex(16), random_hex(16));
  EXPECT_EQ(random_hex(0), "");
}

TEST(Rfc3339, IsInUtcWithMilliseconds) {
  EXPECT_EQ(rfc3339(two_in_the_morning + milliseconds(7)), "2026-11-24T02:00:00.007Z");
  EXPECT_EQ(rfc3339(system_clock::time_point(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, IsReadWithFractionAndOffset) {
  EXPECT_EQ(parse_rfc3339("2026-11-24T02:00:00Z"), two_in_the_morning);
  EXPECT_EQ(parse_rfc3339("2026-11-24T02:00:00.007Z"), two_in_the_morning + milliseconds(7));
  EXPECT_EQ(parse_rfc3339("2026-11-24T02:00:00.0079999Z"), two_in_the_morning + milliseconds(7));
  EXPECT_EQ(parse_rfc3339("2026-11-24T03:30:00+01:30"), two_in_the_morning);
  EXPECT_EQ(parse_rfc3339("2026-11-23T21:00:00-05:00"), two_in_the_morning);
  EXPECT_EQ(parse_rfc3339("2026-11-24 02:00:00Z"), two_in_the_morning);
  EXPECT_EQ(parse_rfc3339("yesterday"), system_clock::time_point{});
}

TEST(Slug, KeepsLettersAndDigits) {
  EXPECT_EQ(slug("Warm the cache!"), "warm-the-cache");
  EXPECT_EQ(slug("  A -- b_2 "), "a-b-2");
  EXPECT_EQ(slug("\xC3\xA9"), "");
  EXPECT_EQ(slug(""), "");
}

}  // namespace
}  // namespace deployer
