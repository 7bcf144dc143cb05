#include "project.h"

#include "database/dialect.h"

namespace deployer::migrations {

void Project::revision(const std::string& id, const std::string& revises, const Sections& sections,
                       const std::vector<std::string>& header) const {
  std::string text = "-- revision: " + id + "\n-- revises: " + revises + "\n";
  for (const std::string& line : header) text += "-- " + line + "\n";
  text += "-- About " + id + "\n\n-- migrate:up\n" + sections.up + "\n";
  if (sections.has_down) text += "-- migrate:down\n" + sections.down + "\n";
  file(id + ".sql", text);
}

void Project::file(const std::string& name, const std::string& text) const {
  folder_.write("migrations/" + name, text);
}

Graph Project::graph() const { return Graph::load(folder(), database::SqlDialect::sqlite, files); }

std::string Project::complaint() const {
  std::string text = error_text([&] { graph(); });
  const std::string prefix = folder().string() + "/";
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

std::unique_ptr<database::Session> Project::session() const {
  return database::open(*database::parse_url("sqlite:///app.db"), folder_.path(), database::Access::create,
                        Deadline::after(std::chrono::seconds(10)));
}

void Project::upgrade(database::Session& session, const std::string& target) const {
  const Graph all = graph();
  std::set<std::string> applied = applied_ids(history.read(session, Deadline::never()));
  Executor executor(session, history, options);
  for (const std::string& id : all.plan_upgrade(target, applied)) {
    executor.apply(*all.find(id), applied, Deadline::never());
    applied.insert(id);
  }
}

std::string first_value(database::Session& session, const std::string& sql) {
  const database::Rows rows = session.query(sql, Deadline::never());
  return rows.empty() ? "no row" : database::as_text(rows.rows[0][0]);
}

}  // namespace deployer::migrations
