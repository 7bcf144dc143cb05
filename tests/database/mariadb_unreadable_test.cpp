// Tables that a crash of the server left so that it cannot open them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "database/dialect.h"
#include "database/server.h"
#include "support/mariadb.h"

namespace deployer::database {
namespace {

TEST(UnreadableTables, AreDroppedWithTheirStorageAndCanBeMadeAgain) {
  test::MariaDb server;
  const Deadline deadline = Deadline::after(std::chrono::seconds(30));
  const auto session = open(*parse_url(server.new_database("unreadable")), "/", Access::existing, deadline);
  const Server& able = *session->dialect().server();
  const std::string create =
      "CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (100), PARTITION b "
      "VALUES LESS THAN MAXVALUE)";
  session->execute(create, deadline);
  session->execute("CREATE TABLE whole (id INT PRIMARY KEY)", deadline);
  const std::string data = as_text(session->query("SELECT @@datadir", deadline).rows.at(0).at(0));
  ASSERT_TRUE(std::filesystem::remove(std::filesystem::path(data) / "unreadable" / "p.par"));
  session->execute("FLUSH TABLES", deadline);
  ASSERT_THROW(session->query("SELECT * FROM p", deadline), SqlError);

  EXPECT_THAT(able.drop_unreadable(*session, {"p", "whole", "missing"}, deadline), testing::ElementsAre("p"));
  EXPECT_THAT(able.drop_unreadable(*session, {"p", "whole"}, deadline), testing::IsEmpty());
  session->execute(create, deadline);
  EXPECT_TRUE(session->dialect().has_table(*session, "whole", deadline));
}

}  // namespace
}  // namespace deployer::database
