#include <gmock/gmock.h>

#include <cstdlib>

#include "actions/harness.h"
#include "base/text.h"

namespace deployer::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class ReleaseOfGit : public testing::Test {
 protected:
  void SetUp() override {
    shell("git init --quiet --initial-branch=main origin");
    commit("1");
    shell("git -C origin tag v1");
    commit("2");
  }

  void shell(const std::string& text) const {
    EXPECT_EQ(std::system(("cd '" + harness_.project().string() + "' && export HOME=\"$PWD\" && { " + text +
                           "; } >shell.out 2>&1")
                              .c_str()),
              0)
        << text << ": " << read_file(harness_.project() / "shell.out");
  }
  std::string said(const std::string& text) const {
    shell(text);
    return std::string(trim(read_file(harness_.project() / "shell.out")));
  }
  void commit(const std::string& version) const {
    harness_.folder().write("origin/version", version + "\n");
    shell("cd origin && git add --all && git -c user.name=t -c user.email=t@localhost commit --quiet -m " + version);
  }
  void add(const std::string& ref, const std::string& more = {}) {
    harness_.clear();
    harness_.add("release", "{source: {git: origin, ref: " + ref + "}, directory: site" + more + "}");
  }
  std::filesystem::path site() const { return harness_.project() / "site"; }
  std::string version() const { return std::string(trim(read_file(site() / "current/version"))); }
  RunState succeeds() {
    RunState state = harness_.run();
    EXPECT_EQ(state.status, RunStatus::succeeded) << state.error;
    return state;
  }
  std::string fails() {
    const RunState state = harness_.run();
    EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
    return step_of(state, "release").error;
  }

  RunHarness harness_;
};

TEST_F(ReleaseOfGit, ReleasesBranchesTagsCommitsAndHead) {
  const std::string first = said("git -C origin rev-parse v1");
  const std::vector<std::pair<std::string, std::string>> refs = {
      {"main", "2"}, {"v1", "1"},    {first, "1"}, {"'" + first.substr(0, 7) + "'", "1"}, {"refs/heads/main", "2"},
      {"HEAD", "2"}, {"main~1", "1"}};
  for (const auto& [ref, wanted] : refs) {
    add(ref);
    const std::string id = step_of(succeeds(), "release").outputs.at("id");
    EXPECT_EQ(version(), wanted) << ref;
    EXPECT_THAT(id, MatchesRegex("20[0-9]{12}-[0-9a-f]{7}(-[0-9]+)?"));
  }
  EXPECT_EQ(read_file(site() / "current/REVISION"), first + "\n");
  EXPECT_THAT(Files().list(site()), ElementsAre("current", "releases", "repo", "shared"));
}

TEST_F(ReleaseOfGit, FetchesWhatIsNewAndFollowsAForcedBranch) {
  add("main");
  succeeds();
  shell("git -C origin reset --quiet --hard v1");
  commit("3");
  succeeds();
  EXPECT_EQ(version(), "3");
}

TEST_F(ReleaseOfGit, NamesARefThatIsNotThereAndLeavesNothing) {
  add("no-such");
  const std::string origin = (harness_.project() / "origin").string();
  EXPECT_EQ(fails(), "'no-such' is no branch, tag or commit of " + origin);
  EXPECT_FALSE(Files().exists(site()));
  add("main");
  succeeds();
  add("no-such");
  EXPECT_EQ(fails(), "'no-such' is no branch, tag or commit of " + origin);
  EXPECT_EQ(version(), "2");
}

TEST_F(ReleaseOfGit, NamesARepositoryThatCannotBeFetched) {
  harness_.add("release", "{source: {git: nowhere}, directory: site}");
  EXPECT_THAT(fails(), HasSubstr("git fetch of " + (harness_.project() / "nowhere").string() + " exited with status"));
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(ReleaseOfGit, TakesNoOptionForAName) {
  harness_.add("release", "{source: {git: origin, ref: --help}, directory: site}");
  EXPECT_EQ(harness_.check(), "error: '--help' is no name of a commit");
  harness_.clear();
  harness_.add("release", "{source: {git: --upload-pack=x}, directory: site}");
  EXPECT_EQ(harness_.check(), "error: '--upload-pack=x' is no address of a repository");
}

TEST_F(ReleaseOfGit, RepairsAMirrorThatHasLostAllItsObjects) {
  add("main");
  succeeds();
  shell("find site/repo/objects -type f -delete");
  succeeds();
  EXPECT_EQ(version(), "2");
}

TEST_F(ReleaseOfGit, RepairsAMirrorThatLacksAFileOfTheCommit) {
  add("main");
  succeeds();
  shell(
      "blob=$(git -C site/repo rev-parse main:version) && rm site/repo/objects/$(echo $blob | cut -c1-2)/$(echo $blob "
      "| cut -c3-)");
  succeeds();
  EXPECT_EQ(version(), "2");
  EXPECT_THAT(harness_.output(), Contains(HasSubstr("the mirror " + (site() / "repo").string() + " is damaged")));
}

TEST_F(ReleaseOfGit, RepairsAMirrorThatIsNone) {
  harness_.folder().write("site/repo/half", "");
  harness_.folder().write("site/repo.part/half", "");
  add("main");
  succeeds();
  EXPECT_EQ(version(), "2");
  EXPECT_THAT(Files().list(site()), ElementsAre("current", "releases", "repo", "shared"));
}

TEST_F(ReleaseOfGit, FetchesOverTheLocksOfAGitThatWasKilled) {
  add("main");
  succeeds();
  commit("3");
  shell("touch site/repo/refs/heads/main.lock site/repo/packed-refs.lock site/repo/HEAD.lock");
  succeeds();
  EXPECT_EQ(version(), "3");
  EXPECT_FALSE(Files().exists(site() / "repo/packed-refs.lock"));
}

TEST_F(ReleaseOfGit, RemovesTheMirrorThatAFailedRunHasMade) {
  add("main");
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(ReleaseOfGit, KilledWhileItFetchesLeavesNothing) {
  add("main");
  int children = 0;
  const RunState state =
      harness_.run_killed_on([&](const Event& event) { return event.kind == "child_started" && ++children == 2; });
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(ReleaseOfGit, TellsThatSubmodulesAreNotInIt) {
  harness_.folder().write("origin/.gitmodules", "");
  commit("3");
  add("main");
  succeeds();
  EXPECT_THAT(harness_.output(), Contains(HasSubstr("the submodules of ")));
}

}  // namespace
}  // namespace deployer::test
