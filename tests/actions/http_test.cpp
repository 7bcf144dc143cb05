#include <gmock/gmock.h>

#include "actions/harness.h"
#include "actions/http_answerer.h"
#include "base/text.h"

namespace deployer::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class Http : public testing::Test {
 protected:
  Step& add(const std::string& url, const std::string& more = {}) {
    return harness_.add("http", "{url: '" + url + "'" + (more.empty() ? "" : ", " + more) + "}");
  }
  std::string fails() {
    const RunState state = harness_.run();
    EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
    return step_of(state, "http").error;
  }
  RunHarness harness_;
};

TEST_F(Http, AsksAndGivesStatusAndBody) {
  const HttpAnswerer server(http_answer("201 Created", R"({"id": 7, "more": true})"));
  add(server.url("books?id=1"),
      "method: POST, json: {title: Dune, pages: 412}, headers: {X-Key: a}, "
      "expect: {status: 201, json: {id: 7}}");
  const RunState state = harness_.run();
  ASSERT_EQ(state.status, RunStatus::succeeded) << state.error;
  EXPECT_EQ(step_of(state, "http").outputs, (Json{{"status", 201}, {"body", R"({"id": 7, "more": true})"}}));
  ASSERT_THAT(server.requests(), SizeIs(1));
  const std::string request = server.requests().front();
  EXPECT_THAT(request, StartsWith("POST /books?id=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Key: a\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\n"
                                 R"({"title":"Dune","pages":412})"));
}

TEST_F(Http, LeavesTheTypeOfABodyToItsWriter) {
  const HttpAnswerer server(http_answer("200 OK", ""));
  add(server.url(""), "method: PUT, json: [1], headers: {content-type: application/merge-patch+json}");
  harness_.run();
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests().front(), testing::Not(HasSubstr("application/json")));
}

TEST_F(Http, AnAnswerThatIsNotAsExpectedIsTheEndOfTheStep) {
  const HttpAnswerer server(http_answer("500 Oh", "secret details"));
  add(server.url("x?token=abcdef"));
  EXPECT_EQ(fails(), server.url("x") + ": answered with status 500, expected 200 to 299");
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(Http, OfASecretUrlOnlyTheHostIsTold) {
  const HttpAnswerer server(http_answer("500 Oh", ""));
  harness_.redactor().add("HOOK", server.url("T0/path-of-hook?key=1"));
  add(server.url("T0/path-of-hook?key=1"));
  EXPECT_EQ(fails(), server.url("…") + ": answered with status 500, expected 200 to 299");
  harness_.clear();
  const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port()) + "/";
  harness_.redactor().add("HOOK", nobody + "path-of-hook?key=1");
  add(nobody + "path-of-hook?key=1");
  EXPECT_THAT(fails(), testing::AllOf(HasSubstr("refused"), testing::Not(HasSubstr("path-of-hook"))));
}

TEST_F(Http, FollowsNoRedirect) {
  const HttpAnswerer server(http_answer("302 Found", "", "Location: /elsewhere\r\n"));
  add(server.url(""));
  EXPECT_THAT(fails(), HasSubstr("answered with status 302, expected 200 to 299"));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(Http, IsTriedAgainByTheStepsRetryAlone) {
  const HttpAnswerer server(http_answer("503 Busy", ""));
  add(server.url("")).retry = Retry{3, Duration(0), 1, Duration(0)};
  fails();
  EXPECT_THAT(server.requests(), SizeIs(3));
}

TEST_F(Http, EndsWithTheStepsTimeout) {
  const HttpAnswerer server("");
  add(server.url("")).timeout = std::chrono::milliseconds(100);
  EXPECT_THAT(fails(), HasSubstr("timed out"));
}

TEST_F(Http, NobodyThereIsTheEndOfTheStep) {
  const std::string url = "http://127.0.0.1:" + std::to_string(free_port()) + "/";
  add(url);
  EXPECT_THAT(fails(), HasSubstr("refused"));
}

TEST_F(Http, AGetChangesNothingSoNothingIsToUndo) {
  const HttpAnswerer server(http_answer("200 OK", ""));
  add(server.url(""));
  harness_.add_command("exit 1", "fail");
  EXPECT_THAT(harness_.run().effects, SizeIs(1));  // of the command
}

TEST_F(Http, WhatWasPostedIsTakenBackByTheStepsRollback) {
  const HttpAnswerer server(http_answer("200 OK", ""));
  Step& step = add(server.url(""), "method: POST, body: x");
  step.rollback = UndoOverride{};
  step.rollback->command.shell_text = "touch undone";
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_TRUE(std::filesystem::exists(harness_.project() / "undone"));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(Http, KilledAfterItsRequestEndsWithTheRollback) {
  const HttpAnswerer server(http_answer("200 OK", ""));
  const RunState state = killed_at("effect.after request", harness_, [&](RunHarness& harness) {
    Step& step = harness.add("http", "{url: '" + server.url("") + "', method: DELETE}");
    step.rollback = UndoOverride{};
    step.rollback->command.shell_text = "touch undone";
  });
  EXPECT_EQ(state.status, RunStatus::rolled_back);
  EXPECT_TRUE(std::filesystem::exists(harness_.project() / "undone"));
}

TEST_F(Http, ABodyWithASecretIsNotKept) {
  harness_.redactor().add("TOKEN", "s3cr3t-t0ken");
  const HttpAnswerer server(http_answer("200 OK", "you are s3cr3t-t0ken"));
  add(server.url(""));
  EXPECT_EQ(step_of(harness_.run(), "http").outputs, (Json{{"status", 200}}));
  EXPECT_THAT(harness_.output(), Contains("warning: output 'body' holds a secret and was not kept"));
}

TEST_F(Http, ABodyIsCutTo64KiBBetweenTwoLetters) {
  std::string body = "x";
  while (body.size() < 70 * 1024) body += "ä";
  const HttpAnswerer server(http_answer("200 OK", body));
  add(server.url(""));
  EXPECT_EQ(step_of(harness_.run(), "http").outputs.at("body"), body.substr(0, 64 * 1024 - 1));
}

TEST_F(Http, ABodyThatIsNoTextIsNotKept) {
  const HttpAnswerer server(http_answer("200 OK", "\xff\xfe"));
  add(server.url(""));
  EXPECT_EQ(step_of(harness_.run(), "http").outputs, (Json{{"status", 200}}));
  EXPECT_THAT(harness_.output(), Contains("warning: output 'body' is no text in UTF-8 and was not kept"));
}

TEST_F(Http, InputsAreCheckedWhereTheyStand) {
  EXPECT_THAT(RunHarness::complaints("http", "{url: 'ftp://me:pw@host/x?y', method: FETCH, expect: {status: 20}}"),
              ElementsAre(HasSubstr("'url': 'ftp://host/x' is no http:// or https:// URL"), HasSubstr("not 'FETCH'"),
                          "'status': 20 is no HTTP status"));
  EXPECT_THAT(RunHarness::complaints("http", "{}"), ElementsAre("the key 'url' is missing in with"));
  EXPECT_THAT(RunHarness::complaints("http", "{url: 'https://host/'}"), IsEmpty());
}

TEST_F(Http, HasOneBodyAndOnlyWhereTheMethodHasOne) {
  add("http://localhost/", "method: POST, body: x, json: {}");
  EXPECT_EQ(harness_.check(), "error: step 'http': body and json are two bodies, and a request has one");
  harness_.clear();
  add("http://localhost/", "body: x");
  EXPECT_EQ(harness_.check(), "error: step 'http': a GET request has no body\nhint: say method: POST");
}

}  // namespace
}  // namespace deployer::test
