#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace deployer::database {

// The programs of a MariaDB or MySQL server have two names each: MariaDB's own and that of MySQL, which distributions
// of MySQL have alone. `name` is MariaDB's own: "mariadb", "mariadb-dump", "mariadb-admin", "mariadb-check",
// "mariadb-binlog", "mariadbd", "mariadb-install-db"; another one is Error `internal`.

/// The program, by its first name or its second, looked up in `path` (as in PATH; empty: the system's folders), then in
/// the folders where servers stand (/usr/sbin, /usr/local/sbin, /usr/libexec). Nothing where there is none.
std::optional<std::filesystem::path> find_mariadb_tool(std::string_view name, std::string_view path);

/// As `find_mariadb_tool`; Error `missing_tool` names both names and Debian's package.
std::filesystem::path need_mariadb_tool(std::string_view name, std::string_view path);

}  // namespace deployer::database
