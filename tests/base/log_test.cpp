#include "base/log.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "base/redactor.h"

namespace deployer {
namespace {

TEST(Log, WritesMaskedLinesFromItsLevelOnToStandardError) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  testing::internal::CaptureStderr();
  open_log(LogLevel::info, redactor);
  log(LogLevel::debug, "not told");
  log(LogLevel::warning, "password is hunter22");
  log(LogLevel::info, "two\nlines \x1b[31m");
  const std::string told = testing::internal::GetCapturedStderr();
  open_log(LogLevel::error, redactor);
  const std::string time = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)";
  EXPECT_TRUE(std::regex_match(
      told, std::regex(time + R"( warning password is \*\*\*\n)" + time + R"( info two\\nlines \\x1b\[31m\n)")))
      << told;
}

}  // namespace
}  // namespace deployer
