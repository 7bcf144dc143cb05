#include "migrations/executor.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "migrations/stepwise.h"

namespace deployer::migrations {

namespace {

/// `file:line: what the server said`, with the server's kind of error.
Error statement_error(const database::Statement& statement, const Error& refused) {
  const Location at{statement.at.file, statement.at.line, 0};
  Error error(refused.kind, at.text() + ": " + refused.message, refused.hint);
  return error;
}

bool stands_alone(const database::Script& script, std::initializer_list<std::string_view> verbs) {
  if (script.statements.size() != 1) return false;
  const std::string verb = database::classify(script.statements.front()).verb;
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

/// Foreign keys that pointed nowhere before may do so afterwards; two breaches may read the same.
void refuse_new_breakage(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::multiset<std::string> known(before.begin(), before.end());
  for (const std::string& line : after) {
    const auto found = known.find(line);
    if (found == known.end()) throw Error(ErrorKind::database, "a foreign key points nowhere afterwards: " + line);
    known.erase(found);
  }
}

std::string first_line(std::string_view sql) { return std::string(sql.substr(0, sql.find('\n'))); }

}  // namespace

Executor::Executor(database::Session& session, const History& history, ExecutorOptions options)
    : session_(session), history_(history), options_(std::move(options)) {}

bool Executor::is_transactional() const { return session_.dialect().capabilities().transactional_ddl; }

Applied Executor::row_of(const Revision& revision) const {
  Applied row = applied_row(revision);
  row.applied_at = options_.now;
  row.applied_by = options_.applied_by;
  row.deployer_version = options_.version;
  row.run_id = options_.run_id;
  return row;
}

void Executor::check_history(const std::set<std::string>& expected, const Deadline& deadline) const {
  std::set<std::string> known;
  for (const auto& entry : history_.read(session_, deadline)) known.insert(entry.first);
  if (known == expected) return;
  throw Error(ErrorKind::failed, "the history has changed since the plan was made",
              "somebody else migrates this database");
}

void Executor::roll_back() noexcept {
  try {
    session_.rollback();
  } catch (const Error&) {
    // What is not committed is gone with the connection; the first error is the one to tell.
  }
}

void Executor::in_transaction(const std::set<std::string>& expected, const Deadline& deadline,
                              const std::function<void()>& work) {
  session_.begin(deadline);
  try {
    check_history(expected, deadline);
    history_.create(session_, deadline);
    const std::vector<std::string> broken = session_.dialect().broken_foreign_keys(session_, deadline);
    work();
    if (!session_.in_transaction()) {
      throw Error(ErrorKind::left_behind, "a statement has ended the transaction of the revision");
    }
    refuse_new_breakage(broken, session_.dialect().broken_foreign_keys(session_, deadline));
    session_.commit(deadline);
  } catch (...) {
    roll_back();
    throw;
  }
}

void Executor::run(const database::Script& script, const Deadline& deadline) {
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
  if (!is_transactional()) {
    check_history(expected, deadline);
    Stepwise(session_, history_, options_).apply(revision, row_of(revision), deadline);
    return;
  }
  const database::Script script = statements_of(*revision.up, revision.file, session_.dialect().lexer());
  const bool alone = !revision.in_transaction && stands_alone(script, {"VACUUM", "PRAGMA"});
  Applied row = row_of(revision);
  const auto timed_run = [&] {
    const auto begun = Deadline::Clock::now();
    run(script, deadline);
    row.duration_ms = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun).count();
  };
  if (alone) {
    check_history(expected, deadline);
    timed_run();
  }
  in_transaction(expected, deadline, [&] {
    if (!alone) timed_run();
    history_.insert(session_, row, deadline);
  });
}

void Executor::revert(const Applied& row, const std::set<std::string>& expected, const Deadline& deadline) {
  if (!row.has_down) {
    throw Error(ErrorKind::failed,
                "revision '" + row.revision + "' is irreversible: it was applied without a down section");
  }
  if (!is_transactional()) {
    check_history(expected, deadline);
    Stepwise(session_, history_, options_).revert(row, deadline);
    return;
  }
  const Section down{row.down_text, 1};
  const database::Script script = statements_of(down, "down section of " + row.revision, session_.dialect().lexer());
  const bool alone = stands_alone(script, {"VACUUM"});
  if (alone) {
    check_history(expected, deadline);
    run(script, deadline);
  }
  in_transaction(expected, deadline, [&] {
    if (!alone) run(script, deadline);
    history_.remove(session_, row.revision, deadline);
  });
}

Standing Executor::settle(const std::string& revision, const Deadline& deadline) {
  if (!is_transactional()) return Stepwise(session_, history_, options_).settle(revision, deadline);
  const bool applied = applied_ids(history_.read(session_, deadline)).count(revision) > 0;
  return {applied ? Standing::State::applied : Standing::State::absent, 0, 0, {}};
}

void Executor::remove_leftovers(const Deadline& deadline) {
  if (!is_transactional()) Stepwise(session_, history_, options_).remove_leftovers(deadline);
}

}  // namespace deployer::migrations
