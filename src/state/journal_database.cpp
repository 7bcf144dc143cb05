#include "state/journal_database.h"

#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/SQLite/SessionImpl.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>

#include <utility>

#include "base/error.h"
#include "base/id.h"

namespace deployer {

namespace {

namespace poco = Poco::Data;

// Only what Poco knows as a declared type: INTEGER and TEXT. `time` is RFC 3339 with milliseconds, `data` JSON.
// `runs` is what the events say, folded as far as lists need it; it changes in the commit of the event.
constexpr const char* journal_tables = R"(
CREATE TABLE IF NOT EXISTS events(
  run TEXT NOT NULL, seq INTEGER NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL,
  attempt INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY(run, seq));
CREATE TABLE IF NOT EXISTS runs(
  number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL, pipeline TEXT NOT NULL,
  status TEXT NOT NULL, finished INTEGER NOT NULL, started_at TEXT NOT NULL, finished_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal_version(version INTEGER NOT NULL);
INSERT INTO journal_version SELECT 1 WHERE NOT EXISTS (SELECT * FROM journal_version);
)";
constexpr std::int64_t journal_version = 1;

/// A path as an SQLite URI takes it (https://www.sqlite.org/uri.html).
std::string journal_uri(const std::filesystem::path& file, const char* mode) {
  std::string uri = "file:";
  for (const char letter : std::filesystem::absolute(file).string()) {
    if (letter == '%') {
      uri += "%25";
    } else if (letter == '?') {
      uri += "%3f";
    } else if (letter == '#') {
      uri += "%23";
    } else {
      uri += letter;
    }
  }
  return uri + "?mode=" + mode;
}

Error journal_error(ErrorKind kind, const char* what, const std::filesystem::path& file, const std::string& reason) {
  return Error(kind, std::string("cannot ") + what + " the journal " + file.string() + ": " + reason);
}

/// Runs `act`; what Poco throws becomes an Error.
template <class Act>
auto journal_guard(const char* what, const std::filesystem::path& file, Act act) {
  try {
    return act();
  } catch (const poco::SQLite::DatabaseFullException& full) {
    throw journal_error(ErrorKind::no_space, what, file, full.displayText());
  } catch (const Poco::Exception& failure) {
    throw journal_error(ErrorKind::io, what, file, failure.displayText());
  }
}

Event journal_event(const std::string& run, const std::filesystem::path& file, std::int64_t seq,
                    const std::string& text) {
  Result<Json> json = parse_json(text, "the journal " + file.string());
  if (!json) {
    throw journal_error(ErrorKind::io, "read", file,
                        "event " + std::to_string(seq) + " of run " + run + " is not JSON");
  }
  Event event;
  event.run = run;
  event.seq = seq;
  event.data = std::move(*json);
  return event;
}

}  // namespace

struct JournalDatabase::State {
  std::filesystem::path file;
  // A session that is used needs to be non-const even to read.
  mutable poco::Session session;
};

JournalDatabase::JournalDatabase(std::unique_ptr<State> state) : state_(std::move(state)) {}
JournalDatabase::JournalDatabase(JournalDatabase&&) noexcept = default;
JournalDatabase::~JournalDatabase() = default;

namespace {

/// Poco tries a failing open again for its time-out, and has one of 60 s: so none, and SQLite's own busy handler
/// afterwards.
poco::Session journal_session(const std::filesystem::path& file, const char* mode) {
  using namespace Poco::Data::Keywords;
  poco::Session session(Poco::AutoPtr<poco::SessionImpl>(new poco::SQLite::SessionImpl(journal_uri(file, mode), 0)));
  session << "PRAGMA busy_timeout=10000", now;
  return session;
}

bool journal_has_tables(poco::Session& session) {
  using namespace Poco::Data::Keywords;
  std::vector<std::string> names;
  session << "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'journal_version'", into(names), now;
  return !names.empty();
}

/// Before anything is written: a newer deployer may mean other things by the same tables.
void journal_check_version(poco::Session& session, const std::filesystem::path& file) {
  using namespace Poco::Data::Keywords;
  std::vector<std::int64_t> versions;
  session << "SELECT version FROM journal_version", into(versions), now;
  if (versions.size() == 1 && versions.front() == journal_version) return;
  const std::string found = versions.empty() ? "none" : std::to_string(versions.front());
  throw Error(ErrorKind::invalid,
              "the journal " + file.string() + " has version " + found + ", and this deployer knows version " +
                  std::to_string(journal_version),
              "use the deployer that wrote it, or a newer one");
}

}  // namespace

JournalDatabase JournalDatabase::open(const std::filesystem::path& file) {
  return journal_guard("open", file, [&] {
    JournalDatabase database(std::make_unique<State>(State{file, journal_session(file, "rwc")}));
    poco::Session& session = database.state_->session;
    if (journal_has_tables(session)) journal_check_version(session, file);
    database.prepare_for_writing();
    return database;
  });
}

void JournalDatabase::prepare_for_writing() {
  using namespace Poco::Data::Keywords;
  std::string mode;
  state_->session << "PRAGMA journal_mode=WAL", into(mode), now;
  if (mode != "wal") throw journal_error(ErrorKind::io, "open", state_->file, "its journal mode stays " + mode);
  execute("PRAGMA synchronous=FULL");
  if (journal_has_tables(state_->session)) return;
  Transaction transaction(*this);
  execute(journal_tables);
  transaction.commit();
}

std::unique_ptr<JournalDatabase> JournalDatabase::open_for_reading(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nullptr;
  return journal_guard("open", file, [&]() -> std::unique_ptr<JournalDatabase> {
    auto state = std::make_unique<State>(State{file, journal_session(file, "ro")});
    if (!journal_has_tables(state->session)) return nullptr;
    journal_check_version(state->session, file);
    return std::make_unique<JournalDatabase>(JournalDatabase(std::move(state)));
  });
}

void JournalDatabase::execute(const char* sql) {
  using namespace Poco::Data::Keywords;
  journal_guard("write", state_->file, [&] { state_->session << sql, now; });
}

// BEGIN IMMEDIATE: a deferred transaction fails at its first write if somebody else has written since its first read,
// whatever the busy time-out.
JournalDatabase::Transaction::Transaction(JournalDatabase& database) : database_(&database) {
  database.execute("BEGIN IMMEDIATE");
}

JournalDatabase::Transaction::~Transaction() {
  if (database_ == nullptr) return;
  try {
    database_->execute("ROLLBACK");
  } catch (const Error&) {
    // After a full disk or an I/O error SQLite has rolled back by itself: there is no transaction any more.
  }
}

void JournalDatabase::Transaction::commit() {
  database_->execute("COMMIT");
  database_ = nullptr;
}

std::int64_t JournalDatabase::last_seq(const std::string& run) const {
  using namespace Poco::Data::Keywords;
  return journal_guard("read", state_->file, [&] {
    std::vector<std::int64_t> last;
    state_->session << "SELECT last_seq FROM runs WHERE run = ?", bind(run), into(last), now;
    return last.empty() ? std::int64_t{0} : last.front();
  });
}

void JournalDatabase::insert(const Event& event) {
  using namespace Poco::Data::Keywords;
  journal_guard("write", state_->file, [&] {
    poco::Session& session = state_->session;
    const std::string time = rfc3339(event.time);
    const std::int64_t seq = event.seq.value_or(0);
    session << "INSERT INTO events(run, seq, time, kind, step, attempt, data) VALUES(?, ?, ?, ?, ?, ?, ?)",
        bind(event.run), bind(seq), bind(time), bind(event.kind), bind(event.step), bind(event.attempt),
        bind(dump(event.data)), now;
    session << "INSERT INTO runs(run, last_seq, pipeline, status, finished, started_at, finished_at)"
               " VALUES(?, ?, '', 'running', 0, ?, '')"
               " ON CONFLICT(run) DO UPDATE SET last_seq = excluded.last_seq",
        bind(event.run), bind(seq), bind(time), now;
    // One event says all that the index needs of it.
    RunState said;
    apply(said, event);
    if (event.kind == "run_started") {
      session << "UPDATE runs SET pipeline = ?, started_at = ? WHERE run = ?", bind(said.pipeline), bind(time),
          bind(event.run), now;
    } else if (event.kind == "run_finished" || event.kind == "recovery_started") {
      const int finished = said.finished ? 1 : 0;
      session << "UPDATE runs SET status = ?, finished = ?, finished_at = ? WHERE run = ?",
          bind(std::string(name_of(said.status))), bind(finished), bind(said.finished ? time : std::string()),
          bind(event.run), now;
    }
  });
}

void JournalDatabase::forget(const std::string& run) {
  using namespace Poco::Data::Keywords;
  journal_guard("write", state_->file, [&] {
    poco::Session& session = state_->session;
    session << "DELETE FROM events WHERE run = ?", bind(run), now;
    session << "DELETE FROM runs WHERE run = ?", bind(run), now;
  });
}

std::vector<Event> JournalDatabase::events(const std::string& run, std::int64_t after) const {
  using namespace Poco::Data::Keywords;
  return journal_guard("read", state_->file, [&] {
    std::vector<std::int64_t> seqs;
    std::vector<std::string> times, kinds, steps, texts;
    std::vector<int> attempts;
    state_->session << "SELECT seq, time, kind, step, attempt, data FROM events WHERE run = ? AND seq > ? ORDER BY seq",
        bind(run), bind(after), into(seqs), into(times), into(kinds), into(steps), into(attempts), into(texts), now;
    std::vector<Event> events;
    for (std::size_t i = 0; i < seqs.size(); ++i) {
      Event event = journal_event(run, state_->file, seqs[i], texts[i]);
      event.time = parse_rfc3339(times[i]);
      event.kind = kinds[i];
      event.step = steps[i];
      event.attempt = attempts[i];
      events.push_back(std::move(event));
    }
    return events;
  });
}

std::vector<RunState> JournalDatabase::index() const {
  using namespace Poco::Data::Keywords;
  return journal_guard("read", state_->file, [&] {
    std::vector<std::string> ids, pipelines, statuses, started, finished_at;
    std::vector<int> finished;
    std::vector<std::int64_t> last;
    state_->session << "SELECT run, last_seq, pipeline, status, finished, started_at, finished_at FROM runs"
                       " ORDER BY number",
        into(ids), into(last), into(pipelines), into(statuses), into(finished), into(started), into(finished_at), now;
    std::vector<RunState> runs;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      RunState& run = runs.emplace_back();
      run.id = ids[i];
      run.last_seq = last[i];
      run.pipeline = pipelines[i];
      run.finished = finished[i] != 0;
      run.started_at = parse_rfc3339(started[i]);
      if (run.finished) run.finished_at = parse_rfc3339(finished_at[i]);
      for (int status = 0; status <= static_cast<int>(RunStatus::cancelled); ++status) {
        if (name_of(static_cast<RunStatus>(status)) == statuses[i]) run.status = static_cast<RunStatus>(status);
      }
    }
    return runs;
  });
}

}  // namespace deployer
