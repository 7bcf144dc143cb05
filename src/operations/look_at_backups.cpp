#include <fmt/core.h>

#include <algorithm>

#include "backups/catalogue.h"
#include "backups/verify.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/engine.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "system/clock.h"
#include "system/files.h"

namespace deployer {

namespace {

std::filesystem::path folder_of_backups(const Workspace& workspace) {
  return (workspace.project() / workspace.database_only().backups.value("directory", "backups")).lexically_normal();
}

/// A path is of the folder that one stands in; a bare name is one of the backup folder.
backups::Manifest backup_called(const Workspace& workspace, const std::string& name) {
  const App& app = workspace.app();
  if (name.find('/') == std::string::npos) return backups::show(folder_of_backups(workspace), name, app.files);
  const std::filesystem::path file = (app.cwd / name).lexically_normal();
  return backups::show(file.parent_path(), file.string(), app.files);
}

std::string looked_at(const backups::Manifest& backup) {
  if (backup.drilled_at) return "restored and compared " + rfc3339(*backup.drilled_at);
  return backup.verified_at ? "read back " + rfc3339(*backup.verified_at) : "never";
}

std::string backup_text(const backups::Manifest& backup) {
  std::uint64_t rows = 0;
  for (const auto& table : backup.tables) rows += table.second.rows;
  std::string text = backup.name + "\n";
  const auto line = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<11}{}\n", what, value);
  };
  line("file", backup.file.string());
  line("size", human_size(backup.bytes) + ", unpacked " + human_size(backup.bytes_raw));
  line("database", backup.database);
  line("made", rfc3339(backup.created_at) + (backup.run.empty() ? "" : " by run " + backup.run));
  line("revision", backup.revision.is_null()     ? "-"
                   : backup.revision.is_string() ? backup.revision.get<std::string>()
                                                 : dump(backup.revision));
  line("content", fmt::format("{} {}, {} {}{}", backup.tables.size(), backup.tables.size() == 1 ? "table" : "tables",
                              rows, rows == 1 ? "row" : "rows", backup.partial ? "; not the whole schema" : ""));
  line("looked at", looked_at(backup));
  line("tags", join(backup.tags, ", "));
  line("binary log", backup.log_position);
  for (const std::string& table : backup.inconsistent) {
    line("warning", "table " + table + " has no transactions: its rows are not of the same moment");
  }
  for (const std::string& sentence : backup.unfaithful) line("warning", sentence);
  line("restore", "deployer restore " + backup.name);
  line("or", backup.restore_command());
  return text;
}

}  // namespace

Reply show_backup(App& app, const Json& request) {
  const Workspace workspace(app);
  const backups::Manifest backup = backup_called(workspace, request.at("name"));
  return {0, backup_text(backup), backup.json()};
}

Reply verify_backups(App& app, const Json& request) {
  const Workspace workspace(app);
  std::vector<backups::Manifest> chosen;
  Reply reply;
  reply.json = {{"items", Json::array()}, {"problems", Json::array()}};
  const auto complain = [&](const std::string& problem) {
    reply.text += problem + "\n";
    reply.json["problems"].push_back(problem);
    reply.exit_status = 6;
  };
  if (request.contains("name")) {
    chosen.push_back(backup_called(workspace, request["name"]));
  } else {
    backups::Catalogue catalogue = backups::list(folder_of_backups(workspace), app.files);
    for (const std::string& problem : catalogue.problems) complain(problem);
    chosen = std::move(catalogue.backups);
    if (chosen.empty()) complain("no backups in " + folder_of_backups(workspace).string());
    if (!request.value("all", false) && chosen.size() > 1) chosen.resize(1);
  }
  for (backups::Manifest& backup : chosen) {
    const backups::Finding finding = backups::verify(backup, app.files, Deadline::never(app.stop.stop()));
    reply.json["items"].push_back({{"name", backup.name}, {"good", finding.good()}, {"problems", finding.problems}});
    for (const std::string& problem : finding.problems) complain(problem);
    if (!finding.good()) continue;
    backups::note_verified(backup, app.clock.now(), app.files);
    reply.text += backup.name + " is good\n";
  }
  return reply;
}

}  // namespace deployer
