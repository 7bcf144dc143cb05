#include "pipeline/settings.h"

#include <gtest/gtest.h>

#include "pipeline/project.h"

namespace deployer {
namespace {

using test::Project;

std::string settings_complaints(const Project& project) {
  try {
    project.settings();
    return "";
  } catch (const Error& error) {
    return project.relative(std::string(error_kind_info(error.kind).name) + "\n" + error.text());
  }
}

std::string origin_of(const Project& project, const std::string& key) {
  const Settings settings = project.settings();
  for (const auto& [name, entry] : settings.entries()) {
    if (name == key) return project.relative(entry.value.dump() + " " + entry.origin);
  }
  return "";
}

TEST(Settings, HaveDefaultsWithNoFileAtAll) {
  const Project project;
  const Settings settings = project.settings();
  EXPECT_EQ(settings.text("state"), "auto");
  EXPECT_EQ(settings.text("migrations.directory"), "migrations");
  EXPECT_EQ(settings.text("migrations.file_template"), "%(rev)s_%(slug)s");
  EXPECT_EQ(settings.integer("migrations.truncate_slug_length"), 40);
  EXPECT_EQ(settings.text("migrations.history_table"), "deployer_migrations");
  EXPECT_EQ(settings.duration("lock_timeout"), Duration(0));
  EXPECT_EQ(settings.duration("rollback_wait"), std::chrono::minutes(10));
  EXPECT_TRUE(settings.flag("backup_enabled"));
  EXPECT_EQ(settings.integer("backup_retention_days"), 30);
  EXPECT_TRUE(settings.flag("require_confirmation_for_destructive_ops"));
  EXPECT_EQ(settings.integer("max_rollback_revisions"), 5);
  EXPECT_EQ(settings.source(), std::nullopt);
  for (const auto& [name, entry] : settings.entries()) EXPECT_EQ(entry.origin, "default") << name;
}

TEST(Settings, TellWhereEachValueComesFrom) {
  Project project;
  project.folder.write("etc/deployer.yml", "lock_timeout: 30s\nmigrations:\n  history-table: alembic\nstate: /var/x\n");
  project.request.environment["DEPLOYER_STATE"] = "/var/y";
  project.request.environment["DEPLOYER_BACKUP_RETENTION_DAYS"] = "7";
  project.request.environment["DEPLOYER_MIGRATIONS_DIRECTORY"] = "sql";
  EXPECT_EQ(origin_of(project, "lock_timeout"), "30000 etc/deployer.yml:1");
  EXPECT_EQ(origin_of(project, "migrations.history_table"), "\"alembic\" etc/deployer.yml:3");
  EXPECT_EQ(origin_of(project, "state"), "\"/var/y\" DEPLOYER_STATE");
  EXPECT_EQ(origin_of(project, "backup_retention_days"), "7 DEPLOYER_BACKUP_RETENTION_DAYS");
  EXPECT_EQ(origin_of(project, "migrations.directory"), "\"sql\" DEPLOYER_MIGRATIONS_DIRECTORY");
  EXPECT_EQ(origin_of(project, "max_rollback_revisions"), "5 default");
}

TEST(Settings, AreReadFromTheFileThatWasAskedFor) {
  Project project;
  project.folder.write("other.yml", "lock_timeout: 9s\n");
  project.folder.write("etc/deployer.yml", "lock_timeout: 1s\n");
  EXPECT_EQ(Settings::load({project.folder.path(), "other.yml", {}}, project.files).duration("lock_timeout"),
            std::chrono::seconds(9));
  EXPECT_EQ(Settings::load({project.folder.path(), "", {{"DEPLOYER_CONFIG", "other.yml"}}}, project.files)
                .duration("lock_timeout"),
            std::chrono::seconds(9));
  try {
    Settings::load({project.folder.path(), "gone.yml", {}}, project.files);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::not_found);
    EXPECT_EQ(project.relative(error.message), "the settings file gone.yml does not exist");
  }
}

TEST(Settings, TellEveryMistakeInOneGo) {
  Project project;
  project.folder.write(
      "etc/deployer.yml",
      "lok_timeout: 1s\nbackup_enabled: yes\nmigrations: {director: x, undo_copy: 1GiB}\n"
      "databse: {}\nserver: {listen: x}\nchecks: {disk_free: 2, lock_waits: -1}\nstate: /a\nstate: /b\n");
  project.request.environment["DEPLOYER_LOCK_TIMEOUT"] = "5";
  project.request.environment["DEPLOYER_MIGRATIONS_HOLD_FOR"] = "7d";
  project.request.environment["DEPLOYER_SERVER_LISTEN"] = "x";
  EXPECT_EQ(settings_complaints(project), R"(invalid
error: DEPLOYER_MIGRATIONS_HOLD_FOR: 'migrations.hold_for' is not in this version
error: DEPLOYER_SERVER_LISTEN: 'server' is not in this version
error: DEPLOYER_LOCK_TIMEOUT must be a duration, not '5'
    hint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d
etc/deployer.yml:1:1: error: unknown key 'lok_timeout' in the settings
    lok_timeout: 1s
    ^
    hint: did you mean 'lock_timeout'?
etc/deployer.yml:2:17: error: 'backup_enabled' must be true or false, not 'yes'
    backup_enabled: yes
                    ^
etc/deployer.yml:3:14: error: unknown key 'director' in 'migrations'
    migrations: {director: x, undo_copy: 1GiB}
                 ^
    hint: did you mean 'directory'?
etc/deployer.yml:3:27: error: 'migrations.undo_copy' is not in this version
    migrations: {director: x, undo_copy: 1GiB}
                              ^
etc/deployer.yml:4:1: error: unknown key 'databse' in the settings
    databse: {}
    ^
    hint: did you mean 'database'?
etc/deployer.yml:5:1: error: 'server' is not in this version
    server: {listen: x}
    ^
etc/deployer.yml:6:21: error: 'disk_free': '2' is no number with 'x', as in 2x
    checks: {disk_free: 2, lock_waits: -1}
                        ^
etc/deployer.yml:6:36: error: 'lock_waits': at least 0 is needed
    checks: {disk_free: 2, lock_waits: -1}
                                       ^
etc/deployer.yml:8:1: error: duplicate key 'state'; it stands in line 7 already
    state: /b
    ^)");
}

TEST(Settings, HoldTheLimitsOfTheChecksBeforeAnUpgrade) {
  Project project;
  project.folder.write("etc/deployer.yml", "checks: {disk_free: 1.5x, max_connections: 90%, table_integrity: full}\n");
  project.request.environment["DEPLOYER_CHECKS_LONG_TRANSACTION"] = "5m";
  const Settings settings = project.settings();
  EXPECT_EQ(settings.text("checks.disk_free"), "1.5x");
  EXPECT_EQ(settings.text("checks.max_connections"), "90%");
  EXPECT_EQ(settings.duration("checks.long_transaction"), std::chrono::minutes(5));
  EXPECT_EQ(settings.integer("checks.lock_waits"), 0);
  EXPECT_EQ(settings.duration("checks.replication_lag"), std::chrono::seconds(30));
  EXPECT_EQ(settings.text("checks.table_integrity"), "full");
}

TEST(Settings, ShowNoPasswordInAComplaint) {
  Project project;
  project.folder.write("etc/deployer.yml", "database: {url: mysql://app:hunter22@db/x}: y\n");
  const std::string told = settings_complaints(project);
  EXPECT_NE(told.find("YAML syntax"), std::string::npos) << told;
  EXPECT_EQ(told.find("hunter22"), std::string::npos) << told;
}

TEST(Settings, MustBeAMapping) {
  Project project;
  project.folder.write("etc/deployer.yml", "- a\n");
  EXPECT_EQ(settings_complaints(project),
            "invalid\netc/deployer.yml:1:1: error: the settings must be a mapping\n    - a\n    ^");
  project.folder.write("etc/deployer.yml", "# nothing yet\n");
  EXPECT_EQ(settings_complaints(project), "");
}

TEST(SettingsWords, AreEachDeclaredOnceOrForLater) {
  for (const std::string& later : later_settings()) {
    for (const Parameter& parameter : settings_parameters()) EXPECT_NE(parameter.name, later);
  }
  for (const Parameter& parameter : settings_parameters()) EXPECT_FALSE(parameter.doc.empty()) << parameter.name;
}

}  // namespace
}  // namespace deployer
