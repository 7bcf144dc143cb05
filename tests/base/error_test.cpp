#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "base/diagnostic.h"
#include "base/json.h"

namespace deployer {
namespace {

TEST(ErrorKinds, HaveEachALineWithItsOwnName) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ErrorKind::internal); ++i) {
    const ErrorKindInfo& info = error_kind_info(static_cast<ErrorKind>(i));
    EXPECT_EQ(static_cast<int>(info.kind), i);
    names.insert(info.name);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorKind::internal) + 1);
}

TEST(ErrorKinds, GiveTheExitStatusesThatScriptsRelyOn) {
  EXPECT_EQ(error_kind_info(ErrorKind::usage).exit_status, 2);
  EXPECT_EQ(error_kind_info(ErrorKind::invalid).exit_status, 2);
  EXPECT_EQ(error_kind_info(ErrorKind::secret).exit_status, 2);
  EXPECT_EQ(error_kind_info(ErrorKind::missing_tool).exit_status, 2);
  EXPECT_EQ(error_kind_info(ErrorKind::left_behind).exit_status, 3);
  EXPECT_EQ(error_kind_info(ErrorKind::locked).exit_status, 4);
  EXPECT_EQ(error_kind_info(ErrorKind::unsettled).exit_status, 4);
  EXPECT_EQ(error_kind_info(ErrorKind::confirmation).exit_status, 5);
  EXPECT_EQ(error_kind_info(ErrorKind::negative).exit_status, 6);
  EXPECT_EQ(error_kind_info(ErrorKind::failed).exit_status, 1);
  EXPECT_EQ(error_kind_info(ErrorKind::internal).exit_status, 70);
}

TEST(Error, ReadsAsOneLineAndAHint) {
  const Error error(ErrorKind::unavailable, "cannot connect to cache:6379", "is it started?");
  EXPECT_EQ(error.summary(), "cannot connect to cache:6379");
  EXPECT_EQ(error.text(), "error: cannot connect to cache:6379\nhint: is it started?");
}

TEST(Error, TellsWhatItCameFrom) {
  const Error cause = Error(ErrorKind::io, "read: Input/output error", "look at the disk")
                          .caused_by(Error(ErrorKind::no_space, "the disk is full"));
  const Error error = Error(ErrorKind::failed, "step 'backup' failed").caused_by(cause);
  EXPECT_EQ(error.summary(), "step 'backup' failed: read: Input/output error: the disk is full");
  EXPECT_EQ(error.text(),
            "error: step 'backup' failed: read: Input/output error: the disk is full\nhint: look at the disk");
}

TEST(Error, ShowsItsPlacesInsteadOfASummary) {
  const Error error(
      ErrorKind::invalid, "the document is wrong",
      {{{"p.yml", 3, 1}, Level::error, "unknown-key", "unknown key 'onn'", "did you mean 'on'?", "onn: x"}});
  EXPECT_EQ(error.text(), "p.yml:3:1: error: unknown key 'onn'\n    onn: x\n    ^\n    hint: did you mean 'on'?");
}

TEST(Error, ComesFromErrnoWithItsKind) {
  EXPECT_EQ(io_error(EACCES, "open /x").text(), "error: open /x: Permission denied");
  EXPECT_EQ(io_error(EACCES, "open /x").kind, ErrorKind::io);
  EXPECT_EQ(io_error(ENOSPC, "write /x").kind, ErrorKind::no_space);
  EXPECT_EQ(io_error(EDQUOT, "write /x").kind, ErrorKind::no_space);
  EXPECT_EQ(io_error(EFBIG, "write /x").kind, ErrorKind::no_space);
  EXPECT_EQ(io_error(ENOENT, "open /x").kind, ErrorKind::io);
  EXPECT_EQ(io_error(ENOENT, "open /x", true).kind, ErrorKind::not_found);
}

TEST(Error, IsToldInJson) {
  const Error error = Error(ErrorKind::invalid, "wrong", {{{"p.yml", 3, 1}, Level::warning, "r", "m", "h", "excerpt"}});
  EXPECT_EQ(dump(to_json(error)),
            R"({"kind":"invalid","message":"wrong","hint":"","diagnostics":[{"file":"p.yml","line":3,"column":1,)"
            R"("level":"warning","rule":"r","message":"m","hint":"h"}]})");
}

TEST(Location, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ((Location{"p.yml", 3, 4}.text()), "p.yml:3:4");
  EXPECT_EQ((Location{"p.yml", 3, 0}.text()), "p.yml:3");
  EXPECT_EQ((Location{"p.yml", 0, 4}.text()), "p.yml");
  EXPECT_EQ((Location{}.text()), "");
}

TEST(Diagnostic, PointsAtItsColumnThroughTabs) {
  const Diagnostic diagnostic{{"p.yml", 1, 3}, Level::error, "", "bad", "", "\ta: b"};
  EXPECT_EQ(diagnostic.text(), "p.yml:1:3: error: bad\n    \ta: b\n    \t ^");
}

TEST(Diagnostic, NamesTheRuleOfAWarning) {
  const Diagnostic diagnostic{{"m.sql", 2, 1}, Level::warning, "drop-table", "drops a table", "", ""};
  EXPECT_EQ(diagnostic.text(), "m.sql:2:1: warning[drop-table]: drops a table");
  EXPECT_FALSE(has_errors({diagnostic}));
  EXPECT_TRUE(has_errors({diagnostic, {{}, Level::error, "", "x", "", ""}}));
}

TEST(Json, StaysValidWhateverBytesItHolds) {
  EXPECT_EQ(dump(Json{{"a", "x\xFFy"}}), "{\"a\":\"x\xEF\xBF\xBDy\"}");
  EXPECT_EQ(dump_pretty(Json{{"b", 1}, {"a", Json::array()}}), "{\n  \"b\": 1,\n  \"a\": []\n}");
}

TEST(Json, NamesWhatCannotBeRead) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2]})", "the manifest").value()["a"][1], 2);
  const Result<Json> broken = parse_json("{", "the manifest");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, ErrorKind::invalid);
  EXPECT_EQ(broken.error().message.rfind("the manifest is not JSON: ", 0), 0U);
}

}  // namespace
}  // namespace deployer
