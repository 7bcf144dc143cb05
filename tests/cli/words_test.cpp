#include "cli/words.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string refusal_of(const std::vector<std::string>& words) {
  try {
    find_operation(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::usage);
    return error.text();
  }
  return "";
}

std::size_t columns_of(const std::string& line) {
  return static_cast<std::size_t>(std::count_if(
      line.begin(), line.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
}

std::vector<std::string> lines_over_80_columns(const std::string& text) {
  std::vector<std::string> wide = split(text, '\n');
  std::erase_if(wide, [](const std::string& line) { return columns_of(line) <= 80; });
  return wide;
}

TEST(Words, FindACommandBetweenFlagsThatStandEverywhere) {
  const Asked asked = find_operation({"-C", "there", "migrate", "--json", "status", "--database=sqlite:///a.db"});
  ASSERT_NE(asked.operation, nullptr);
  EXPECT_EQ(asked.operation->words.front(), "migrate status");
  EXPECT_THAT(asked.rest, ElementsAre("-C", "there", "--json", "--database=sqlite:///a.db"));
}

TEST(Words, AValueOfAFlagIsNoWordOfACommand) {
  const Asked asked = find_operation({"backup", "--tag", "list"});
  EXPECT_EQ(asked.operation->words.front(), "backup create");
  EXPECT_THAT(asked.rest, ElementsAre("--tag", "list"));
}

TEST(Words, BehindTwoDashesAreNoFlags) {
  const Asked asked = find_operation({"create", "--", "--help"});
  EXPECT_EQ(asked.operation->words.front(), "migrate create");
  EXPECT_FALSE(asked.help);
}

TEST(Words, OfTheMigrationsAreKnownWithAndWithoutMigrate) {
  for (const std::string word :
       {"status", "create", "revision", "upgrade", "downgrade", "current", "heads", "history"}) {
    EXPECT_EQ(find_operation({word}).operation, find_operation({"migrate", word}).operation) << word;
  }
}

TEST(Words, MisspeltGetASuggestion) {
  EXPECT_EQ(refusal_of({"statsu"}),
            "error: there is no command 'deployer statsu'\nhint: did you mean 'deployer status'?");
  EXPECT_EQ(refusal_of({"runs", "lsit"}),
            "error: there is no command 'deployer runs lsit'\nhint: did you mean 'deployer runs list'?");
  EXPECT_EQ(refusal_of({"migrate", "upgrad"}),
            "error: there is no command 'deployer migrate upgrad'\nhint: did you mean 'deployer migrate upgrade'?");
  EXPECT_EQ(refusal_of({"frobnicate"}),
            "error: there is no command 'deployer frobnicate'\nhint: deployer help lists all of them");
}

TEST(Words, OfAGroupAloneNameWhatMayFollow) {
  EXPECT_EQ(refusal_of({"migrate"}),
            "error: 'deployer migrate' needs a word behind it\n"
            "hint: status, create, revision, upgrade, downgrade, rehearse, current, heads, history and preflight");
}

TEST(Words, OfALaterVersionAreRefusedByName) {
  for (const std::string& word : later_operations()) {
    EXPECT_EQ(refusal_of(split(word, ' ')),
              "error: 'deployer " + word + "' is not in this version\nhint: deployer help lists what is");
  }
  EXPECT_EQ(refusal_of({"help", "plan"}),
            "error: 'deployer plan' is not in this version\nhint: deployer help lists what is");
  EXPECT_EQ(refusal_of({"hosts", "check"}),
            "error: 'deployer hosts' is not in this version\nhint: deployer help lists what is");
}

TEST(Words, NoneAtAllAreRefused) {
  EXPECT_EQ(refusal_of({}), "error: no command is given\nhint: deployer help lists all of them");
  EXPECT_EQ(refusal_of({"--json"}), "error: no command is given\nhint: deployer help lists all of them");
  EXPECT_EQ(refusal_of({"--jsno"}),
            "error: unknown flag '--jsno' before a command\nhint: deployer help lists what there is");
}

TEST(Help, IsAtMost80ColumnsWideForEveryCommand) {
  EXPECT_THAT(lines_over_80_columns(help_text()), IsEmpty());
  EXPECT_THAT(lines_over_80_columns(help_text(std::string("migrate"))), IsEmpty());
  for (const Operation& operation : operations()) {
    EXPECT_THAT(lines_over_80_columns(help_text(operation)), IsEmpty()) << operation.words.front();
  }
}

TEST(Help, IsThereForEveryWayToSayACommand) {
  for (const Operation& operation : operations()) {
    for (const std::string& words : operation.words) {
      std::vector<std::string> asked = split(words, ' ');
      asked.insert(asked.begin(), "help");
      EXPECT_EQ(find_operation(asked).operation, &operation) << words;
      asked.erase(asked.begin());
      asked.push_back("--help");
      EXPECT_TRUE(find_operation(asked).help) << words;
    }
  }
  EXPECT_EQ(find_operation({"help", "migrate"}).group, "migrate");
  EXPECT_TRUE(find_operation({"help", "help"}).help);
}

TEST(Table, SaysOfEveryFlagWhatItIsFor) {
  for (const Operation& operation : operations()) {
    EXPECT_FALSE(operation.doc.empty()) << operation.words.front();
    for (const Parameter& parameter : operation.parameters) {
      EXPECT_FALSE(parameter.doc.empty()) << operation.words.front() << " " << parameter.name;
    }
  }
}

TEST(HidePasswords, OverwritesUserAndPasswordOfEveryUrlThatHasOne) {
  std::vector<std::string> words = {"deployer",
                                    "--database=mysql://app:s3cret@db:3306/books",
                                    "--var",
                                    "url=mysql://a:b@c/d",
                                    "mysql://app@db/books",
                                    "sqlite:///a@b:c.db"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  EXPECT_TRUE(hide_passwords(static_cast<int>(argv.size()), argv.data()));
  EXPECT_THAT(words, ElementsAre("deployer", "--database=mysql://xxxxxxxxxx@db:3306/books", "--var",
                                 "url=mysql://xxx@c/d", "mysql://app@db/books", "sqlite:///a@b:c.db"));
}

TEST(HidePasswords, SaysWhereThereIsNone) {
  std::string url = "mysql://app@db/books";
  std::vector<char*> argv = {url.data(), url.data()};
  EXPECT_FALSE(hide_passwords(2, argv.data()));
}

}  // namespace
}  // namespace deployer::test
