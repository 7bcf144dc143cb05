#include "database/mariadb/privileges.h"

#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace deployer::database {

namespace {

/// What stands between `before` and `after` in the text, or nothing.
std::string_view text_between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin + before.size());
  const std::size_t end = text.find(after);
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end);
}

std::string upper_privilege(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

/// `DROP` of "DROP command denied to user …". "ANY" is what the server calls a look at a table that is all closed.
std::string denied_command(std::string_view message) {
  const std::size_t end = message.find(" command denied");
  if (end == std::string_view::npos || end == 0) return {};
  const std::string command = upper_privilege(message.substr(0, end));
  return command == "ANY" ? "SELECT" : command;
}

std::string grant(std::string_view privilege, std::string_view on, std::string_view user) {
  return fmt::format("an administrator gives it by GRANT {} ON {} TO '{}'@'…'; SELECT CURRENT_USER() names the account",
                     privilege, on, user);
}

std::string grant_on_schema(std::string_view privilege, std::string_view schema, std::string_view user) {
  if (privilege.empty() || schema.empty()) return {};
  // In the schema of a GRANT, _ and % stand for any letter and any letters.
  std::string pattern;
  for (const char letter : schema) {
    if (letter == '_' || letter == '%') pattern += '\\';
    pattern += letter;
  }
  return grant(privilege, fmt::format("`{}`.*", pattern), user);
}

std::string table_hint(std::string_view message, std::string_view user, std::string_view schema) {
  // MariaDB writes `schema`.`table`, MySQL the table alone.
  const std::string_view named = text_between(message, "for table `", "`.`");
  return grant_on_schema(denied_command(message), named.empty() ? schema : named, user);
}

std::string routine_hint(std::string_view message, std::string_view user, std::string_view schema) {
  const std::string_view named = text_between(message, "for routine '", ".");
  return grant_on_schema(denied_command(message), named.empty() ? schema : named, user);
}

std::string schema_hint(std::string_view message, std::string_view user, std::string_view schema) {
  const std::string_view named = text_between(message, "to database '", "'");
  return grant_on_schema("ALL PRIVILEGES", named.empty() ? schema : named, user);
}

/// Of "the SUPER, READ_ONLY ADMIN privilege(s)" the one that opens least: not SUPER where another one does.
std::string server_hint(std::string_view message, std::string_view user, std::string_view) {
  std::string_view names = text_between(message, "(at least one of) the ", " privilege");
  if (names.empty()) return {};
  const std::string_view all = names;
  for (const std::string_view separator : {std::string_view(", "), std::string_view(" or ")}) {
    if (names.rfind("SUPER", 0) != 0) break;
    const std::size_t end = names.find(separator);
    if (end != std::string_view::npos) names.remove_prefix(end + separator.size());
  }
  for (const std::string_view separator : {std::string_view(", "), std::string_view(" or ")}) {
    names = names.substr(0, names.find(separator));
  }
  return grant(names.empty() ? all : names, "*.*", user);
}

/// A trigger or function while the server writes a binary log.
std::string binary_log_hint(std::string_view, std::string_view user, std::string_view) {
  return fmt::format(
      "an administrator says SET GLOBAL log_bin_trust_function_creators = 1 (and writes it into the server's "
      "settings), "
      "or gives GRANT SUPER ON *.* TO '{}'@'…'",
      user);
}

struct PrivilegeError {
  unsigned code;
  std::string (*hint)(std::string_view message, std::string_view user, std::string_view schema);
};

constexpr std::array<PrivilegeError, 6> privilege_errors = {{
    {ER_DBACCESS_DENIED_ERROR, schema_hint},
    {ER_TABLEACCESS_DENIED_ERROR, table_hint},
    {ER_COLUMNACCESS_DENIED_ERROR, table_hint},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, server_hint},
    {ER_PROCACCESS_DENIED_ERROR, routine_hint},
    {ER_BINLOG_CREATE_ROUTINE_NEED_SUPER, binary_log_hint},
}};

}  // namespace

std::string privilege_hint(unsigned code, std::string_view message, std::string_view user, std::string_view schema) {
  const auto* found = std::find_if(privilege_errors.begin(), privilege_errors.end(),
                                   [&](const PrivilegeError& each) { return each.code == code; });
  return found == privilege_errors.end() ? std::string() : found->hint(message, user, schema);
}

}  // namespace deployer::database
