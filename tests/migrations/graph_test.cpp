#include "migrations/graph.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "project.h"

namespace deployer::migrations {
namespace {

using Set = std::set<std::string>;

/// a1 - b1 - b2 (label blue) and a1 - c1 - c2; c2 depends on b1; m merges b2 and c2.
Graph two_branches(bool merged, const Project& project = {}) {
  project.revision("a1", "");
  project.revision("b1", "a1", {}, {"branch-labels: blue"});
  project.revision("b2", "b1");
  project.revision("c1", "a1", {}, {"branch-labels: red"});
  project.revision("c2", "c1", {}, {"depends-on: b1"});
  if (merged) project.revision("m", "b2, c2");
  return project.graph();
}

TEST(Graph, OfAFolderThatIsNotThereIsEmpty) {
  const Project project;
  EXPECT_TRUE(project.graph().revisions().empty());
  EXPECT_EQ(project.graph().plan_upgrade("head", {}), Ids{});
  EXPECT_EQ(project.graph().resolve("heads", {}), Ids{});
}

TEST(Graph, PassesOverWhatIsNoRevision) {
  const Project project;
  project.revision("a1", "");
  project.file("template.sql", "-- revision: %(revision)s\n");
  project.file(".hidden.sql", "x");
  project.file("README.md", "x");
  project.file("repeatable/.gitkeep", "");
  EXPECT_EQ(project.graph().heads(), Ids{"a1"});
}

TEST(Graph, KnowsHeadsBasesAndBranchPoints) {
  const Graph graph = two_branches(false);
  EXPECT_EQ(graph.heads(), (Ids{"b2", "c2"}));
  EXPECT_EQ(graph.bases(), Ids{"a1"});
  EXPECT_EQ(graph.branch_points(), Ids{"a1"});
  EXPECT_EQ(graph.ancestors("c2"), (Set{"a1", "b1", "c1"}));
  EXPECT_EQ(graph.descendants("b1"), (Set{"b2", "c2"}));
  EXPECT_TRUE(graph.is_head("b2"));
  EXPECT_FALSE(graph.is_head("b1"));
  EXPECT_EQ(two_branches(true).heads(), Ids{"m"});
}

// What alembic 1.8.1 answers for the same revisions.
TEST(Graph, OrdersAsAlembicAlongOneBranchAfterTheOther) {
  EXPECT_EQ(two_branches(true).newest_first(), (Ids{"m", "b2", "c2", "c1", "b1", "a1"}));
  EXPECT_EQ(two_branches(false).plan_upgrade("heads", {}), (Ids{"a1", "b1", "c1", "c2", "b2"}));
}

TEST(Graph, NamesEveryMistakeInOneGo) {
  const Project project;
  project.revision("a1", "");
  project.file("copy.sql", "-- revision: a1\n-- migrate:up\n");
  project.revision("b1", "a2", {}, {"branch-labels: blue, a1"});
  project.revision("c1", "a1", {}, {"branch-labels: blue", "depends-on: zzzzzz"});
  project.revision("x1", "x3");
  project.revision("x2", "x1");
  project.revision("x3", "x2");
  project.revision("y", "x3");
  project.file("broken.sql", "SELECT 1;\n-- migrate:up\n");
  project.file("repeatable/views.sql", "CREATE VIEW v AS SELECT 1;");
  EXPECT_EQ(project.complaint(),
            "repeatable/views.sql: error: repeatable migrations are not in this version\n"
            "    hint: make a revision of it\n"
            "broken.sql:1:1: error: something stands before '-- migrate:up'\n"
            "    SELECT 1;\n    ^\n"
            "    hint: statements belong behind that line\n"
            "broken.sql:1:1: error: the header has no revision\n"
            "    SELECT 1;\n    ^\n"
            "    hint: its first line is written -- revision: ID\n"
            "copy.sql:1:1: error: revision 'a1' stands in two files\n"
            "    hint: the other is a1.sql\n"
            "b1.sql:2:1: error: revision 'b1' revises 'a2', which no file has\n"
            "    hint: did you mean 'a1'?\n"
            "b1.sql:3:1: error: the branch label 'a1' is a revision's id\n"
            "    hint: give it another name\n"
            "c1.sql:4:1: error: revision 'c1' depends on 'zzzzzz', which no file has\n"
            "c1.sql:3:1: error: the branch label 'blue' stands twice\n"
            "    hint: the other is revision 'b1'\n"
            "x1.sql:2:1: error: the revisions x1, x2 and x3 form a cycle");
}

TEST(Graph, FindsARevisionThatRevisesItself) {
  const Project project;
  project.revision("a1", "a1");
  EXPECT_EQ(project.complaint(), "a1.sql:2:1: error: revision 'a1' comes before itself");
}

class GraphWords : public ::testing::Test {
 protected:
  Ids resolve(const std::string& word, const Ids& current = {}) { return graph_.resolve(word, current); }
  std::string refusal(const std::string& word, const Ids& current = {}) {
    return error_text([&] { resolve(word, current); });
  }
  const Graph graph_ = two_branches(false);
};

TEST_F(GraphWords, NameRevisionsByIdAndPart) {
  EXPECT_EQ(resolve("a1"), Ids{"a1"});
  EXPECT_EQ(resolve("a"), Ids{"a1"});
  EXPECT_EQ(resolve("red"), Ids{"c1"});
  EXPECT_EQ(refusal("b"), "error: 'b' could be several revisions: b1 and b2\nhint: write more of it");
  EXPECT_EQ(refusal("c3"), "error: there is no revision 'c3'\nhint: did you mean 'c1'?");
  EXPECT_EQ(refusal("nothing-like-it"),
            "error: there is no revision 'nothing-like-it'\nhint: deployer history lists all of them");
  EXPECT_EQ(refusal("haed"), "error: there is no revision 'haed'\nhint: did you mean 'head'?");
}

TEST_F(GraphWords, NameHeadsBaseAndWhereTheDatabaseStands) {
  EXPECT_EQ(resolve("heads"), (Ids{"b2", "c2"}));
  EXPECT_EQ(refusal("head"),
            "error: there are several heads: b2 and c2\nhint: name one, say heads for all of them, or merge them");
  EXPECT_EQ(two_branches(true).resolve("head", {}), Ids{"m"});
  EXPECT_EQ(resolve("base"), Ids{});
  EXPECT_EQ(resolve("current", {"b1", "c1"}), (Ids{"b1", "c1"}));
  EXPECT_EQ(resolve("current", {}), Ids{});
}

TEST_F(GraphWords, CountSteps) {
  EXPECT_EQ(resolve("+1"), Ids{"a1"});
  EXPECT_EQ(resolve("base+1"), Ids{"a1"});
  EXPECT_EQ(resolve("b1+1"), Ids{"b2"});
  EXPECT_EQ(resolve("b2-2"), Ids{"a1"});
  EXPECT_EQ(resolve("b2-3"), Ids{});
  EXPECT_EQ(resolve("-1", {"c1"}), Ids{"a1"});
  EXPECT_EQ(resolve("current-1", {"c2"}), Ids{"c1"});
  EXPECT_EQ(resolve("current+1", {"c1"}), Ids{"c2"});
  EXPECT_EQ(refusal("+1", {"a1"}), "error: '+1' could lead to several revisions: b1 and c1\nhint: name one of them");
  EXPECT_EQ(refusal("-1", {"b1", "c1"}),
            "error: '-1' counts from several revisions: b1 and c1\nhint: name one of them");
  EXPECT_EQ(refusal("b2+1"), "error: 'b2+1' goes beyond the head");
  EXPECT_EQ(refusal("a1-2"), "error: 'a1-2' goes beyond the base");
  EXPECT_EQ(refusal("-1"), "error: '-1' goes beyond the base");
  EXPECT_EQ(refusal("-1", {"gone"}), "error: '-1' counts from revision 'gone', which no file has");
  EXPECT_EQ(refusal("a1+99999999999"),
            "error: there is no revision 'a1+99999999999'\nhint: deployer history lists all of them");
}

TEST_F(GraphWords, KeepToABranch) {
  EXPECT_EQ(resolve("blue@head"), Ids{"b2"});
  EXPECT_EQ(resolve("red@head"), Ids{"c2"});
  EXPECT_EQ(resolve("c1@heads"), Ids{"c2"});
  EXPECT_EQ(resolve("blue@+1", {"a1"}), Ids{"b1"});
  EXPECT_EQ(resolve("blue@-1", {"b2", "c1"}), Ids{"b1"});
  EXPECT_EQ(resolve("red@c2"), Ids{"c2"});
  EXPECT_EQ(refusal("blue@b"), "error: 'b' could be several revisions: b1 and b2\nhint: write more of it");
  EXPECT_EQ(refusal("a1@head"),
            "error: there are several heads: b2 and c2\nhint: name one, say heads for all of them, or merge them");
  EXPECT_EQ(refusal("blue@c1"), "error: revision 'c1' is not in that branch");
  EXPECT_EQ(refusal("green@head"), "error: there is no revision 'green'\nhint: deployer history lists all of them");
  // c2 depends on b1, so `current` does not name b1; the branch stands there all the same.
  EXPECT_EQ(resolve("blue@+1", {"c2"}), Ids{"b2"});
}

TEST_F(GraphWords, ThatSayNothingAreRefused) {
  EXPECT_EQ(refusal(""), "error: no revision is named\nhint: a revision, head, heads, base, +1 or -1");
  EXPECT_EQ(refusal("blue@"), "error: 'blue@' names no revision\nhint: a revision, head, heads, base, +1 or -1");
  EXPECT_EQ(refusal("@head"), "error: '@head' names no branch\nhint: as in billing@head");
  EXPECT_EQ(refusal("a1:b1"), "error: 'a1:b1' is a range, and one revision is asked for");
}

TEST_F(GraphWords, NameRanges) {
  EXPECT_EQ(graph_.range("a1:b2", {}, false), (Ids{"b1", "b2"}));
  EXPECT_EQ(graph_.range("a1:b2", {}, true), (Ids{"a1", "b1", "b2"}));
  EXPECT_EQ(graph_.range(":blue@head", {}, false), (Ids{"a1", "b1", "b2"}));
  EXPECT_EQ(graph_.range("c1:", {}, false), (Ids{"b1", "c2", "b2"}));
  EXPECT_EQ(graph_.range("-1:current", {"b2"}, false), Ids{"b2"});
  EXPECT_EQ(error_text([&] { graph_.range("b1", {}, false); }),
            "error: 'b1' is no range\nhint: as in base:head, or 9a38:");
  EXPECT_EQ(error_text([&] { graph_.range("b2:a1", {}, false); }),
            "error: revision 'b2' does not come before a1\nhint: a range goes from the older to the newer");
}

TEST(GraphWordsWithDashes, AreIdsFirst) {
  const Project project;
  project.revision("rel-1", "");
  project.revision("rel-1-2", "rel-1");
  project.revision("rel-1-3", "rel-1-2");
  const Graph graph = project.graph();
  EXPECT_EQ(graph.resolve("rel-1-3", {}), Ids{"rel-1-3"});
  EXPECT_EQ(graph.resolve("rel-1-3-1", {}), Ids{"rel-1-2"});
  EXPECT_EQ(graph.resolve("rel-1+1", {}), Ids{"rel-1-2"});
}

TEST(UpgradePlan, TakesWhatIsMissingWithItsDependencies) {
  const Graph graph = two_branches(true);
  EXPECT_EQ(graph.plan_upgrade("head", {}), (Ids{"a1", "b1", "c1", "c2", "b2", "m"}));
  EXPECT_EQ(graph.plan_upgrade("c2", {"a1"}), (Ids{"b1", "c1", "c2"}));
  EXPECT_EQ(graph.plan_upgrade("+1", {"a1", "b1"}), Ids{"b2"});
  EXPECT_EQ(graph.plan_upgrade("a1", {"a1", "b1"}), Ids{});
  EXPECT_EQ(graph.plan_upgrade("blue@+1", {"a1"}), Ids{"b1"});
}

TEST(UpgradePlan, SkipsNothingInSilence) {
  const Project project;
  const Graph graph = two_branches(false, project);
  EXPECT_EQ(error_text([&] {
              graph.plan_upgrade("heads", {"a1", "c1", "c2"});
            }),
            project.folder().string() +
                "/c2.sql:1:1: error: 'c2' is applied, and 'b1', which comes before it, is not\n"
                "    hint: nothing is skipped in silence: downgrade below 'b1' first");
  EXPECT_EQ(error_text([&] {
              graph.plan_upgrade("heads", {"a1", "zz"});
            }),
            "error: the database is ahead: revision 'zz' is applied, and no file has it\n"
            "hint: get the files of that revision, or downgrade");
}

TEST(DowngradePlan, TakesBackWhatStandsBehindTheTarget) {
  const Graph graph = two_branches(false);
  const Set all = {"a1", "b1", "b2", "c1", "c2"};
  EXPECT_EQ(graph.plan_downgrade("base", all, {}), (Ids{"b2", "c2", "c1", "b1", "a1"}));
  EXPECT_EQ(graph.plan_downgrade("a1", all, {}), (Ids{"b2", "c2", "c1", "b1"}));
  EXPECT_EQ(graph.plan_downgrade("b1", all, {}), Ids{"b2"}) << "c2 depends on b1, which stays";
  EXPECT_EQ(graph.plan_downgrade("blue@-1", all, {}), Ids{"b2"});
  EXPECT_EQ(graph.plan_downgrade("blue@-2", all, {}), (Ids{"b2", "c2", "b1"})) << "c2 depends on b1, which goes";
  EXPECT_EQ(graph.plan_downgrade("heads", all, {}), Ids{});
  EXPECT_EQ(graph.plan_downgrade("-1", {"a1"}, {}), Ids{"a1"});
  EXPECT_EQ(graph.plan_downgrade("base", {}, {}), Ids{});
  EXPECT_EQ(error_text([&] { graph.plan_downgrade("c1", {"a1"}, {}); }),
            "error: revision 'c1' is not applied\nhint: deployer current says what is");
}

TEST(DowngradePlan, OfABranchLeavesTheOthers) {
  const Project project;
  project.revision("a1", "", {}, {"branch-labels: left"});
  project.revision("a2", "a1");
  project.revision("z1", "", {}, {"branch-labels: right"});
  project.revision("z2", "z1");
  const Graph graph = project.graph();
  const Set all = {"a1", "a2", "z1", "z2"};
  EXPECT_EQ(graph.plan_downgrade("left@base", all, {}), (Ids{"a2", "a1"}));
  EXPECT_EQ(graph.plan_downgrade("right@-2", all, {}), (Ids{"z2", "z1"}));
  EXPECT_EQ(graph.plan_downgrade("z2-2", all, {}), (Ids{"z2", "z1"}));
  EXPECT_EQ(graph.plan_downgrade("base", all, {}), (Ids{"a2", "a1", "z2", "z1"}));
}

TEST(DowngradePlan, KnowsWhatOnlyTheHistoryKnows) {
  const Project project;
  project.revision("a1", "");
  const Graph graph = project.graph();
  const std::map<std::string, Parents> known = {{"a1", {}}, {"b1", {{"a1"}, {}}}, {"b2", {{"b1"}, {}}}};
  EXPECT_EQ(graph.plan_downgrade("a1", {"a1", "b1", "b2"}, known), (Ids{"b2", "b1"}));
  EXPECT_EQ(graph.plan_downgrade("-1", {"a1", "b1", "b2"}, known), Ids{"b2"});
  EXPECT_EQ(graph.plan_downgrade("b1", {"a1", "b1", "b2"}, known), Ids{"b2"});
}

// Random graphs, each with the order of alembic 1.8.1 (iterate_revisions("heads", "base")).
TEST(Topological, IsAlembicsOrder) {
  struct Case {
    std::map<std::string, Ids> before;
    Ids newest_first;
  };
  const std::vector<Case> cases = {
      {{{"r907", {}},
        {"r314", {"r907"}},
        {"r196", {"r907"}},
        {"r599", {}},
        {"r129", {"r907"}},
        {"r955", {"r314"}},
        {"r499", {"r907", "r129", "r599"}}},
       {"r196", "r499", "r129", "r955", "r314", "r907", "r599"}},
      {{{"r666", {}},
        {"r338", {"r666"}},
        {"r453", {"r666", "r338"}},
        {"r336", {}},
        {"r793", {"r336", "r338"}},
        {"r324", {"r336"}},
        {"r879", {"r336"}},
        {"r570", {}}},
       {"r324", "r793", "r453", "r338", "r570", "r666", "r879", "r336"}},
      {{{"r272", {}},
        {"r772", {"r272"}},
        {"r379", {"r772"}},
        {"r763", {"r772", "r379"}},
        {"r828", {"r772"}},
        {"r401", {"r272", "r763"}},
        {"r565", {"r272"}},
        {"r819", {"r763"}},
        {"r429", {"r565", "r763"}}},
       {"r401", "r429", "r565", "r819", "r828", "r763", "r379", "r772", "r272"}},
      {{{"r684", {}},
        {"r119", {"r684"}},
        {"r163", {"r119", "r684"}},
        {"r808", {"r119", "r163"}},
        {"r463", {"r808"}},
        {"r693", {"r119"}},
        {"r241", {"r808", "r119"}}},
       {"r241", "r463", "r808", "r163", "r693", "r119", "r684"}},
  };
  for (const Case& one : cases) {
    Set ids;
    for (const auto& entry : one.before) ids.insert(entry.first);
    Ids order = topological(ids, one.before);
    std::reverse(order.begin(), order.end());
    EXPECT_EQ(order, one.newest_first);
  }
}

TEST(Topological, LeavesOutWhatIsInACycleOrBehindOne) {
  EXPECT_EQ(topological({"a", "b", "c", "d"}, {{"a", {"b"}}, {"b", {"a"}}, {"c", {"b"}}}), Ids{"d"});
}

}  // namespace
}  // namespace deployer::migrations
