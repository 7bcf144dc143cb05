#include "migrations/progress.h"

#include "base/error.h"
#include "database/dialect.h"

namespace deployer::migrations {

namespace {

constexpr const char* progress_columns =
    "run_id, revision, direction, statements_done, in_hand, sql_digest, evidence, epoch";

std::string target_of_progress(const database::Session& session) { return session.url().name; }

void make_progress_table(database::Session& session, const Deadline& deadline) {
  const database::Dialect& dialect = session.dialect();
  if (dialect.has_table(session, Progress::table, deadline)) return;
  session.execute(dialect.create_table(Progress::table,
                                       {{"target", "key", false},
                                        {"run_id", "text"},
                                        {"revision", "text"},
                                        {"direction", "text"},
                                        {"statements_done", "integer"},
                                        {"in_hand", "integer"},
                                        {"sql_digest", "text"},
                                        {"evidence", "text"},
                                        {"connection_id", "integer"},
                                        {"epoch", "integer"},
                                        {"writes", "integer"}},
                                       {"target"}),
                  deadline);
}

}  // namespace

std::optional<ProgressEntry> Progress::read(database::Session& session, const Deadline& deadline) {
  if (!session.dialect().has_table(session, table, deadline)) return std::nullopt;
  const database::Rows rows =
      session.query(std::string("SELECT ") + progress_columns + " FROM " + table + " WHERE target = ?",
                    {target_of_progress(session)}, deadline);
  if (rows.empty()) return std::nullopt;
  const database::Row& row = rows.rows.front();
  ProgressEntry entry;
  entry.run_id = database::as_text(row.at(0));
  entry.revision = database::as_text(row.at(1));
  entry.direction = database::as_text(row.at(2));
  entry.statements_done = database::as_integer(row.at(3));
  entry.in_hand = database::as_integer(row.at(4));
  entry.sql_digest = database::as_text(row.at(5));
  const std::string evidence = database::as_text(row.at(6));
  if (!evidence.empty()) entry.evidence = value_or_throw(parse_json(evidence, table));
  entry.epoch = database::as_integer(row.at(7));
  return entry;
}

Progress::Progress(database::Session& session, const Deadline& deadline) : session_(session) {
  make_progress_table(session, deadline);
  const std::optional<ProgressEntry> found = read(session, deadline);
  if (!found) {
    session.execute(std::string("INSERT INTO ") + table +
                        " (target, revision, statements_done, in_hand, epoch, writes) VALUES (?, '', 0, 0, 0, 0)",
                    {target_of_progress(session)}, deadline);
  }
  entry_ = found.value_or(ProgressEntry{});
  epoch_ = entry_.epoch + 1;
  const std::int64_t changed =
      session.execute(std::string("UPDATE ") + table + " SET epoch = ? WHERE target = ? AND epoch = ?",
                      {epoch_, target_of_progress(session), entry_.epoch}, deadline);
  if (changed == 1) return;
  throw Error(ErrorKind::failed, "somebody else migrates this database: its epoch has changed");
}

void Progress::write(ProgressEntry entry, const Deadline& deadline) {
  // `writes` makes each write a change, also where all else is as it was.
  const std::int64_t changed = session_.execute(
      std::string("UPDATE ") + table +
          " SET run_id = ?, revision = ?, direction = ?, statements_done = ?, in_hand = ?, sql_digest = ?, "
          "evidence = ?, connection_id = ?, writes = writes + 1 WHERE target = ? AND epoch = ?",
      {entry.run_id, entry.revision, entry.direction, entry.statements_done, entry.in_hand, entry.sql_digest,
       entry.evidence.is_null() ? std::string() : dump(entry.evidence),
       static_cast<std::int64_t>(session_.server().connection_id), target_of_progress(session_), epoch_},
      deadline);
  if (changed != 1) {
    throw Error(ErrorKind::failed, "another runner has taken this database over", "deployer runs show last");
  }
  entry.epoch = epoch_;
  entry_ = std::move(entry);
}

}  // namespace deployer::migrations
