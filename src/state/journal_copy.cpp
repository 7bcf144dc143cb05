#include "state/journal_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/session.h"
#include "state/journal.h"
#include "state/server_lock_row.h"

namespace deployer {

namespace {

using database::as_integer;
using database::as_text;
using database::Session;

constexpr const char* copy_table = "deployer_journal";
constexpr Duration copy_patience = std::chrono::seconds(30);       ///< for what must be written
constexpr Duration copy_short_patience = std::chrono::seconds(2);  ///< for what may be missing
constexpr Duration copy_pause = std::chrono::seconds(5);           ///< after a failure, before it is tried again
constexpr std::size_t copy_rows_at_once = 50;
constexpr std::size_t copy_ends_kept = 1000;

std::string copy_text(const Event& event) {
  return dump({{"time", rfc3339(event.time)},
               {"kind", event.kind},
               {"step", event.step},
               {"attempt", event.attempt},
               {"data", event.data}});
}

Event copy_event(const std::string& run, std::int64_t seq, const std::string& text) {
  const Result<Json> json = parse_json(text, copy_table);
  Event event;
  event.run = run;
  event.seq = seq;
  try {
    if (!json) throw json.error();
    event.time = parse_rfc3339(json->at("time").get<std::string>());
    event.kind = json->at("kind").get<std::string>();
    event.step = json->at("step").get<std::string>();
    event.attempt = json->at("attempt").get<int>();
    event.data = json->at("data");
  } catch (const std::exception&) {
    throw Error(ErrorKind::left_behind,
                fmt::format("event {} of run {} in the table {} is not one", seq, run, copy_table),
                "somebody changed it; look at the database yourself, then delete the rows of that run");
  }
  return event;
}

bool is_settled(const RunState& state) {
  return state.finished && state.status != RunStatus::interrupted && state.status != RunStatus::rollback_failed;
}

bool says_the_same(const Event& a, const Event& b) {
  return a.seq == b.seq && a.kind == b.kind && a.step == b.step && a.attempt == b.attempt && a.data == b.data;
}

/// Whether `longer` is `shorter` and perhaps more.
bool begins_with(const std::vector<Event>& longer, const std::vector<Event>& shorter) {
  return shorter.size() <= longer.size() && std::equal(shorter.begin(), shorter.end(), longer.begin(), says_the_same);
}

}  // namespace

struct JournalCopy::State {
  OpenSession open;
  std::int64_t epoch;
  std::unique_ptr<Session> session;
  std::vector<Event> waiting;  ///< of any runs, those of one in order
  Deadline pause = Deadline::after(Duration(0));

  Session& connected(const Deadline& deadline) {
    if (!session) {
      session = open(deadline);
      session->execute("SET SESSION autocommit = 1", deadline);
    }
    return *session;
  }

  /// `act` in a transaction that only the owner of the lock gets through. A connection that idled too long is opened
  /// once more: what is done here can be done twice.
  void owned(const Deadline& deadline, const std::function<void(Session&)>& act) {
    for (bool again = session != nullptr;; again = false) {
      try {
        Session& connection = connected(deadline);
        connection.begin(deadline);
        hold_epoch(connection, epoch, deadline);
        act(connection);
        connection.commit(deadline);
        return;
      } catch (const Error& failure) {
        session.reset();  // and with it the transaction
        if (!again || failure.kind != ErrorKind::unavailable) throw;
      }
    }
  }

  void put_off(const std::vector<Event>& events) {
    if (events.empty()) return;
    const Event& first = events.front();
    std::erase_if(waiting, [&](const Event& old) { return old.run == first.run && old.seq >= first.seq; });
    waiting.insert(waiting.end(), events.begin(), events.end());
  }

  void flush(const Deadline& deadline) {
    if (waiting.empty()) return;
    owned(deadline, [&](Session& connection) {
      std::map<std::string, std::int64_t> first;
      for (const Event& event : waiting) first.try_emplace(event.run, event.seq.value_or(0));
      for (const auto& [run, seq] : first) {
        connection.execute("DELETE FROM deployer_journal WHERE run = ? AND seq >= ?", {run, seq}, deadline);
      }
      insert(connection, waiting, deadline);
    });
    waiting.clear();
  }

  static void insert(Session& connection, const std::vector<Event>& events, const Deadline& deadline) {
    for (std::size_t from = 0; from < events.size(); from += copy_rows_at_once) {
      const std::size_t to = std::min(events.size(), from + copy_rows_at_once);
      database::Row parameters;
      std::vector<std::string> places;
      for (std::size_t i = from; i < to; ++i) {
        places.emplace_back("(?, ?, ?)");
        parameters.insert(parameters.end(), {events[i].run, events[i].seq.value_or(0), copy_text(events[i])});
      }
      connection.execute("INSERT INTO deployer_journal (run, seq, event) VALUES " + join(places, ", "), parameters,
                         deadline);
    }
  }
};

JournalCopy::JournalCopy(OpenSession open, std::int64_t epoch, const Deadline& deadline)
    : state_(new State{std::move(open), epoch, nullptr, {}}) {
  make_server_table(state_->connected(deadline), copy_table, deadline);
}

JournalCopy::~JournalCopy() = default;

bool JournalCopy::has_open_runs(Session& session, const Deadline& deadline) {
  if (!session.dialect().has_table(session, copy_table, deadline)) return false;
  const database::Rows ends = session.query(
      "SELECT run, seq, event FROM deployer_journal JOIN (SELECT run AS whole, MAX(seq) AS last FROM deployer_journal "
      "GROUP BY run) AS runs ON run = whole AND seq = last",
      deadline);
  return std::any_of(ends.rows.begin(), ends.rows.end(), [](const database::Row& row) {
    // Of the last event alone is known whether it is an end, and which.
    return !is_settled(fold({copy_event(as_text(row[0]), as_integer(row[1]), as_text(row[2]))}));
  });
}

void JournalCopy::take(const std::vector<Event>& events, bool now) {
  if (!now) {
    state_->put_off(events);
    return;
  }
  const std::vector<Event> before = state_->waiting;
  try {
    state_->put_off(events);
    state_->flush(Deadline::after(copy_patience));
  } catch (const Error& failure) {
    state_->waiting = before;
    throw Error(failure.kind, "the journal cannot be copied into the database", failure.hint).caused_by(failure);
  }
}

void JournalCopy::take_if_possible(const std::vector<Event>& events) {
  state_->put_off(events);
  const bool is_end = !events.empty() && events.back().kind == "run_finished";
  if (!is_end && !state_->pause.expired()) return;
  try {
    state_->flush(Deadline::after(copy_short_patience));
  } catch (const Error& failure) {
    state_->pause = Deadline::after(copy_pause);
    log(LogLevel::debug, "the journal could not be copied into the database: " + failure.summary());
  }
}

std::vector<std::string> JournalCopy::runs(const Deadline& deadline) {
  std::vector<std::string> ids;
  for (const database::Row& row :
       state_->connected(deadline).query("SELECT DISTINCT run FROM deployer_journal ORDER BY run", deadline).rows) {
    ids.push_back(as_text(row.at(0)));
  }
  return ids;
}

std::vector<Event> JournalCopy::events(const std::string& run, const Deadline& deadline) {
  std::vector<Event> events;
  for (const database::Row& row :
       state_->connected(deadline)
           .query("SELECT seq, event FROM deployer_journal WHERE run = ? ORDER BY seq", {run}, deadline)
           .rows) {
    events.push_back(copy_event(run, as_integer(row.at(0)), as_text(row.at(1))));
  }
  return events;
}

void JournalCopy::replace(const std::string& run, const std::vector<Event>& events, const Deadline& deadline) {
  state_->owned(deadline, [&](Session& connection) {
    connection.execute("DELETE FROM deployer_journal WHERE run = ?", {run}, deadline);
    State::insert(connection, events, deadline);
  });
}

void JournalCopy::settle(const std::string& run, const Deadline& deadline) {
  state_->owned(deadline, [&](Session& connection) {
    const auto last = as_integer(
        connection.query("SELECT MAX(seq) FROM deployer_journal WHERE run = ?", {run}, deadline).rows.at(0).at(0));
    connection.execute("DELETE FROM deployer_journal WHERE run = ? AND seq < ?", {run, last}, deadline);
    // An id begins with its time: the least are the oldest. One that is not settled has more rows, and stays.
    const database::Rows old = connection.query(
        fmt::format("SELECT run FROM deployer_journal GROUP BY run HAVING COUNT(*) = 1 AND MIN(seq) > 1 "
                    "ORDER BY run DESC LIMIT 1000000 OFFSET {}",
                    copy_ends_kept),
        deadline);
    for (const database::Row& row : old.rows) {
      connection.execute("DELETE FROM deployer_journal WHERE run = ?", {row.at(0)}, deadline);
    }
  });
}

namespace {

/// One run of the copy against what the journal has of it.
void agree_on(Journal& journal, JournalCopy& copy, const std::string& run, const Deadline& deadline) {
  const std::vector<Event> theirs = copy.events(run, deadline);
  const std::vector<Event> ours = journal.events(run);
  if (theirs.empty()) return;
  const RunState our_state = fold(ours);
  const bool is_end_only = theirs.front().seq != 1;
  if (is_end_only) {
    if (ours.empty() || is_settled(our_state)) return;
    // It was brought to its end from elsewhere.
    std::vector<Event> end = {theirs.back()};
    journal.append(end);
    return;
  }
  const RunState their_state = fold(theirs);
  const bool ours_counts =
      !ours.empty() && ((is_settled(our_state) && !is_settled(their_state)) || begins_with(ours, theirs));
  if (!ours_counts && !(ours.empty() && is_settled(their_state))) journal.import(run, theirs);
  if (ours_counts && ours.size() != theirs.size()) copy.replace(run, ours, deadline);
  if (is_settled(ours_counts ? our_state : their_state)) copy.settle(run, deadline);
}

}  // namespace

void agree(Journal& journal, JournalCopy& copy, const Deadline& deadline) {
  const std::vector<std::string> copied = copy.runs(deadline);
  for (const std::string& run : copied) agree_on(journal, copy, run, deadline);
  std::vector<std::string> open = journal.unfinished();
  for (const std::string& run : journal.unsettled()) open.push_back(run);
  for (const std::string& run : open) {
    if (std::find(copied.begin(), copied.end(), run) == copied.end()) copy.replace(run, journal.events(run), deadline);
  }
}

}  // namespace deployer
