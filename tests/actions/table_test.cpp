#include "actions/table.h"

#include <gmock/gmock.h>

#include "actions/harness.h"

namespace deployer::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ActionTable, FindsAnActionByItsWord) {
  ASSERT_NE(find_action("restart"), nullptr);
  EXPECT_EQ(find_action("restart")->spec().word, "restart");
  EXPECT_EQ(find_action("reboot"), nullptr);
}

TEST(ActionTable, GivesEachActionOneWordAndADocString) {
  std::vector<std::string> words;
  for (const Action* action : all_actions()) {
    EXPECT_FALSE(action->spec().doc.empty()) << action->spec().word;
    EXPECT_THAT(words, testing::Not(Contains(action->spec().word)));
    words.push_back(action->spec().word);
    for (const Parameter& input : action->spec().inputs) EXPECT_FALSE(input.doc.empty()) << input.name;
  }
  EXPECT_EQ(action_words().size(), words.size());
}

TEST(ActionTable, NamesNoWordThatExistsAsALaterOne) {
  for (const std::string& word : later_actions()) EXPECT_EQ(find_action(word), nullptr) << word;
}

TEST(ActionInputs, RefuseByNameWhatThisVersionDoesNotHave) {
  EXPECT_THAT(RunHarness::complaints("restart", "docker_compose: {file: compose.yml}"),
              ElementsAre("'docker_compose': not in this version"));
  EXPECT_THAT(RunHarness::complaints("dependencies", "manager: npm"),
              ElementsAre("'manager': npm is not in this version"));
}

TEST(ActionInputs, AreCheckedWhereTheyStand) {
  EXPECT_THAT(RunHarness::complaints("health_check", "{tcp: localhost, successes: 0, expect: {status: 20}}"),
              ElementsAre("'tcp': 'localhost' is no host:port", "'status': 20 is no HTTP status",
                          "'successes': at least 1 is needed"));
  EXPECT_THAT(RunHarness::complaints("validate", "disk_free: {path: x, at_least: 2x}"),
              ElementsAre("'at_least': '2x' is neither a size (2GiB) nor a multiple of the database (2x-database)"));
  EXPECT_THAT(RunHarness::complaints("restart", "daemon: {name: a/b, command: [x]}"),
              ElementsAre("'name': 'a/b' is no name of a service: letters, digits, '.', '_' and '-'"));
  EXPECT_THAT(RunHarness::complaints("connectivity", "tcp: 'cache:6379'"), IsEmpty());
}

}  // namespace
}  // namespace deployer::test
