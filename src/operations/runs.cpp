#include "state/runs.h"

#include <fmt/core.h>

#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/units.h"
#include "database/session.h"
#include "engine/engine.h"
#include "operations/held_target.h"
#include "operations/verbs.h"
#include "operations/workspace.h"
#include "state/run_log.h"
#include "state/server_lock.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

std::string when(std::chrono::system_clock::time_point time) {
  std::string text = rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text;
}

std::string line_of(const RunState& state) {
  std::string took = "-";
  if (state.finished_at) {
    took = human_duration(std::chrono::duration_cast<Duration>(*state.finished_at - state.started_at));
  }
  return fmt::format("{:<26} {:<15} {:<19} {:>8}  {}\n", state.id, name_of(state.status), when(state.started_at), took,
                     state.pipeline);
}

Json summary_json(const RunState& state) {
  return {{"id", state.id},
          {"pipeline", state.pipeline},
          {"status", name_of(state.status)},
          {"started_at", rfc3339(state.started_at)},
          {"finished_at", state.finished_at ? Json(rfc3339(*state.finished_at)) : Json()}};
}

std::string step_lines(const StepState& step) {
  const std::string took = step.duration ? human_duration(*step.duration) : "";
  std::string out = fmt::format("  {:<20} {:<12} {:>8}", step.id, name_of(step.status), took);
  // An error says more than the summary, and stands on a line of its own.
  if (step.error.empty() && !step.summary.empty()) out += "  " + step.summary;
  out += "\n";
  if (!step.error.empty()) out += "    error: " + step.error + "\n";
  if (!step.undo.empty()) out += "    undone: " + step.undo + "\n";
  return out;
}

std::string fact_line(const std::string& label, const std::string& value) {
  return fmt::format("{:<16} {}\n", label, value);
}

std::string text_of(const RunState& state) {
  std::string status(name_of(state.status));
  if (state.exit_status) status += fmt::format(" (exit status {})", *state.exit_status);
  if (state.verified) status += *state.verified ? ", verified" : ", not verified";
  std::string out = fact_line("run", state.id) + fact_line("pipeline", state.pipeline) + fact_line("status", status);
  out += fact_line("started", when(state.started_at) + " UTC");
  if (state.finished_at) out += fact_line("finished", when(*state.finished_at) + " UTC");
  for (const auto& [name, label] :
       {std::pair("revision_before", "revision before"), std::pair("revision_after", "revision after"),
        std::pair("backup", "backup"), std::pair("way_back", "way back")}) {
    const auto fact = state.facts.find(name);
    if (fact == state.facts.end()) continue;
    const Json& value = fact->second;
    out += fact_line(label, value.is_null() ? "none" : value.is_string() ? value.get<std::string>() : dump(value));
  }
  if (!state.error.empty()) out += fact_line("error", state.error);
  out += "\n";
  for (const StepState& step : state.steps) out += step_lines(step);
  for (const std::string& warning : state.warnings) out += "warning: " + warning + "\n";
  if (!state.runbook.empty()) out += "\nwhat is left, and what to do:\n";
  for (const std::string& line : state.runbook) out += "  " + line + "\n";
  return out;
}

}  // namespace

Reply list_runs(App& app, const Json& request) {
  const Workspace workspace(app);
  Reply reply;
  reply.json = {{"items", Json::array()}};
  std::size_t left = request.value("limit", std::size_t{0});
  const bool limited = left > 0;
  for (const FoundRun& found : list_runs_of(workspace.state_root(), app.files)) {
    if (limited && left-- == 0) break;
    reply.json["items"].push_back(summary_json(found.state));
    reply.text += line_of(found.state);
  }
  if (reply.text.empty()) reply.text = "no runs yet\n";
  return reply;
}

Reply show_run(App& app, const Json& request) {
  const Workspace workspace(app);
  const FoundRun found = find_run(workspace.state_root(), request.at("run"), app.files);
  return {0, text_of(found.state), to_json(found.state)};
}

Reply show_logs(App& app, const Json& request) {
  const Workspace workspace(app);
  const FoundRun found = find_run(workspace.state_root(), request.at("run"), app.files);
  const std::string step = request.value("step", "");
  Reply reply;
  reply.json = {{"items", Json::array()}};
  std::vector<std::string> names;
  for (const std::filesystem::path& file : RunLog::files(found.target.folder, found.state.id)) {
    names.push_back(file.stem().string());
    if (!step.empty() && file.stem() != step) continue;
    const std::string text = app.files.read(file);
    reply.text += text;
    reply.json["items"].push_back({{"step", file.stem().string()}, {"file", file.string()}, {"text", text}});
  }
  if (!step.empty() && reply.json["items"].empty()) {
    throw Error(ErrorKind::not_found, "run " + found.state.id + " has no log of a step '" + step + "'",
                names.empty() ? "it has none" : "it has logs of " + listing(names));
  }
  return reply;
}

namespace {

/// Who holds the lock of the project's database on its server; nothing where it has none, or it is free.
std::optional<ServerLockHolder> holder_on_server(const Workspace& workspace) {
  const Pipeline pipeline = workspace.database_only();
  if (!has_database_server(pipeline)) return std::nullopt;
  const Deadline deadline = Deadline::never(workspace.app().stop.stop());
  const auto session = database::open(url_of(pipeline), pipeline.project, database::Access::read_only, deadline);
  return ServerLock::holder(*session, deadline);
}

Json lock_json(const std::string& name, const LockOwner& owner, std::optional<bool> alive) {
  return {{"name", name},         {"run", owner.run},
          {"host", owner.host},   {"pid", owner.record.is_object() ? owner.record.value("pid", 0) : 0},
          {"since", owner.since}, {"alive", alive ? Json(*alive) : Json()}};
}

std::string lock_line(const Json& lock) {
  return fmt::format("{}  run {}  {} pid {}  since {}", lock["name"].get<std::string>(), lock["run"].get<std::string>(),
                     lock["host"].get<std::string>(), lock["pid"].get<int>(), lock["since"].get<std::string>());
}

void add_lock_on_server(Reply& reply, const std::string& name, const ServerLockHolder& holder) {
  Json lock = lock_json(name, holder.owner, holder.alive);
  lock["user"] = holder.user;
  lock["lease"] = holder.lease;
  lock["journal"] = holder.owner.journal;
  lock["activity"] = holder.activity;
  reply.text += lock_line(lock);
  if (!holder.user.empty()) reply.text += "  user " + holder.user;
  if (!holder.activity.empty()) reply.text += "  the server: " + holder.activity;
  reply.text += "\n";
  reply.json["items"].push_back(std::move(lock));
}

}  // namespace

Reply list_locks(App& app, const Json& /*request*/) {
  const Workspace workspace(app);
  Reply reply;
  reply.json = {{"items", Json::array()}};
  const std::optional<ServerLockHolder> on_server = holder_on_server(workspace);
  for (const Target& target : known_targets(workspace.state_root(), app.files)) {
    const std::optional<LockOwner> holder = TargetLock::holder(target);
    // A run of this machine on a server holds both.
    if (!holder || (on_server && on_server->owner.record == holder->record)) continue;
    reply.json["items"].push_back(lock_json(target.name, *holder, is_alive(ProcessRecord::from(holder->record))));
    reply.text += lock_line(reply.json["items"].back()) + "\n";
  }
  if (on_server) add_lock_on_server(reply, workspace.database_identity(), *on_server);
  if (reply.text.empty()) reply.text = "no locks are held\n";
  return reply;
}

}  // namespace deployer
