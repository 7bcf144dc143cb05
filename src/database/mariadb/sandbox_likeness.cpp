#include "database/mariadb/sandbox_likeness.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <set>

#include "base/error.h"

namespace deployer::database {

namespace {

/// Variables of the server that decide what a statement leads to. (MariaDB Knowledge Base, "Server System Variables".)
constexpr const char* likeness_variables =
    "SHOW GLOBAL VARIABLES WHERE variable_name IN ('sql_mode', 'old_mode', 'character_set_server', "
    "'collation_server', 'character_set_collations', 'lower_case_table_names', 'explicit_defaults_for_timestamp', "
    "'innodb_strict_mode', 'innodb_default_row_format', 'innodb_file_per_table', 'innodb_read_only_compressed', "
    "'default_storage_engine', 'max_allowed_packet', 'group_concat_max_len', 'auto_increment_increment', "
    "'auto_increment_offset', 'div_precision_increment', 'default_week_format', 'system_versioning_alter_history', "
    "'ft_min_word_len', 'ft_max_word_len', 'innodb_ft_min_token_size', 'innodb_ft_max_token_size', "
    "'max_sp_recursion_depth', 'max_recursive_iterations', 'updatable_views_with_limit', 'lc_time_names')";

/// Those whose empty value says something.
const std::set<std::string>& may_be_empty() {
  static const std::set<std::string> names = {"sql_mode", "old_mode"};
  return names;
}

std::map<std::string, std::string> likeness_settings(Session& target, const Deadline& deadline) {
  std::map<std::string, std::string> settings;
  for (const Row& row : target.query(likeness_variables, deadline).rows) {
    const std::string name = as_text(row.at(0));
    const std::string value = as_text(row.at(1));
    if (!value.empty() || may_be_empty().count(name) > 0) settings[name] = value;
  }
  return settings;
}

std::string local_offset() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) throw Error(ErrorKind::internal, "the local time cannot be read");
  const long minutes = std::labs(local.tm_gmtoff) / 60;
  return fmt::format("{}{:02}:{:02}", local.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/// The zone of the server: where it is the clock of its machine, the offset of this moment is all that can be asked.
std::string zone_of(Session& target, const Deadline& deadline) {
  const Row row = target
                      .query(
                          "SELECT @@global.time_zone, TIME_FORMAT(TIMEDIFF(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', "
                          "'SYSTEM'), UTC_TIMESTAMP()), '%H:%i')",
                          deadline)
                      .rows.at(0);
  const std::string zone = as_text(row.at(0));
  if (zone != "SYSTEM") return zone;
  const std::string offset = as_text(row.at(1));
  const std::string with_sign = offset.rfind('-', 0) == 0 ? offset : "+" + offset;
  return with_sign == local_offset() ? zone : with_sign;
}

std::vector<std::string> accounts_of(Session& target, const Deadline& deadline) {
  std::vector<std::string> accounts;
  const Rows rows = target.query(
      "SELECT CURRENT_USER() UNION SELECT definer FROM information_schema.views WHERE table_schema = DATABASE() "
      "UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = DATABASE() "
      "UNION SELECT definer FROM information_schema.routines WHERE routine_schema = DATABASE() "
      "UNION SELECT definer FROM information_schema.events WHERE event_schema = DATABASE()",
      deadline);
  for (const Row& row : rows.rows) accounts.push_back(as_text(row.at(0)));
  return accounts;
}

}  // namespace

SandboxLikeness sandbox_likeness(Session& target, const Deadline& deadline) {
  SandboxLikeness like;
  const Row row = target
                      .query(
                          "SELECT schema_name, default_character_set_name, default_collation_name, "
                          "@@innodb_page_size, CONVERT_TZ('2000-01-01', 'UTC', 'Europe/London') IS NOT NULL "
                          "FROM information_schema.schemata WHERE schema_name = DATABASE()",
                          deadline)
                      .rows.at(0);
  like.schema = as_text(row.at(0));
  like.character_set = as_text(row.at(1));
  like.collation = as_text(row.at(2));
  like.page_size = as_text(row.at(3));
  like.has_zones = as_integer(row.at(4)) != 0;
  like.settings = likeness_settings(target, deadline);
  like.time_zone = zone_of(target, deadline);
  like.accounts = accounts_of(target, deadline);
  return like;
}

}  // namespace deployer::database
