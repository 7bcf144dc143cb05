#include "database/mariadb/tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "system/process.h"

namespace deployer::database {

namespace {

struct MariaDbTool {
  std::string_view name;     ///< MariaDB's own
  std::string_view second;   ///< that of MySQL
  std::string_view package;  ///< Debian's
};

constexpr std::array<MariaDbTool, 7> mariadb_tools = {{
    {"mariadb", "mysql", "mariadb-client"},
    {"mariadb-dump", "mysqldump", "mariadb-client"},
    {"mariadb-admin", "mysqladmin", "mariadb-client"},
    {"mariadb-check", "mysqlcheck", "mariadb-client"},
    {"mariadb-binlog", "mysqlbinlog", "mariadb-client"},
    {"mariadbd", "mysqld", "mariadb-server"},
    {"mariadb-install-db", "mysql_install_db", "mariadb-server"},
}};

// Servers are in none of the folders that an ordinary user has in PATH (Debian, RHEL and SUSE in this order).
constexpr std::string_view server_folders = "/usr/sbin:/usr/local/sbin:/usr/libexec";
constexpr std::string_view system_folders = "/usr/local/bin:/usr/bin:/bin";

const MariaDbTool& mariadb_tool(std::string_view name) {
  const auto* tool = std::find_if(mariadb_tools.begin(), mariadb_tools.end(),
                                  [&](const MariaDbTool& each) { return each.name == name; });
  if (tool == mariadb_tools.end()) {
    throw Error(ErrorKind::internal, fmt::format("{} is no known program of MariaDB", name));
  }
  return *tool;
}

}  // namespace

std::optional<std::filesystem::path> find_mariadb_tool(std::string_view name, std::string_view path) {
  const MariaDbTool& tool = mariadb_tool(name);
  const std::string folders = fmt::format("{}:{}", path.empty() ? system_folders : path, server_folders);
  if (auto found = find_program(tool.name, folders)) return found;
  return find_program(tool.second, folders);
}

std::filesystem::path need_mariadb_tool(std::string_view name, std::string_view path) {
  if (auto found = find_mariadb_tool(name, path)) return *found;
  const MariaDbTool& tool = mariadb_tool(name);
  throw Error(ErrorKind::missing_tool, fmt::format("there is neither {} nor {} in PATH", tool.name, tool.second),
              fmt::format("install it: apt-get install {}", tool.package));
}

}  // namespace deployer::database
