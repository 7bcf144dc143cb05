#include "base/text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace deployer {
namespace {

using Words = std::vector<std::string>;

TEST(Text, SplitsAtEverySeparator) {
  EXPECT_EQ(split("a,b,,c", ','), (Words{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), (Words{""}));
  EXPECT_EQ(split(",", ','), (Words{"", ""}));
}

RC_GTEST_PROP(TextProperty, JoinsWhatItHasSplit, (const std::string& text)) {
  RC_ASSERT(join(split(text, 'a'), "a") == text);
}

TEST(Text, TrimsBlanksAtBothEndsOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(Text, QuotesForAShellOnlyWhereNeeded) {
  EXPECT_EQ(shell_quote("/srv/app-1.2_x:y=z"), "/srv/app-1.2_x:y=z");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_quote("~"), "'~'");
}

TEST(Text, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_EQ(invalid_utf8("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"), std::nullopt);
  EXPECT_EQ(invalid_utf8("ab\xFF"), 2U);
  EXPECT_EQ(invalid_utf8("\x80"), 0U);
  EXPECT_EQ(invalid_utf8("a\xC3"), 1U);             // cut off
  EXPECT_EQ(invalid_utf8("\xC0\xAF"), 0U);          // overlong
  EXPECT_EQ(invalid_utf8("\xE0\x80\xAF"), 0U);      // overlong
  EXPECT_EQ(invalid_utf8("\xED\xA0\x80"), 0U);      // a surrogate
  EXPECT_EQ(invalid_utf8("\xF4\x90\x80\x80"), 0U);  // over U+10FFFF
  EXPECT_EQ(invalid_utf8("\xF4\x8F\xBF\xBF"), std::nullopt);
}

TEST(Text, SuggestsTheNearestWord) {
  const Words known = {"timeout", "retry", "rollback", "run"};
  EXPECT_EQ(did_you_mean("timout", known), "timeout");
  EXPECT_EQ(did_you_mean("rertry", known), "retry");
  EXPECT_EQ(did_you_mean("rerty", known), "retry");
  EXPECT_EQ(did_you_mean("Roll-Back", known), "rollback");
  EXPECT_EQ(did_you_mean("schedule", known), std::nullopt);
  EXPECT_EQ(did_you_mean("x", {}), std::nullopt);
}

TEST(Text, ListsWords) {
  EXPECT_EQ(listing({}), "");
  EXPECT_EQ(listing({"a"}), "a");
  EXPECT_EQ(listing({"a", "b"}), "a and b");
  EXPECT_EQ(listing({"a", "b", "c"}), "a, b and c");
}

}  // namespace
}  // namespace deployer
