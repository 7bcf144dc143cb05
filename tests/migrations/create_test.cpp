#include "migrations/create.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/id.h"
#include "project.h"
#include "support/forgetful_disk.h"

namespace deployer::migrations {
namespace {

class CreateTest : public ::testing::Test {
 protected:
  Created made(const CreateRequest& request, const Ids& current = {}) {
    return create(project_.graph(), request, current, project_.files);
  }
  std::string refusal(const CreateRequest& request) {
    std::string text = error_text([&] { made(request); });
    const std::string folder = project_.folder().string() + "/";
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder))
      text.erase(at, folder.size());
    return text;
  }
  CreateRequest request(const std::string& message, const std::string& id = "") const {
    CreateRequest wanted;
    wanted.folder = project_.folder();
    wanted.message = message;
    wanted.rev_id = id;
    wanted.now = parse_rfc3339("2026-03-04T05:06:07.890Z");
    return wanted;
  }
  const Project project_;
};

TEST_F(CreateTest, WritesTheFirstRevision) {
  const Created first = made(request("Add books"));
  EXPECT_EQ(first.revision.size(), 12U);
  EXPECT_EQ(first.revision.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(first.file, project_.folder() / (first.revision + "_add_books.sql"));
  EXPECT_EQ(first.down_revisions, Ids{});
  EXPECT_EQ(test::read_file(first.file), "-- revision: " + first.revision +
                                             "\n-- revises:\n-- created: 2026-03-04T05:06:07Z\n-- Add books\n\n"
                                             "-- migrate:up\n\n-- migrate:down\n");
  EXPECT_EQ(project_.graph().find(first.revision)->description, "Add books");
}

TEST_F(CreateTest, BuildsOnTheHead) {
  made(request("one", "a1"));
  EXPECT_EQ(made(request("two", "b1")).down_revisions, Ids{"a1"});
  CreateRequest wanted = request("three", "c1");
  wanted.branch_label = "blue";
  wanted.depends_on = {"a"};
  EXPECT_EQ(made(wanted).down_revisions, Ids{"b1"});
  const Graph graph = project_.graph();
  EXPECT_EQ(graph.find("c1")->branch_labels, Ids{"blue"});
  EXPECT_EQ(graph.find("c1")->depends_on, Ids{"a1"});
}

TEST_F(CreateTest, MakesBranchesAndMerges) {
  made(request("one", "a1"));
  made(request("two", "b1"));
  CreateRequest wanted = request("side", "c1");
  wanted.head = "a1";
  EXPECT_EQ(refusal(wanted), "error: revision 'a1' is not a head\nhint: --splice makes a branch of it");
  wanted.splice = true;
  EXPECT_EQ(made(wanted).down_revisions, Ids{"a1"});
  EXPECT_EQ(refusal(request("lost")),
            "error: there are several heads: b1 and c1\nhint: name one, say heads for all of them, or merge them");
  CreateRequest merge = request("merge", "m");
  merge.head = "b1, c1";
  EXPECT_EQ(made(merge).down_revisions, (Ids{"b1", "c1"}));
  CreateRequest base = request("other", "z1");
  base.head = "base";
  EXPECT_EQ(made(base).down_revisions, Ids{});
  CreateRequest all = request("all", "m2");
  all.head = "heads";
  EXPECT_EQ(made(all).down_revisions, (Ids{"m", "z1"}));
}

TEST_F(CreateTest, NamesFilesByTheTemplate) {
  CreateRequest wanted = request("A very long message, that is cut at a word's end: yes", "a1");
  EXPECT_EQ(made(wanted).file.filename(), "a1_a_very_long_message_that_is_cut_at_a.sql");
  wanted = request("x/../y", "a2");
  wanted.file_template = "%(year)d-%(month).2d-%(day).2d_%(hour)s%(minute)s%(second)s_%(epoch)s_%(rev)s_%(slug)s_100%%";
  EXPECT_EQ(made(wanted).file.filename(), "2026-03-04_050607_1772600767_a2_x_y_100%.sql");
  EXPECT_EQ(made(request("\xE6\x97\xA5\xE6\x9C\xAC", "a3")).file.filename(), "a3.sql");
  wanted = request("x", "a4");
  wanted.file_template = "%(revision)s";
  EXPECT_EQ(refusal(wanted),
            "error: '%(revision)s' is no token here\n"
            "hint: tokens are day, epoch, hour, minute, month, rev, second, slug and year");
  wanted.file_template = "a/%(rev)s";
  EXPECT_EQ(refusal(wanted), "error: file_template makes no file name: 'a/a4'");
}

TEST_F(CreateTest, FillsInTheProjectsOwnTemplate) {
  project_.file("template.sql",
                "-- revision: %(revision)s\n-- revises: %(revises)s\n%(branch_labels)s%(depends_on)s-- %(message)s\n"
                "-- 100% ours\n-- migrate:up\nSELECT '%';\n");
  const Created created = made(request("one", "a1"));
  EXPECT_EQ(test::read_file(created.file),
            "-- revision: a1\n-- revises:\n-- one\n-- 100% ours\n-- migrate:up\nSELECT '%';\n");
  project_.file("template.sql", "-- revision: fixed\n-- migrate:up\n");
  EXPECT_EQ(refusal(request("two", "b1")),
            "error: template.sql gives a file that says something else: a key is missing\n"
            "hint: its header needs -- revision: %(revision)s, -- revises: %(revises)s and %(depends_on)s");
  project_.file("template.sql", "-- revision: %(revision)s\n");
  EXPECT_EQ(refusal(request("two", "b1")), "error: template.sql has no section -- migrate:up\nhint: take the line in");
  EXPECT_EQ(project_.graph().revisions().size(), 1U);
}

TEST_F(CreateTest, RefusesWhatIsTakenOrMakesNoSense) {
  CreateRequest wanted = request("one", "a1");
  wanted.branch_label = "blue";
  made(wanted);
  EXPECT_EQ(refusal(request("two", "a1")), "error: there is a revision 'a1' already\nhint: it is in a1_one.sql");
  EXPECT_EQ(refusal(request("two", "a b")),
            "error: 'a b' is no id of a revision\n"
            "hint: letters, digits, _ and - (not first), and not head, heads, base or current");
  wanted = request("two", "b1");
  wanted.branch_label = "blue";
  EXPECT_EQ(refusal(wanted), "error: the branch label 'blue' is taken\nhint: it is in a1_one.sql");
  wanted.branch_label = "a1";
  EXPECT_EQ(refusal(wanted), "error: 'a1' is the id of a revision, and no label");
  wanted.branch_label = "a:b";
  EXPECT_EQ(refusal(wanted), "error: 'a:b' is no branch label\nhint: letters, digits, _ and -");
  EXPECT_EQ(refusal(request("two\nlines")), "error: a message has one line");
  for (const char* message : {"phase: expand", "migrate:up", "transaction: none"}) {
    EXPECT_EQ(refusal(request(message)).substr(0, 53), "error: the message would not be read as a description")
        << message;
  }
}

TEST_F(CreateTest, OverwritesNothing) {
  CreateRequest wanted = request("x", "a1");
  wanted.file_template = "same";
  project_.file("same.sql", "-- revision: z\n-- migrate:up\n");
  EXPECT_EQ(refusal(wanted), "error: same.sql exists already");
  EXPECT_EQ(test::read_file(project_.folder() / "same.sql"), "-- revision: z\n-- migrate:up\n");
}

TEST_F(CreateTest, LeavesNoFileWhereACallOnTheDiskFails) {
  project_.file("a1.sql", "-- revision: a1\n-- migrate:up\n");
  bool written = false;
  for (std::uint64_t call = 1; !written; ++call) {
    ASSERT_LT(call, 50U);
    test::ForgetfulDisk disk(project_.folder());
    Files files(disk);
    disk.fail(test::ForgetfulDisk::Call::any, call, ENOSPC);
    try {
      create(project_.graph(), request("two", "b1"), {}, files);
      written = true;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind, ErrorKind::no_space);
    }
    const bool whole = project_.graph().find("b1") != nullptr;
    EXPECT_EQ(project_.files.list(project_.folder()).size(), whole ? 2U : 1U) << "call " << call;
    if (whole && !written) project_.files.remove(project_.folder() / "b1_two.sql");
  }
  EXPECT_EQ(project_.graph().heads(), Ids{"b1"});
}

}  // namespace
}  // namespace deployer::migrations
