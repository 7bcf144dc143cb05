// Finding the project's folder and the document that a word names.
#include <gtest/gtest.h>

#include <filesystem>

#include "pipeline/project.h"

namespace deployer {
namespace {

using test::Project;
namespace fs = std::filesystem;

std::string found_as(const Project& project, const std::string& word) {
  try {
    return project.relative(find_pipeline(word, project.folder.path(), project.files).string());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::not_found);
    return project.relative(error.text());
  }
}

TEST(FindPipeline, TakesAPathOrANameInTheFolderPipelines) {
  Project project;
  project.folder.write("pipelines/production.yml", "");
  project.folder.write("pipelines/staging.yaml", "");
  project.folder.write("deploy/own.yml", "");
  project.folder.write("here.yml", "");
  EXPECT_EQ(found_as(project, "production.yml"), "pipelines/production.yml");
  EXPECT_EQ(found_as(project, "production"), "pipelines/production.yml");
  EXPECT_EQ(found_as(project, "staging"), "pipelines/staging.yaml");
  EXPECT_EQ(found_as(project, "deploy/own.yml"), "deploy/own.yml");
  EXPECT_EQ(found_as(project, "./here.yml"), "here.yml");
  EXPECT_EQ(found_as(project, "here.yml"), "here.yml");
  EXPECT_EQ(found_as(project, (project.folder / "deploy/own.yml").string()), "deploy/own.yml");
}

TEST(FindPipeline, SuggestsWhatWasMeant) {
  Project project;
  project.folder.write("pipelines/production.yml", "");
  EXPECT_EQ(found_as(project, "prodction.yml"),
            "error: there is no pipeline 'prodction.yml'\nhint: did you mean 'production.yml'?");
  EXPECT_EQ(found_as(project, "pipelines"), "error: there is no pipeline 'pipelines'\nhint: it is looked for in " +
                                                project.folder.path().string() + " and in its folder pipelines/");
}

TEST(FindProject, IsTheNearestParentWithSettings) {
  Project project;
  project.folder.write("etc/deployer.yml", "");
  const fs::path deep = project.folder / "a/b";
  fs::create_directories(deep);
  EXPECT_EQ(find_project(deep, "", project.files), project.folder.path());
  project.folder.write("a/etc/deployer.yml", "");
  EXPECT_EQ(find_project(deep, "", project.files), project.folder / "a");
}

TEST(FindProject, IsTheWorkingFolderWhereThereAreNone) {
  Project project;
  fs::create_directories(project.folder / "a");
  EXPECT_EQ(find_project(project.folder / "a", "", project.files), project.folder / "a");
}

TEST(FindProject, IsTheFolderOfTheFlag) {
  Project project;
  project.folder.write("etc/deployer.yml", "");
  fs::create_directories(project.folder / "a/b");
  EXPECT_EQ(find_project(project.folder / "a", "b", project.files), project.folder / "a/b");
  EXPECT_EQ(find_project(project.folder / "a", "b/", project.files), project.folder / "a/b");
  EXPECT_EQ(find_project("/", (project.folder / "a").string(), project.files), project.folder / "a");
  try {
    find_project(project.folder.path(), "gone", project.files);
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "error: -C gone: there is no such folder");
    EXPECT_EQ(error.kind, ErrorKind::usage);
  }
}

}  // namespace
}  // namespace deployer
