#include <fmt/core.h>

#include "backups/catalogue.h"
#include "backups/verify.h"
#include "base/error.h"
#include "base/units.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "system/clock.h"
#include "system/files.h"
#include "system/machine.h"

namespace deployer {

namespace {

/// The backup of that name, or the newest.
backups::Manifest backup_to_drill(const Workspace& workspace, const Json& request) {
  const App& app = workspace.app();
  const std::filesystem::path folder =
      (workspace.project() / workspace.database_only().backups.value("directory", "backups")).lexically_normal();
  const std::string name = request.value("name", "");
  if (name.find('/') != std::string::npos) {
    const std::filesystem::path file = (app.cwd / name).lexically_normal();
    return backups::show(file.parent_path(), file.string(), app.files);
  }
  if (!name.empty()) return backups::show(folder, name, app.files);
  backups::Catalogue catalogue = backups::list(folder, app.files);
  if (catalogue.backups.empty()) throw Error(ErrorKind::not_found, "no backups in " + folder.string());
  return std::move(catalogue.backups.front());
}

}  // namespace

Reply drill_backup(App& app, const Json& request) {
  const Workspace workspace(app);
  backups::Manifest backup = backup_to_drill(workspace, request);
  const Pipeline pipeline = workspace.database_only();
  const auto path = app.environment.find("PATH");
  const Machine machine{app.files, app.processes, path == app.environment.end() ? std::string() : path->second};
  const backups::Finding finding =
      backups::drill(backup, url_of(pipeline), workspace.target(pipeline).folder / "scratch", machine,
                     Deadline::never(app.stop.stop()));
  Reply reply;
  reply.json = {{"name", backup.name},
                {"good", finding.good()},
                {"problems", finding.problems},
                {"unchecked", finding.unchecked},
                {"restore_ms", finding.restore.count()}};
  for (const std::string& problem : finding.problems) reply.text += problem + "\n";
  if (finding.good()) {
    backups::note_drilled(backup, app.clock.now(), finding.restore, app.files);
    reply.text +=
        fmt::format("{} is good: restored in {} and compared, {} {}\n", backup.name, human_duration(finding.restore),
                    backup.tables.size(), backup.tables.size() == 1 ? "table" : "tables");
  } else {
    reply.exit_status = 6;
  }
  for (const std::string& unchecked : finding.unchecked) reply.text += "unchecked: " + unchecked + "\n";
  return reply;
}

}  // namespace deployer
