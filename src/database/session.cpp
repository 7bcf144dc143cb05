#include "database/session.h"

#include <utility>

#include "database/dialect.h"
#include "database/mariadb/session.h"
#include "database/sqlite/session.h"

namespace deployer::database {

SqlError::SqlError(ErrorKind error_kind, std::string text, int error_code, std::string sql_state, std::string advice)
    : Error(error_kind, std::move(text), std::move(advice)), code(error_code), state(std::move(sql_state)) {}

std::unique_ptr<Session> open(const Url& url, const std::filesystem::path& project, Access access,
                              const Deadline& deadline) {
  if (url.engine == Engine::sqlite) return open_sqlite(url, project, access, deadline);
  return open_mariadb(url, access, deadline);
}

const Dialect& dialect_of(Engine engine) { return engine == Engine::sqlite ? sqlite_dialect() : mariadb_dialect(); }

const Dialect* dialect_named(std::string_view name) {
  for (const Engine engine : {Engine::sqlite, Engine::mariadb}) {
    if (dialect_of(engine).name() == name) return &dialect_of(engine);
  }
  return nullptr;
}

}  // namespace deployer::database
