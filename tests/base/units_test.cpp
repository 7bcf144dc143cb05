#include "base/units.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace deployer {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Duration, IsOneNumberAndOneUnit) {
  EXPECT_EQ(parse_duration("500ms").value(), Duration(500));
  EXPECT_EQ(parse_duration("10s").value(), seconds(10));
  EXPECT_EQ(parse_duration("5m").value(), minutes(5));
  EXPECT_EQ(parse_duration("2h").value(), hours(2));
  EXPECT_EQ(parse_duration("30d").value(), days(30));
  EXPECT_EQ(parse_duration("0s").value(), Duration(0));
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text :
       {"", "10", "s", "-1s", "1.5s", "1 s", "1h30m", "10S", "1w", "36526d", "99999999999999999999s"}) {
    const Result<Duration> length = parse_duration(text);
    ASSERT_FALSE(length) << text;
    EXPECT_EQ(length.error().text(),
              "error: '" + std::string(text) +
                  "' is not a duration\nhint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d");
  }
}

RC_GTEST_PROP(DurationProperty, IsTakenBackFromItsText, ()) {
  const Duration length(*rc::gen::inRange<std::int64_t>(0, 3'000'000'000'000));
  RC_ASSERT(parse_duration(duration_text(length)).value() == length);
}

TEST(Duration, HasAShortestText) {
  EXPECT_EQ(duration_text(Duration(0)), "0s");
  EXPECT_EQ(duration_text(seconds(90)), "90s");
  EXPECT_EQ(duration_text(minutes(2)), "2m");
  EXPECT_EQ(duration_text(hours(48)), "2d");
}

TEST(Duration, HasATextForPeople) {
  EXPECT_EQ(human_duration(Duration(340)), "340ms");
  EXPECT_EQ(human_duration(Duration(1240)), "1.2s");
  EXPECT_EQ(human_duration(seconds(125)), "2m 05s");
  EXPECT_EQ(human_duration(minutes(182)), "3h 02m");
  EXPECT_EQ(human_duration(hours(99)), "4d 3h");
}

TEST(Size, IsOneNumberAndOneUnit) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("512B").value(), 512U);
  EXPECT_EQ(parse_size("10MiB").value(), 10U * 1024 * 1024);
  EXPECT_EQ(parse_size("2GB").value(), 2'000'000'000U);
  EXPECT_EQ(parse_size("18446744073709551615").value(), UINT64_MAX);
}

TEST(Size, RefusesEverythingElse) {
  for (const char* text : {"", "MiB", "-1", "1.5GiB", "2 GiB", "2gib", "1PiB", "18446744073709551616", "16777216TiB"}) {
    const Result<std::uint64_t> size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().message, "'" + std::string(text) + "' is not a size");
  }
}

TEST(Size, HasATextForPeople) {
  EXPECT_EQ(human_size(712), "712 B");
  EXPECT_EQ(human_size(1434), "1.4 KiB");
  EXPECT_EQ(human_size(8U << 20U), "8.0 MiB");
  EXPECT_EQ(human_size(5ULL << 50U), "5120.0 TiB");
}

}  // namespace
}  // namespace deployer
