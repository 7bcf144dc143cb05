#include "migrations/executor.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"

namespace deployer::migrations {

namespace {

/// `file:line: what the server said`, with the server's kind of error.
Error statement_error(const database::Statement& statement, const Error& refused) {
  const Location at{statement.at.file, statement.at.line, 0};
  Error error(refused.kind, at.text() + ": " + refused.message, refused.hint);
  return error;
}

std::string first_line(std::string_view sql) { return std::string(sql.substr(0, sql.find('\n'))); }

}  // namespace

Executor::Executor(database::Session& session, const History& history, ExecutorOptions options)
    : session_(session), history_(history), options_(std::move(options)) {
  if (!session_.dialect().capabilities().transactional_ddl) {
    throw Error(ErrorKind::invalid,
                "this version applies migrations only to databases whose schema changes are transactional, and " +
                    session_.server().product + " is none");
  }
}

Applied Executor::row_of(const Revision& revision) const {
  Applied row;
  row.revision = revision.id;
  row.down_revisions = revision.down_revisions;
  row.depends_on = revision.depends_on;
  row.branch_labels = revision.branch_labels;
  row.description = revision.description;
  row.up_text = revision.up->text;
  row.has_down = revision.down.has_value();
  row.down_text = revision.down ? revision.down->text : "";
  row.checksum_up = revision.checksum_up;
  row.checksum_down = revision.checksum_down;
  row.state = "applied";
  row.applied_at = options_.now;
  row.applied_by = options_.applied_by;
  row.deployer_version = options_.version;
  row.run_id = options_.run_id;
  return row;
}

void Executor::in_transaction(const std::set<std::string>& expected, const Deadline& deadline,
                              const std::function<void()>& work) {
  session_.begin(deadline);
  try {
    history_.create(session_, deadline);
    if (applied_ids(history_.read(session_, deadline)) != expected) {
      throw Error(ErrorKind::failed, "the history has changed since the plan was made",
                  "somebody else migrates this database");
    }
    const std::vector<std::string> broken = session_.dialect().broken_foreign_keys(session_, deadline);
    work();
    for (const std::string& line : session_.dialect().broken_foreign_keys(session_, deadline)) {
      if (std::find(broken.begin(), broken.end(), line) != broken.end()) continue;
      throw Error(ErrorKind::database, "a foreign key points nowhere afterwards: " + line);
    }
    session_.commit(deadline);
  } catch (...) {
    session_.rollback();
    throw;
  }
}

void Executor::run(const Section& section, const std::string& file, const Deadline& deadline) {
  const database::Script script = statements_of(section, file, session_.dialect().lexer());
  std::size_t number = 0;
  for (const database::Statement& statement : script.statements) {
    ++number;
    if (options_.on_statement) {
      options_.on_statement(number, script.statements.size(), first_line(statement.text));
    }
    try {
      session_.execute(statement.text, deadline);
    } catch (const Error& refused) {
      throw statement_error(statement, refused);
    }
  }
}

void Executor::apply(const Revision& revision, const std::set<std::string>& expected, const Deadline& deadline) {
  if (!revision.in_transaction) {
    run_alone(revision, expected, deadline);
    return;
  }
  in_transaction(expected, deadline, [&] {
    const auto begun = Deadline::Clock::now();
    run(*revision.up, revision.file, deadline);
    Applied row = row_of(revision);
    row.duration_ms = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun).count();
    history_.insert(session_, row, deadline);
  });
}

void Executor::run_alone(const Revision& revision, const std::set<std::string>& expected, const Deadline& deadline) {
  Applied row = row_of(revision);
  row.state = "applying";
  in_transaction(expected, deadline, [&] { history_.insert(session_, row, deadline); });
  try {
    run(*revision.up, revision.file, deadline);
  } catch (...) {
    // One statement that failed did nothing.
    history_.remove(session_, revision.id, Deadline::after(std::chrono::seconds(30)));
    throw;
  }
  history_.set_state(session_, revision.id, "applied", deadline);
}

void Executor::revert(const Applied& row, const std::set<std::string>& expected, const Deadline& deadline) {
  if (!row.has_down) {
    throw Error(ErrorKind::failed,
                "revision '" + row.revision + "' is irreversible: it was applied without a down section");
  }
  in_transaction(expected, deadline, [&] {
    run(Section{row.down_text, 1}, "down section of " + row.revision, deadline);
    history_.remove(session_, row.revision, deadline);
  });
}

}  // namespace deployer::migrations
