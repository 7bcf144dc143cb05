#include <gtest/gtest.h>

#include "base/redactor.h"

namespace deployer {
namespace {

TEST(RedactorNames, AValueIsPutByItsNameAndReadBack) {
  Redactor redactor;
  redactor.add("TOKEN", "hunter22");
  redactor.add("LONG", "hunter22-and-more");
  const Json plain = {{"path", "/srv/hunter22/x"}, {"hunter22-and-more", Json::array({"hunter22hunter22", 7})}};
  const Json named = redactor.by_name(plain);
  EXPECT_EQ(named, (Json{{"path", "/srv/***TOKEN***/x"}, {"***LONG***", Json::array({"***TOKEN******TOKEN***", 7})}}));
  EXPECT_EQ(redactor.clean(named), named);
  EXPECT_EQ(redactor.with_values(named), plain);
}

TEST(RedactorNames, TheLastValueOfANameCounts) {
  Redactor redactor;
  redactor.add("TOKEN", "first-value");
  redactor.add("TOKEN", "second-value");
  EXPECT_EQ(redactor.with_values(std::string_view("***TOKEN***")), "second-value");
  EXPECT_EQ(redactor.by_name(std::string_view("first-value")), "first-value");
  EXPECT_EQ(redactor.clean("first-value"), "***");
}

TEST(RedactorNames, WhatHasNoNameOfAVariableIsLeftToClean) {
  Redactor redactor;
  redactor.add("URL password", "hunter22");
  EXPECT_EQ(redactor.by_name(std::string_view("a hunter22")), "a hunter22");
  EXPECT_EQ(redactor.with_values(std::string_view("***OTHER***")), "***OTHER***");
  EXPECT_FALSE(redactor.knows("URL password"));
}

TEST(RedactorNames, KnowsASecretByItsName) {
  Redactor redactor;
  EXPECT_FALSE(redactor.knows("TOKEN"));
  redactor.add("TOKEN", "hunter22");
  EXPECT_TRUE(redactor.knows("TOKEN"));
}

}  // namespace
}  // namespace deployer
