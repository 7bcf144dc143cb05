#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/redactor.h"
#include "base/units.h"
#include "database/url.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "pipeline/url_password.h"

namespace deployer {

namespace {

struct ConfigLine {
  std::string key;
  Json value;
  std::string shown;
  std::string origin;
};

std::string shown(const Json& value) { return value.is_string() ? value.get<std::string>() : dump(value); }

bool is_duration(const std::string& key) {
  for (const Parameter& parameter : settings_parameters()) {
    if (parameter.name == key) return parameter.type == ParameterType::duration;
    for (const Parameter& member : parameter.members) {
      if (parameter.name + "." + member.name == key) return member.type == ParameterType::duration;
    }
  }
  return false;
}

/// The head keys of the settings' file as they are written there: an expression stays one, so no secret is read.
void add_head(std::vector<ConfigLine>& lines, const std::string& key, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::mapping) {
    for (const YamlNode::Entry& entry : node.entries) {
      std::string name = entry.key;
      // Names of variables are theirs; keys of ours are written with `_`.
      if (key != "env" && key != "vars") std::replace(name.begin(), name.end(), '-', '_');
      add_head(lines, key.empty() ? name : key + "." + name, entry.value);
    }
    return;
  }
  std::string text = node.text;
  if (node.kind == YamlNode::Kind::sequence) {
    for (const YamlNode& item : node.items) {
      const YamlNode* name = item.kind == YamlNode::Kind::mapping ? item.find("name") : &item;
      text += (text.empty() ? "" : ", ") + (name == nullptr ? std::string("…") : name->text);
    }
  }
  lines.push_back({key, text, text, Location{node.at.file, node.at.line, 0}.text()});
}

/// The URL of the database from wherever it comes; where a secret of it is not there, why.
ConfigLine database_line(const Workspace& workspace) {
  try {
    const Pipeline pipeline = workspace.database_only();
    if (!pipeline.database.contains("url")) return {"database.url", nullptr, "none", "default"};
    const std::string url = url_of(pipeline).masked();
    return {"database.url", url, url, pipeline.database_origin};
  } catch (const Error& error) {
    if (error.kind != ErrorKind::secret) throw;
    const std::string why = error.diagnostics.empty() ? error.message : error.diagnostics.front().message;
    return {"database.url", nullptr, "unknown: " + why, "settings"};
  }
}

std::vector<ConfigLine> config_lines(const Workspace& workspace) {
  std::vector<ConfigLine> lines = {database_line(workspace)};
  for (const auto& [key, entry] : workspace.settings().entries()) {
    const bool in_words = is_duration(key);
    std::string text = in_words ? duration_text(Duration(entry.value.get<Duration::rep>())) : shown(entry.value);
    lines.push_back({key, entry.value, std::move(text), entry.origin});
    if (key == "state" && entry.value == "auto") {
      lines.back().shown = "auto: " + workspace.state_root().string();
    }
  }
  std::vector<ConfigLine> head;
  add_head(head, "", workspace.settings().head());
  const auto is_whole = [](const ConfigLine& line) { return line.key.empty() || line.key == "database.url"; };
  std::erase_if(head, is_whole);
  const bool has_folder =
      std::any_of(head.begin(), head.end(), [](const ConfigLine& line) { return line.key == "backups.directory"; });
  if (!has_folder) lines.push_back({"backups.directory", "backups", "backups", "default"});
  lines.insert(lines.end(), head.begin(), head.end());
  return lines;
}

}  // namespace

Reply show_config(App& app, const Json& /*request*/) {
  const Workspace workspace(app);
  if (workspace.settings().source()) make_url_passwords_known(app.redactor, workspace.settings().source()->text);
  const std::vector<ConfigLine> lines = config_lines(workspace);
  std::size_t widest_key = 0;
  std::size_t widest_value = 0;
  for (const ConfigLine& line : lines) {
    widest_key = std::max(widest_key, line.key.size());
    // A long one does not push all the others away.
    if (line.shown.size() <= 24) widest_value = std::max(widest_value, line.shown.size());
  }
  Reply reply;
  reply.json = {{"state_folder", workspace.state_root().string()}, {"items", Json::array()}};
  for (const ConfigLine& line : lines) {
    std::string origin = line.origin;
    const std::string project = workspace.project().string() + "/";
    if (origin.starts_with(project)) origin.erase(0, project.size());
    reply.json["items"].push_back({{"key", line.key}, {"value", line.value}, {"origin", line.origin}});
    reply.text += fmt::format("{:<{}}  {:<{}}  {}\n", line.key, widest_key, line.shown, widest_value, origin);
  }
  return reply;
}

}  // namespace deployer
