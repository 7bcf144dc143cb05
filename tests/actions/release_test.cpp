#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "actions/harness.h"
#include "base/text.h"

namespace deployer::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

std::string inputs_of_folder(const std::string& more = {}) {
  return "{source: {path: build}, directory: site" + (more.empty() ? "" : ", " + more) + "}";
}

class Release : public testing::Test {
 protected:
  void SetUp() override { prepare(harness_); }

  static void prepare(RunHarness& harness) {
    harness.folder().write("build/app.py", "version 2\n");
    harness.folder().write("build/bin/start", "#!/bin/sh\n", 0755);
    std::filesystem::create_symlink("app.py", harness.project() / "build/link");
  }
  static constexpr const char* previous = "20200101000000";
  /// A release of an earlier run, in use.
  static void put_previous(const RunHarness& harness) {
    harness.folder().write(std::string("site/releases/") + previous + "/app.py", "version 1\n");
    std::filesystem::create_directories(harness.project() / "site/shared");
    std::filesystem::create_symlink(std::string("releases/") + previous, harness.project() / "site/current");
  }
  std::filesystem::path site() const { return harness_.project() / "site"; }
  std::string current() const { return std::filesystem::read_symlink(site() / "current").string(); }
  std::vector<std::string> releases() const { return Files().list(site() / "releases"); }
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
  void shell(const std::string& text) const {
    EXPECT_EQ(std::system(("cd '" + harness_.project().string() + "' && { " + text + "; } >shell.out 2>&1").c_str()), 0)
        << read_file(harness_.project() / "shell.out");
  }
  /// Every path below the site with its kind and content, comparable.
  static std::string tree(const RunHarness& harness) {
    const std::string out = (harness.project() / "tree.out").string();
    const std::string site = (harness.project() / "site").string();
    EXPECT_EQ(
        std::system(("if test -e '" + site + "'; then cd '" + site +
                     "' && find . -printf '%p %y %l %m\\n' | sort && find . -type f | sort | xargs -r cat; fi >'" +
                     out + "' 2>&1")
                        .c_str()),
        0);
    return read_file(out);
  }

  RunHarness harness_;
};

TEST_F(Release, LaysAFolderOutAsCapistranoDoes) {
  harness_.add("release", inputs_of_folder());
  const RunState state = succeeds();
  const std::string id = step_of(state, "release").outputs.at("id");
  EXPECT_THAT(id, MatchesRegex("20[0-9]{12}"));
  EXPECT_EQ(step_of(state, "release").outputs.at("path"), (site() / "releases" / id).string());
  EXPECT_EQ(current(), "releases/" + id);
  EXPECT_THAT(Files().list(site()), ElementsAre("current", "releases", "shared"));
  EXPECT_EQ(read_file(site() / "current/app.py"), "version 2\n");
  EXPECT_EQ(Files().info(site() / "current/bin/start")->mode, 0755U);
  EXPECT_EQ(std::filesystem::read_symlink(site() / "current/link"), "app.py");
}

TEST_F(Release, PointsToThePreviousOneAgainWhenTheRunFails) {
  put_previous(harness_);
  const std::string before = tree(harness_);
  harness_.add("release", inputs_of_folder("shared: [log, config/keys]"));
  harness_.add_command("cat site/current/app.py; test -d site/current/config/keys; false", "fail");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
  EXPECT_EQ(state.verified, true);
  EXPECT_THAT(harness_.output(), testing::Contains("version 2"));
  EXPECT_EQ(tree(harness_), before);
}

TEST_F(Release, LeavesNothingWhereThereWasNothing) {
  harness_.add("release", inputs_of_folder("shared: log"));
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(Release, KeepsWhatTheServiceWroteIntoASharedFolderMeanwhile) {
  harness_.add("release", inputs_of_folder("shared: log"));
  harness_.add_command("echo line >site/current/log/app; false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_EQ(read_file(site() / "shared/log/app"), "line\n");
  EXPECT_THAT(releases(), IsEmpty());
}

TEST_F(Release, TwiceIsTwoReleasesAlsoInTheSameSecond) {
  harness_.add("release", inputs_of_folder(), "one");
  harness_.add("release", inputs_of_folder(), "two");
  const RunState state = succeeds();
  EXPECT_NE(step_of(state, "one").outputs.at("id"), step_of(state, "two").outputs.at("id"));
  EXPECT_EQ(current(), "releases/" + step_of(state, "two").outputs.at("id").get<std::string>());
  EXPECT_THAT(releases(), SizeIs(2));
}

TEST_F(Release, KeepsTheNewestThePreviousAndWhatIsLinked) {
  put_previous(harness_);
  for (const char* id : {"20190101000000", "20210101000000", "20220101000000-abcdef1", "20230101000000"}) {
    harness_.folder().write(std::string("site/releases/") + id + "/app.py", "");
  }
  std::filesystem::permissions(site() / "releases/20190101000000", std::filesystem::perms::owner_read);
  harness_.folder().write("site/releases/20180101000000.part/app.py", "");
  harness_.folder().write("site/releases/mine/app.py", "");
  std::filesystem::create_symlink("releases/20210101000000/", site() / "stable");
  harness_.folder().write("site/releases/20200601000000/bin/start", "");
  std::filesystem::create_symlink(site() / "releases/20200601000000/bin", site() / "bin");
  harness_.add("release", inputs_of_folder("keep: 2"));
  const std::string id = step_of(succeeds(), "release").outputs.at("id");
  EXPECT_THAT(releases(), ElementsAre(previous, "20200601000000", "20210101000000", "20230101000000", id, "mine"));
  EXPECT_THAT(harness_.output(),
              testing::Contains("removed the old releases 20190101000000 and 20220101000000-abcdef1"));
}

TEST_F(Release, RemovesNoOldReleaseBeforeTheRunHasSucceeded) {
  put_previous(harness_);
  harness_.folder().write("site/releases/20190101000000/app.py", "");
  harness_.add("release", inputs_of_folder("keep: 1"));
  harness_.add_command("false", "fail");
  EXPECT_EQ(harness_.run().status, RunStatus::rolled_back);
  EXPECT_THAT(releases(), ElementsAre("20190101000000", previous));
}

TEST_F(Release, SharesFilesThatAreThereAndFoldersThatAreNot) {
  harness_.folder().write("site/shared/.env", "A=1\n");
  harness_.folder().write("build/.env", "A=2\n");
  harness_.folder().write("build/public/uploads/.keep", "");
  harness_.add("release", inputs_of_folder("shared: [.env, public/uploads/]"));
  succeeds();
  EXPECT_EQ(read_file(site() / "current/.env"), "A=1\n");
  EXPECT_EQ(std::filesystem::read_symlink(site() / "current/.env"), "../../shared/.env");
  EXPECT_EQ(std::filesystem::read_symlink(site() / "current/public/uploads"), "../../../shared/public/uploads");
  EXPECT_TRUE(Files().info(site() / "shared/public/uploads")->is_folder);
  EXPECT_THAT(harness_.output(), testing::Contains("made the folder " + (site() / "shared/public/uploads").string()));
}

TEST_F(Release, MakesNoFolderInPlaceOfASharedFile) {
  harness_.folder().write("build/.env", "A=2\n");
  harness_.add("release", inputs_of_folder("shared: .env"));
  EXPECT_EQ(fails(), (site() / "shared/.env").string() +
                         " does not exist, and the release has a file there (hint: put the file that all releases "
                         "share there once)");
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(Release, SharesNothingThroughALinkOfTheRelease) {
  std::filesystem::create_directories(harness_.project() / "elsewhere");
  std::filesystem::create_symlink(harness_.project() / "elsewhere", harness_.project() / "build/config");
  harness_.add("release", inputs_of_folder("shared: config/keys"));
  EXPECT_EQ(fails(), "'config/keys' cannot be shared: the release has config as a link");
  EXPECT_THAT(Files().list(harness_.project() / "elsewhere"), IsEmpty());
}

TEST_F(Release, InputsAreCheckedWhereTheyStand) {
  EXPECT_THAT(RunHarness::complaints("release", "{source: {path: a, archive: b}, directory: d, keep: 0}"),
              ElementsAre("'source': exactly one of git, path and archive is needed", "'keep': at least 1 is needed"));
  EXPECT_THAT(RunHarness::complaints("release", "{source: {path: a, ref: b}, directory: d, shared: [a, ../b]}"),
              ElementsAre("'source': ref belongs to git", "'shared': '../b' is no path inside the release"));
  for (const char* path : {"/etc", ".", "a/../..", "''"}) {
    EXPECT_THAT(RunHarness::complaints("release", inputs_of_folder(std::string("shared: [") + path + "]")),
                ElementsAre(HasSubstr("is no path inside the release")))
        << path;
  }
  EXPECT_THAT(RunHarness::complaints("release", inputs_of_folder("shared: [a/b, a]")),
              ElementsAre("'shared': 'a' and 'a/b' are one within the other"));
}

TEST_F(Release, ARealFolderIsNotReplaced) {
  std::filesystem::create_directories(site() / "current");
  harness_.add("release", inputs_of_folder());
  const std::string path = (site() / "current").string();
  EXPECT_EQ(harness_.check(), "error: " + path +
                                  " is a folder, and would have to be a link\nhint: move it away once: mv " + path +
                                  " " + path + "-before");
}

TEST_F(Release, IsNotCopiedIntoItself) {
  harness_.add("release", "{source: {path: .}, directory: site}");
  EXPECT_THAT(harness_.check(), HasSubstr("/site is in " + harness_.project().string() + ", which is to be copied"));
}

TEST_F(Release, ASourceThatIsNotThereIsNamed) {
  harness_.add("release", "{source: {path: nowhere}, directory: site}");
  EXPECT_EQ(fails(), (harness_.project() / "nowhere").string() + " does not exist");
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(Release, HoldsNoPipesAndSockets) {
  ASSERT_EQ(mkfifo((harness_.project() / "build/pipe").c_str(), 0600), 0);
  harness_.add("release", inputs_of_folder());
  EXPECT_EQ(fails(), (harness_.project() / "build/pipe").string() + " is a named pipe, which a release cannot hold");
}

TEST_F(Release, ASwitchThatFailsLeavesThePreviousOne) {
  put_previous(harness_);
  std::filesystem::create_directories(site() / "current.part");  // no link can be made under that name
  const std::string before = tree(harness_);
  harness_.add("release", inputs_of_folder());
  EXPECT_THAT(fails(), HasSubstr("cannot remove " + (site() / "current.part").string()));
  EXPECT_EQ(tree(harness_), before);
}

TEST_F(Release, AFolderThatCannotBeMadeIsTheEndOfTheStep) {
  harness_.folder().write("site/releases", "a file\n");
  const std::string before = tree(harness_);
  harness_.add("release", inputs_of_folder());
  EXPECT_THAT(fails(), HasSubstr("cannot list " + (site() / "releases").string()));
  EXPECT_EQ(tree(harness_), before);
}

TEST_F(Release, ALinkThatSomebodyElseMovedIsLeftAndTold) {
  put_previous(harness_);
  harness_.add("release", inputs_of_folder());
  harness_.add_command("ln -sfn releases/mine site/current; false", "fail");
  const RunState state = harness_.run();
  EXPECT_EQ(state.status, RunStatus::rollback_failed);
  EXPECT_EQ(current(), "releases/mine");
  EXPECT_THAT(join(state.runbook, "\n"), HasSubstr("site/current points to releases/mine, which this run did not do"));
}

TEST_F(Release, UnpacksArchives) {
  for (const char* name : {"a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.zst"}) {
    shell(std::string("tar --create --auto-compress --directory=build --file=") + name + " .");
    harness_.clear();
    harness_.add("release", std::string("{source: {archive: ") + name + "}, directory: site}");
    succeeds();
    EXPECT_EQ(read_file(site() / "current/link"), "version 2\n") << name;
    EXPECT_EQ(Files().info(site() / "current/bin/start")->mode, 0755U) << name;
  }
}

TEST_F(Release, UnpacksAZipWithItsLinks) {
  shell(R"(cd build && python3 -c "
import zipfile
with zipfile.ZipFile('../a.zip', 'w') as archive:
    archive.write('app.py')
    link = zipfile.ZipInfo('link')
    link.create_system, link.external_attr = 3, 0o120777 << 16
    archive.writestr(link, 'app.py')
")");
  harness_.add("release", "{source: {archive: a.zip}, directory: site}");
  succeeds();
  EXPECT_EQ(read_file(site() / "current/link"), "version 2\n");
}

TEST_F(Release, KnowsArchivesByTheirNames) {
  harness_.add("release", "{source: {archive: a.rar}, directory: site}");
  EXPECT_EQ(harness_.check(), "error: " + (harness_.project() / "a.rar").string() +
                                  " is no archive that can be unpacked\nhint: its name must end with one of .tar "
                                  ".tar.gz .tgz .tar.xz .txz .tar.zst .tzst .tar.bz2 .tbz2 .zip");
}

TEST_F(Release, AnArchiveThatIsCutShortIsTheEndOfTheStep) {
  shell("tar --create --gzip --directory=build --file=whole.tgz . && head -c 100 whole.tgz >a.tgz");
  harness_.add("release", "{source: {archive: a.tgz}, directory: site}");
  EXPECT_THAT(fails(), HasSubstr("a.tgz exited with status "));
  EXPECT_FALSE(Files().exists(site()));
}

TEST_F(Release, RefusesMembersThatLeaveTheFolder) {
  const std::string archive = (harness_.project() / "a.tar").string();
  const std::vector<std::pair<std::string, std::string>> members = {
      {"file('../out')", "../out"},
      {"file('/tmp/out')", "/tmp/out"},
      {"file('a/../../out')", "a/../../out"},
      {"link('up', '..')", "the link up -> .."},
      {"link('up', '/etc')", "the link up -> /etc"},
      {"link('d/c', '..'); link('b', 'd/c/..')", "the link b -> d/c/.."},
      {"file('etc/passwd'); hard('h', '/etc/passwd')", "a hard link to the outside"},
  };
  for (const auto& [make, named] : members) {
    shell(
        "python3 -c \"\nimport tarfile\narchive = tarfile.open('a.tar', 'w')\n"
        "def add(name, kind=tarfile.REGTYPE, target=''):\n"
        "    member = tarfile.TarInfo(name)\n    member.type, member.linkname = kind, target\n"
        "    archive.addfile(member)\n"
        "def file(name): add(name)\ndef link(name, target): add(name, tarfile.SYMTYPE, target)\n"
        "def hard(name, target): add(name, tarfile.LNKTYPE, target)\n" +
        make + "\narchive.close()\"");
    harness_.clear();
    harness_.add("release", "{source: {archive: a.tar}, directory: site}");
    EXPECT_EQ(fails(), archive + " holds " + named + ", which leaves the folder of the release");
    EXPECT_FALSE(Files().exists(harness_.project() / "out"));
    EXPECT_FALSE(Files().exists(site()));
  }
}

TEST_F(Release, RefusesAZipMemberThatLeavesTheFolder) {
  shell("python3 -c \"import zipfile; zipfile.ZipFile('a.zip', 'w').writestr('../out', 'x')\"");
  harness_.add("release", "{source: {archive: a.zip}, directory: site}");
  EXPECT_EQ(fails(), (harness_.project() / "a.zip").string() + " holds ../out, which leaves the folder of the release");
}

/// Each of the effects of a step, killed before it, after it, and (by its children) in its midst.
class ReleaseKilled : public Release {
 protected:
  static void prepare_run(RunHarness& harness) {
    if (!Files().exists(harness.project() / "build")) prepare(harness);
    put_previous(harness);
    harness.add("release", inputs_of_folder("shared: log"));
  }
  void expect_as_before(const RunState& state, const std::string& before) {
    EXPECT_EQ(state.status, RunStatus::rolled_back) << join(state.runbook, "\n");
    EXPECT_EQ(state.verified, true);
    EXPECT_EQ(tree(harness_), before);
  }
};

TEST_F(ReleaseKilled, AtEachPointOfItsEffectsEndsAsBefore) {
  std::string before;
  {
    RunHarness untouched;
    prepare_run(untouched);
    before = tree(untouched);
  }
  for (const char* effect : {"make folders", "build release", "switch release"}) {
    for (const char* side : {"effect.before ", "effect.after "}) {
      RunHarness harness;
      const RunState state = killed_at(std::string(side) + effect, harness, prepare_run);
      EXPECT_EQ(state.status, RunStatus::rolled_back) << side << effect << join(state.runbook, "\n");
      EXPECT_EQ(tree(harness), before) << side << effect;
    }
  }
}

TEST_F(ReleaseKilled, WhileItIsCopiedEndsAsBefore) {
  prepare_run(harness_);
  const std::string before = tree(harness_);
  expect_as_before(harness_.run_killed_on([](const Event& event) { return event.kind == "child_started"; }), before);
}

TEST_F(ReleaseKilled, BetweenTheNewLinkAndItsRenameLeavesNoHalfLink) {
  prepare_run(harness_);
  const std::string before = tree(harness_);
  const auto site_folder = site();
  expect_as_before(harness_.run_killed_on([&](const Event& event) {
    const bool is_it = event.kind == "effect_intended" && event.data.value("name", "") == "switch release";
    if (is_it) std::filesystem::create_symlink("releases/new", site_folder / "current.part");
    return is_it;
  }),
                   before);
}

TEST_F(ReleaseKilled, AfterItsSuccessStillRemovesOldReleases) {
  const RunState state = killed_at("finish.before release", harness_, [](RunHarness& harness) {
    if (!Files().exists(harness.project() / "build")) prepare(harness);
    put_previous(harness);
    harness.folder().write("site/releases/20190101000000/app.py", "");
    harness.add("release", inputs_of_folder("keep: 1"));
  });
  EXPECT_EQ(state.status, RunStatus::succeeded);
  EXPECT_THAT(releases(), ElementsAre(previous, Not("20190101000000")));
}

}  // namespace
}  // namespace deployer::test
