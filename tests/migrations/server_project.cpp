#include "server_project.h"

#include <atomic>

#include "database/dialect.h"
#include "database/lexer.h"
#include "database/server.h"
#include "support/mariadb.h"

namespace deployer::migrations {

std::string ServerProject::new_schema() {
  static std::atomic<int> number{0};
  return test::shared_mariadb().new_database("stepwise_" + std::to_string(++number));
}

std::unique_ptr<database::Session> ServerProject::connect(const std::string& url, bool locked) {
  auto session = database::open(value_or_throw(database::parse_url(url)), {}, database::Access::create,
                                Deadline::after(std::chrono::seconds(30)));
  if (locked) {
    const Deadline deadline = Deadline::after(std::chrono::seconds(60));
    while (!session->dialect().server()->take_lock(*session, std::chrono::seconds(1), deadline)) {
      deadline.check("waiting for the lock of the schema");
    }
  }
  return session;
}

Graph ServerProject::server_graph() const { return Graph::load(folder(), database::SqlDialect::mysql, files); }

std::map<std::string, Applied> ServerProject::rows(database::Session& session) const {
  return history.read(session, Deadline::never());
}

std::set<std::string> ServerProject::ids(database::Session& session) const {
  std::set<std::string> ids;
  for (const auto& entry : rows(session)) ids.insert(entry.first);
  return ids;
}

void ServerProject::apply(database::Session& session, const std::string& id, const Deadline& deadline) const {
  const Graph graph = server_graph();
  Executor(session, history, options).apply(*graph.find(id), ids(session), deadline);
}

void ServerProject::revert(database::Session& session, const std::string& id, const Deadline& deadline) const {
  Executor(session, history, options).revert(rows(session).at(id), ids(session), deadline);
}

Standing ServerProject::settle(database::Session& session, const std::string& id) const {
  return Executor(session, history, options).settle(id, Deadline::never());
}

ServerPicture ServerProject::picture(database::Session& session) {
  const Deadline deadline = Deadline::never();
  const database::Schema schema = session.dialect().introspect(session, deadline);
  return {schema.fingerprint(), database::row_digests(session, schema, deadline)};
}

void run_script(database::Session& session, const std::string& sql) {
  for (const database::Statement& statement : database::split_script(sql, database::SqlDialect::mysql).statements) {
    session.execute(statement.text, Deadline::never());
  }
}

}  // namespace deployer::migrations
