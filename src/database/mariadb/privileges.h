#pragma once

#include <string>
#include <string_view>

namespace deployer::database {

/// What to give where the server refused for lack of a privilege (1044, 1142, 1143, 1227, 1370, 1419): the GRANT, as
/// far as the server's text `message` tells which. `user` and `schema` are those of the connection. The host of an
/// account is no part of what the server tells (it names the client's), so it stands as `…`. Empty for other errors.
std::string privilege_hint(unsigned code, std::string_view message, std::string_view user, std::string_view schema);

}  // namespace deployer::database
