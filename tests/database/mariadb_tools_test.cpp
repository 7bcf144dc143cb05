#include <gtest/gtest.h>

#include "base/error.h"
#include "database/mariadb/tools.h"
#include "support/folder.h"

namespace deployer::database {
namespace {

namespace fs = std::filesystem;

fs::path program_in(const test::Folder& folder, const std::string& name) {
  const fs::path file = folder.write(name, "#!/bin/sh\n");
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

TEST(MariaDbTools, AreFoundByEitherName) {
  const test::Folder folder;
  const std::string path = folder.path().string();
  const fs::path second = program_in(folder, "mysqldump");
  EXPECT_EQ(find_mariadb_tool("mariadb-dump", path), second);
  const fs::path first = program_in(folder, "mariadb-dump");
  EXPECT_EQ(need_mariadb_tool("mariadb-dump", path), first);
}

TEST(MariaDbTools, FindAServerThatIsInNoFolderOfPath) {
  const test::Folder folder;
  EXPECT_EQ(need_mariadb_tool("mariadbd", folder.path().string()).filename(), "mariadbd");
}

TEST(MariaDbTools, NameBothNamesAndThePackageOfWhatIsMissing) {
  const test::Folder folder;
  EXPECT_EQ(find_mariadb_tool("mariadb-dump", folder.path().string()), std::nullopt);
  try {
    need_mariadb_tool("mariadb-dump", folder.path().string());
    ADD_FAILURE() << "a program was found in an empty folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::missing_tool);
    EXPECT_EQ(error.text(),
              "error: there is neither mariadb-dump nor mysqldump in PATH\n"
              "hint: install it: apt-get install mariadb-client");
  }
  EXPECT_THROW(find_mariadb_tool("mysqldump", "/usr/bin"), Error);
}

}  // namespace
}  // namespace deployer::database
