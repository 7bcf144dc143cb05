#include "engine/child.h"

#include <gmock/gmock.h>

namespace deployer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct OutputsText {
  Json outputs;
  std::vector<std::string> complaints;
};

OutputsText parsed(const std::string& text) {
  OutputsText found;
  found.outputs = parse_outputs(text, [&](const std::string& complaint) { found.complaints.push_back(complaint); });
  return found;
}

TEST(Outputs, AreKeyAndValueLines) {
  const OutputsText found = parsed("url=http://a/?b=c\nempty=\n\n");
  EXPECT_EQ(found.outputs, (Json{{"url", "http://a/?b=c"}, {"empty", ""}}));
  EXPECT_THAT(found.complaints, IsEmpty());
}

TEST(Outputs, MayHaveSeveralLines) {
  const OutputsText found = parsed("notes<<END\none\ntwo=2\nEND\nafter=x\n");
  EXPECT_EQ(found.outputs, (Json{{"notes", "one\ntwo=2"}, {"after", "x"}}));
}

TEST(Outputs, ABlockThatDoesNotEndIsToldAndNotKept) {
  const OutputsText found = parsed("a=1\nnotes<<END\none\n");
  EXPECT_EQ(found.outputs, (Json{{"a", "1"}}));
  EXPECT_THAT(found.complaints, ElementsAre("output 'notes' has no line 'END' at its end and was not kept"));
}

TEST(Outputs, ALineThatIsNeitherIsTold) {
  const OutputsText found = parsed("just words\na=1\n");
  EXPECT_EQ(found.outputs, (Json{{"a", "1"}}));
  EXPECT_EQ(found.complaints.size(), 1U);
}

}  // namespace
}  // namespace deployer
