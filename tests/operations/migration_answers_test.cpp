// What `status`, `current`, `heads` and `history` answer, on SQLite and on a real MariaDB, and what is refused there.
#include <gmock/gmock.h>

#include <atomic>

#include "base/error.h"
#include "base/redactor.h"
#include "database/dialect.h"
#include "database/session.h"
#include "engine/engine.h"
#include "migrations/graph.h"
#include "migrations/history.h"
#include "operations/verbs.h"
#include "support/folder.h"
#include "support/mariadb.h"
#include "system/clock.h"
#include "system/fault.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {
namespace {

using database::Engine;

/// A project with the revisions 001 and 002, and an App in it.
class MigrationAnswers : public testing::TestWithParam<Engine> {
 protected:
  MigrationAnswers() {
    folder_.write("migrations/001_books.sql",
                  "-- revision: 001\n-- revises:\n-- Add books\n\n-- migrate:up\nCREATE TABLE books (id INTEGER);\n"
                  "-- migrate:down\nDROP TABLE books;\n");
    folder_.write(
        "migrations/002_pages.sql",
        "-- revision: 002\n-- revises: 001\n-- Add pages\n\n-- migrate:up\n"
        "ALTER TABLE books ADD COLUMN pages INTEGER;\n-- migrate:down\nALTER TABLE books DROP COLUMN pages;\n");
    static std::atomic<int> count{0};
    url_ = GetParam() == Engine::sqlite ? "sqlite:///books.db"
                                        : shared_mariadb().new_database("answers" + std::to_string(count++));
    app_.environment = {{"DATABASE_URL", url_}, {"DEPLOYER_STATE", (folder_ / "state").string()}};
  }

  /// As if the first revision had been applied.
  void apply_the_first() {
    const auto session =
        database::open(*database::parse_url(url_), folder_.path(), database::Access::create, Deadline::never());
    const migrations::Graph graph = migrations::Graph::load(folder_ / "migrations", session->dialect().lexer(), files_);
    session->execute("CREATE TABLE books (id INTEGER)", Deadline::never());
    const migrations::History history("deployer_migrations");
    history.create(*session, Deadline::never());
    migrations::Applied row = migrations::applied_row(*graph.find("001"));
    row.applied_at = "2026-11-24T10:00:00Z";
    history.insert(*session, row, Deadline::never());
  }

  static Json items(const Reply& reply) {
    Json ids = Json::array();
    for (const Json& item : reply.json.at("items")) ids.push_back(item.at("revision"));
    return ids;
  }

  /// What an operation is refused with before anything was touched.
  std::string refusal(Reply (*operation)(App&, const Json&), const Json& request) {
    try {
      operation(app_, request);
    } catch (const Error& error) {
      EXPECT_EQ(error_kind_info(error.kind).exit_status, 2);
      EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
      return error.text();
    }
    return "";
  }

  Folder folder_;
  std::string url_;
  SystemClock clock_;
  Files files_;
  Processes processes_;
  Redactor redactor_;
  FaultPoints faults_ = FaultPoints::from_environment();
  StopRequest stop_;
  App app_{clock_, files_, processes_, redactor_, faults_, stop_, {}, folder_.path()};
};

TEST_P(MigrationAnswers, TellOfADatabaseThatHasNothing) {
  EXPECT_EQ(show_migration_status(app_, Json::object()).text,
            "Migration Status:\n  Current Revision: None\n  Head Revision: 002\n  Up to Date: False\n"
            "  Needs Migration: True\n  Pending Migrations: 2\n    - 001\n    - 002\n");
  EXPECT_EQ(show_current(app_, Json::object()).text, "");
  EXPECT_EQ(show_current(app_, Json::object()).json, (Json{{"items", Json::array()}}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "books.db"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
}

TEST_P(MigrationAnswers, TellWhereTheDatabaseStands) {
  apply_the_first();
  EXPECT_EQ(show_migration_status(app_, Json::object()).text,
            "Migration Status:\n  Current Revision: 001\n  Head Revision: 002\n  Up to Date: False\n"
            "  Needs Migration: True\n  Pending Migrations: 1\n    - 002\n");
  EXPECT_EQ(show_migration_status(app_, Json::object()).json, (Json{{"current_revision", "001"},
                                                                    {"head_revision", "002"},
                                                                    {"is_up_to_date", false},
                                                                    {"needs_migration", true},
                                                                    {"pending_migrations", {"002"}},
                                                                    {"ahead", Json::array()},
                                                                    {"schema_drift", nullptr}}));
  EXPECT_EQ(show_current(app_, Json::object()).text, "001\n");
  EXPECT_EQ(show_current(app_, Json::object()).json["items"][0],
            (Json{{"revision", "001"},
                  {"description", "Add books"},
                  {"branch_labels", Json::array()},
                  {"down_revision", Json::array()},
                  {"depends_on", Json::array()},
                  {"file", (folder_ / "migrations/001_books.sql").string()},
                  {"is_head", false},
                  {"is_applied", true},
                  {"applied_at", "2026-11-24T10:00:00Z"}}));
  EXPECT_EQ(show_heads(app_, Json::object()).text, "002 (head)\n");
}

TEST_P(MigrationAnswers, TellTheHistoryNewestFirst) {
  apply_the_first();
  EXPECT_EQ(show_history(app_, Json::object()).text, "001 -> 002 (head), Add pages\n<base> -> 001, Add books\n");
  EXPECT_EQ(show_history(app_, {{"indicate_current", true}}).text,
            "001 -> 002 (head), Add pages\n<base> -> 001 (current), Add books\n");
  EXPECT_EQ(items(show_history(app_, {{"r", "base:001"}})), (Json{"001"}));
  EXPECT_EQ(items(show_history(app_, {{"rev_range", "current:head"}})), (Json{"002", "001"}));
}

TEST_P(MigrationAnswers, TellWhatAnUpgradeWouldDo) {
  apply_the_first();
  const Json request = {{"revision", "head"}, {"dry_run", true}};
  EXPECT_EQ(upgrade_database(app_, request).json,
            (Json{{"direction", "up"},
                  {"steps",
                   {{{"revision", "002"},
                     {"direction", "up"},
                     {"description", "Add pages"},
                     {"statements",
                      {{{"sql", "ALTER TABLE books ADD COLUMN pages INTEGER"}, {"line", 6}, {"risks", Json::array()}}}},
                     {"reversible", true},
                     {"way_back", "down"}}}}}));
  EXPECT_EQ(upgrade_database(app_, {{"revision", "001:head"}, {"sql", true}}).text,
            "-- upgrade 002\nBEGIN;\nALTER TABLE books ADD COLUMN pages INTEGER;\nCOMMIT;\n");
  EXPECT_EQ(downgrade_database(app_, {{"revision", "002:001"}, {"sql", true}}).text,
            "-- downgrade 002\nBEGIN;\nALTER TABLE books DROP COLUMN pages;\nCOMMIT;\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
}

TEST_P(MigrationAnswers, RefuseWhatMakesNoSense) {
  EXPECT_EQ(refusal(create_migration, {{"message", " "}}),
            "error: the message is empty\nhint: say in a few words what it does");
  EXPECT_EQ(refusal(upgrade_database, {{"revision", "head"}, {"sql", false}, {"dry_run", true}, {"lock_timeout", 0}}),
            "");
  EXPECT_EQ(refusal(show_history, {{"r", "001"}}), "error: '001' is no range\nhint: as in -r base:head, or -r 9a38:");
}

TEST_P(MigrationAnswers, RefuseARangeWithoutSql) {
  EXPECT_EQ(refusal(downgrade_database, {{"revision", "002:001"}}),
            "error: '002:001' is a range, which stands with --sql only");
}

INSTANTIATE_TEST_SUITE_P(Engines, MigrationAnswers, testing::Values(Engine::sqlite, Engine::mariadb),
                         [](const auto& which) { return which.param == Engine::sqlite ? "sqlite" : "mariadb"; });

}  // namespace
}  // namespace deployer::test
