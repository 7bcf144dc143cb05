#include "migrations/stepwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "database/canonical.h"
#include "database/dialect.h"
#include "database/server_health.h"

namespace deployer::migrations {

namespace {

using database::SqlError;

constexpr int error_lock_wait = 1205;  // ER_LOCK_WAIT_TIMEOUT, for rows and for definitions
constexpr Duration first_pause = std::chrono::seconds(1);
constexpr Duration longest_pause = std::chrono::seconds(30);

/// The server has taken the transaction back, or the statement: all of it may be sent again.
bool may_pass(const SqlError& error) { return error.code == error_lock_wait || error.state == "40001"; }

Error error_in(const Unit& unit, const Error& refused) {
  const Location at{unit.at.file, unit.at.line, 0};
  return Error(refused.kind, at.text() + ": " + refused.message, refused.hint);
}

std::string first_line_of(std::string_view sql) { return std::string(sql.substr(0, sql.find('\n'))); }

/// Not all at once, where several wait for the same.
Duration with_jitter(Duration pause) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return pause + Duration(std::uniform_int_distribution<int>(0, 200)(random));
}

std::string digest_of_unit(const Unit& unit, const database::Session& session) {
  return database::token_digest(join(unit.statements, ";"), session.dialect().lexer());
}

}  // namespace

/// A section that is on its way, or was.
struct Stepwise::Work {
  Applied row;
  Direction direction;
  std::vector<Unit> units;

  const char* words() const { return direction == Direction::up ? "up" : "down"; }
};

Stepwise::Stepwise(database::Session& session, const History& history, const ExecutorOptions& options)
    : session_(session), server_(*session.dialect().server()), history_(history), options_(options) {}

void Stepwise::need_lock(const Deadline& deadline) {
  if (server_.lock_holder(session_, deadline) == session_.server().connection_id) return;
  throw Error(ErrorKind::failed, "this session does not hold the lock of the schema " + session_.url().name,
              "a proxy that spreads statements over servers cannot be used: connect to the server itself");
}

Stepwise::Work Stepwise::work_of(const Applied& row, Location from, Direction direction, const Deadline& deadline) {
  const Section section{direction == Direction::up ? row.up_text : row.down_text, from.line};
  const database::Script script = statements_of(section, from.file, session_.dialect().lexer());
  UnitFacts facts;
  facts.sees_table_ids = server_.sees_table_ids(session_, deadline);
  // Not by introspection, which a table that cannot be opened would fail: just then somebody must know where it stands.
  const database::Rows tables = session_.query(
      "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() AND engine IS NOT NULL",
      deadline);
  for (const database::Row& table : tables.rows) {
    facts.engines[database::as_text(table.at(0))] = database::as_text(table.at(1));
  }
  return {row, direction, units_of(script, facts)};
}

void Stepwise::refuse_undecidable(const Work& work) const {
  for (const Unit& unit : work.units) {
    if (unit.kind != UnitKind::undecidable || !unit.probe.empty()) continue;
    if (options_.may_be_undecidable && work.units.size() == 1) continue;
    throw Error(ErrorKind::invalid,
                Location{unit.at.file, unit.at.line, 0}.text() +
                    ": after a crash nobody could tell whether this happened: " + unit.why,
                "give it a revision of its own with a backup before it, or say `-- deployer: repeatable` or "
                "`-- deployer: probe SELECT …` above it");
  }
}

void Stepwise::in_one_commit(const Deadline& deadline, const std::function<void()>& work) {
  session_.begin(deadline);
  try {
    work();
    session_.commit(deadline);
  } catch (...) {
    try {
      session_.rollback();
    } catch (const Error&) {
      // What is not committed is gone with the connection; the first error is the one to tell.
    }
    throw;
  }
}

void Stepwise::apply(const Revision& revision, Applied row, const Deadline& deadline) {
  need_lock(deadline);
  server_.prepare_for_statements(session_, options_.lock_wait, deadline);
  const Work work = work_of(row, {revision.file, revision.up->first_line, 0}, Direction::up, deadline);
  refuse_undecidable(work);
  history_.create(session_, deadline);
  Progress progress(session_, deadline);
  row.state = "applying";
  in_one_commit(deadline, [&] {
    history_.insert(session_, row, deadline);
    progress.write({.run_id = options_.run_id, .revision = row.revision, .direction = work.words()}, deadline);
  });
  go(work, progress, deadline);
}

void Stepwise::revert(const Applied& row, const Deadline& deadline) {
  need_lock(deadline);
  server_.prepare_for_statements(session_, options_.lock_wait, deadline);
  const Work work = work_of(row, {"down section of " + row.revision, 1, 0}, Direction::down, deadline);
  if (row.state == "reverting") {
    const Standing standing = settle(row.revision, deadline);
    if (standing.state == Standing::State::absent) return;
    if (standing.state == Standing::State::partly && !standing.text.empty() && standing.done == standing.units) {
      throw Error(ErrorKind::left_behind, standing.text);
    }
  } else {
    refuse_undecidable(work);
  }
  Progress progress(session_, deadline);
  // An entry of an earlier attempt, which a restore took back, is none of this one.
  const bool goes_on = row.state == "reverting" && progress.entry().revision == row.revision &&
                       progress.entry().direction == work.words();
  if (!goes_on) {
    in_one_commit(deadline, [&] {
      history_.set_state(session_, row.revision, "reverting", deadline);
      progress.write({.run_id = options_.run_id, .revision = row.revision, .direction = work.words()}, deadline);
    });
  }
  go(work, progress, deadline);
}

void Stepwise::go(const Work& work, Progress& progress, const Deadline& deadline) {
  const auto begun = Deadline::Clock::now();
  auto done = static_cast<std::size_t>(progress.entry().statements_done);
  try {
    for (std::size_t i = 0; i < done; ++i) {
      for (const std::string& sql : work.units[i].session) session_.execute(sql, deadline);
    }
    for (; done < work.units.size(); ++done) send(work, done + 1, progress, deadline);
  } catch (const Error& error) {
    // A session that is gone leaves the judgement to `settle` by another one.
    if (error.kind != ErrorKind::unavailable) {
      try {
        const Deadline soon = Deadline::after(std::chrono::seconds(30));
        // What was committed with rows, or found out of an interrupted statement, stands in the database.
        if (const auto now = Progress::read(session_, soon); now && now->revision == work.row.revision) {
          done = std::max(done, static_cast<std::size_t>(now->statements_done));
        }
        const bool blind = done < work.units.size() && work.units[done].kind == UnitKind::undecidable;
        conclude(work, progress, done, blind ? "nobody can tell how much of it happened" : "", soon);
      } catch (const Error&) {
        // The first error is the one to tell; `settle` finds out.
      }
    }
    throw;
  }
  Work finished = work;
  finished.row.duration_ms = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun).count();
  conclude(finished, progress, done, {}, deadline);
}

/// Writes down where a revision stands, in one commit.
Standing Stepwise::conclude(const Work& work, Progress& progress, std::size_t done, std::string text,
                            const Deadline& deadline) {
  const bool up = work.direction == Direction::up;
  Standing standing{Standing::State::partly, done, work.units.size(), std::move(text)};
  const bool nothing = done == 0 && standing.text.empty() && !work.units.empty();
  const bool all = done == work.units.size() && standing.text.empty();
  if (nothing || all) standing.state = (all == up) ? Standing::State::applied : Standing::State::absent;
  in_one_commit(deadline, [&] {
    if (standing.state == Standing::State::partly) {
      if (up) history_.set_state(session_, work.row.revision, "failed", deadline);
      ProgressEntry entry = progress.entry();
      entry.statements_done = static_cast<std::int64_t>(done);
      // What is in doubt stays in hand, so that asking again gives the same.
      if (standing.text.empty()) entry.in_hand = 0;
      progress.write(std::move(entry), deadline);
      return;
    }
    history_.remove(session_, work.row.revision, deadline);
    if (standing.state == Standing::State::applied) {
      Applied row = work.row;
      row.state = "applied";
      history_.insert(session_, row, deadline);
    }
    progress.clear(deadline);
  });
  return standing;
}

Standing Stepwise::settle(const std::string& revision, const Deadline& deadline) {
  need_lock(deadline);
  const std::map<std::string, Applied> rows = history_.read(session_, deadline);
  const auto row = rows.find(revision);
  if (row == rows.end()) return {};
  if (row->second.state == "applied") return {Standing::State::applied, 0, 0, {}};
  Progress progress(session_, deadline);
  const ProgressEntry& entry = progress.entry();
  if (entry.revision != revision) {
    return {Standing::State::partly, 0, 0, "nothing tells how far revision '" + revision + "' has come"};
  }
  const Direction direction = entry.direction == "down" ? Direction::down : Direction::up;
  const Work work =
      work_of(row->second, {std::string(entry.direction) + " section of " + revision, 1, 0}, direction, deadline);
  auto done = static_cast<std::size_t>(entry.statements_done);
  const auto in_hand = static_cast<std::size_t>(entry.in_hand);
  std::string doubt;
  if (in_hand > done && in_hand <= work.units.size()) {
    const Unit& unit = work.units[in_hand - 1];
    bool happened = false;
    doubt = digest_of_unit(unit, session_) == entry.sql_digest
                ? judge(unit, entry, happened, deadline)
                : "the text of its statement is not the one that was sent";
    if (doubt.empty() && happened) done = in_hand;
    if (!doubt.empty()) doubt = Location{unit.at.file, unit.at.line, 0}.text() + ": " + doubt;
  }
  return conclude(work, progress, done, doubt, deadline);
}

void Stepwise::remove_leftovers(const Deadline& deadline) {
  need_lock(deadline);
  for (const std::string_view prefix : beside_prefixes) {
    const database::Rows tables = session_.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND LEFT(table_name, ?) = ?",
        {static_cast<std::int64_t>(prefix.size()), std::string(prefix)}, deadline);
    for (const database::Row& row : tables.rows) {
      session_.execute("DROP TABLE IF EXISTS " + session_.dialect().quote(database::as_text(row.at(0))), deadline);
    }
  }
}

/// Whether the unit that was in hand has happened; a doubt, for people, where that cannot be told.
std::string Stepwise::judge(const Unit& unit, const ProgressEntry& entry, bool& happened, const Deadline& deadline) {
  if (unit.kind == UnitKind::repeatable) {
    // What the session alone had is gone with it; anything else may have happened.
    return unit.session.empty() ? "it may have happened" : "";
  }
  if (!unit.probe.empty()) {
    const database::Rows answer = session_.query(unit.probe, deadline);
    happened = answer.rows.size() == 1 && database::as_text(answer.rows[0].at(0)) == "1";
    return {};
  }
  if (unit.kind == UnitKind::undecidable) return "nobody can tell whether it happened: " + unit.why;
  const database::ServerIdentity then = database::ServerIdentity::from(entry.evidence.value("server", Json::object()));
  const database::ServerIdentity now = server_.identity(session_, deadline);
  if (unit.not_atomic && !now.is_same_start(then)) {
    return "the server was restarted in it, and may have done a part of it";
  }
  Json before = entry.evidence.value("things", Json::object());
  Json things = look_at(unit, deadline)["things"];
  // Rows that others insert move the counter, which tells only of a statement that sets it.
  const bool sets_counter = std::any_of(unit.names.begin(), unit.names.end(), [](const std::string& name) {
    return database::lower_case(name) == "auto_increment";
  });
  for (Json* side : {&before, &things}) {
    for (auto& thing : *side) {
      if (!sets_counter) thing.erase("auto_increment");
    }
  }
  happened = things != before;
  return {};
}

Json Stepwise::look_at(const Unit& unit, const Deadline& deadline) {
  return {{"server", server_.identity(session_, deadline).json()},
          {"things", server_.evidence(session_, unit.names, deadline)}};
}

void Stepwise::send(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline) {
  const Unit& unit = work.units[number - 1];
  if (options_.on_statement) {
    options_.on_statement(number, work.units.size(), first_line_of(unit.statements.front()));
  }
  try {
    if (unit.kind == UnitKind::rows) {
      send_rows(work, number, progress, deadline);
    } else {
      send_statement(work, number, progress, deadline);
    }
  } catch (const Error& refused) {
    throw error_in(unit, refused);
  }
}

void Stepwise::send_rows(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline) {
  const Unit& unit = work.units[number - 1];
  ProgressEntry entry = progress.entry();
  entry.statements_done = entry.in_hand = static_cast<std::int64_t>(number);
  entry.evidence = nullptr;
  patiently(deadline, [&](const Deadline& time) {
    in_one_commit(time, [&] {
      for (const std::string& sql : unit.statements) {
        session_.execute(sql, time);
        if (!session_.in_transaction()) {
          throw Error(ErrorKind::left_behind, "a statement has ended the transaction of the revision");
        }
      }
      progress.write(entry, time);
      if (options_.fault) options_.fault("before commit");
    });
  });
  if (options_.fault) options_.fault("after commit");
}

void Stepwise::begin_unit(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline) {
  const Unit& unit = work.units[number - 1];
  const Json evidence = look_at(unit, deadline);
  const Json there = unit.needs.empty() ? Json::object() : server_.evidence(session_, unit.needs, deadline);
  for (const std::string& name : unit.needs) {
    if (there.contains(name)) continue;
    throw Error(ErrorKind::database, "there is no table " + name, "nothing of the statement was sent");
  }
  ProgressEntry entry = progress.entry();
  entry.statements_done = static_cast<std::int64_t>(number) - 1;
  entry.in_hand = static_cast<std::int64_t>(number);
  entry.sql_digest = digest_of_unit(unit, session_);
  entry.evidence = evidence;
  in_one_commit(deadline, [&] { progress.write(std::move(entry), deadline); });
}

void Stepwise::send_statement(const Work& work, std::size_t number, Progress& progress, const Deadline& deadline) {
  const Unit& unit = work.units[number - 1];
  begin_unit(work, number, progress, deadline);
  if (options_.fault) options_.fault("before statement");
  try {
    const auto send_all = [&](const Deadline& time) {
      for (const std::string& sql : unit.statements) session_.execute(sql, time);
    };
    // What may have happened in part is not sent again.
    unit.kind == UnitKind::undecidable ? send_all(deadline) : patiently(deadline, send_all);
  } catch (const Error& error) {
    if (error.kind == ErrorKind::unavailable) throw;
    // An interrupted statement may have ended just before. The session is idle now, so the evidence is the last word.
    bool happened = false;
    const Deadline soon = Deadline::after(std::chrono::seconds(30));
    const std::string doubt = judge(unit, progress.entry(), happened, soon);
    if (doubt.empty() && happened) {
      ProgressEntry entry = progress.entry();
      entry.statements_done = static_cast<std::int64_t>(number);
      in_one_commit(soon, [&] { progress.write(std::move(entry), soon); });
    }
    throw;
  }
  if (options_.fault) options_.fault("after statement");
}

void Stepwise::patiently(const Deadline& deadline, const std::function<void(const Deadline&)>& act) {
  const Deadline patience = Deadline::after(options_.lock_wait_timeout, deadline.stop());
  Duration pause = first_pause;
  while (true) {
    try {
      act(options_.statement_timeout.count() > 0 ? deadline.at_most(options_.statement_timeout) : deadline);
      return;
    } catch (const SqlError& error) {
      if (!may_pass(error)) throw;
      const bool over = patience.left().value_or(pause) < pause;
      const std::string who = over || pause == first_pause ? blocker(deadline) : "";
      if (over) {
        throw Error(error.kind, error.message + (who.empty() ? "" : "; it waits for " + who),
                    "lock_wait_timeout says how long to wait in all (" + duration_text(options_.lock_wait_timeout) +
                        "); end the session that holds the lock, or try again later");
      }
      if (options_.on_note && !who.empty()) options_.on_note("waiting for a lock of " + who);
      if (!deadline.sleep(with_jitter(pause))) throw;
      pause = std::min(pause * 2, longest_pause);
    }
  }
}

/// Who probably holds the lock: the oldest open transaction of another session. Empty where that cannot be seen.
std::string Stepwise::blocker(const Deadline& deadline) {
  try {
    const database::ServerHealth health = server_.health(session_, {}, deadline);
    for (const database::BlockingSession& other : health.long_transactions) {
      if (other.connection != session_.server().connection_id) return other.text();
    }
  } catch (const Error&) {
    // It is for people only.
  }
  return {};
}

}  // namespace deployer::migrations
