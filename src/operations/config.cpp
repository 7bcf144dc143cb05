#include <fmt/core.h>

#include "base/redactor.h"
#include "database/url.h"
#include "operations/verbs.h"
#include "operations/workspace.h"

namespace deployer {

namespace {

std::string shown(const Json& value) { return value.is_string() ? value.get<std::string>() : dump(value); }

void add_line(Reply& reply, const std::string& key, const Json& value, const std::string& origin) {
  reply.json["items"].push_back({{"key", key}, {"value", value}, {"origin", origin}});
  reply.text += fmt::format("{:<42} {:<28} {}\n", key, shown(value), origin);
}

}  // namespace

Reply show_config(App& app, const Json& /*request*/) {
  const Workspace workspace(app);
  Reply reply;
  reply.json = {{"items", Json::array()}};
  const Pipeline pipeline = workspace.database_only();
  if (pipeline.database.contains("url")) {
    add_line(reply, "database.url", url_of(pipeline).masked(), pipeline.database_origin);
  }
  add_line(reply, "backups.directory", pipeline.backups.value("directory", ""), "settings");
  for (const auto& [key, entry] : workspace.settings().entries()) add_line(reply, key, entry.value, entry.origin);
  add_line(reply, "state folder", workspace.state_root().string(), "");
  return reply;
}

}  // namespace deployer
