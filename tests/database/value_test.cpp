#include "database/value.h"

#include <gtest/gtest.h>

namespace deployer::database {
namespace {

TEST(Value, ReadsAsText) {
  EXPECT_EQ(as_text(Value{}), "");
  EXPECT_EQ(as_text(Value{std::int64_t{-7}}), "-7");
  EXPECT_EQ(as_text(Value{0.1}), "0.1");
  EXPECT_EQ(as_text(Value{std::string("a\0b", 3)}), std::string("a\0b", 3));
  EXPECT_EQ(as_text(Value{Blob{"\xff"}}), "\xff");
}

TEST(Value, ReadsAsAnIntegerOrAsZero) {
  EXPECT_EQ(as_integer(Value{}), 0);
  EXPECT_EQ(as_integer(Value{std::string("42")}), 42);
  EXPECT_EQ(as_integer(Value{std::string("42x")}), 0);
  EXPECT_EQ(as_integer(Value{2.9}), 2);
  EXPECT_EQ(as_integer(Value{1e300}), 0);
  EXPECT_TRUE(is_null(Value{}));
  EXPECT_FALSE(is_null(Value{std::string()}));
}

}  // namespace
}  // namespace deployer::database
