#include "migrations/rehearsal.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/row_digest.h"
#include "migrations/rehearsal_copy.h"
#include "system/files.h"

namespace deployer::migrations {

namespace {

namespace fs = std::filesystem;

/// A folder that is gone at the end, whatever happens.
class ScratchFolder {
 public:
  ScratchFolder(fs::path folder, Files& files) : folder_(std::move(folder)), files_(files) {
    files_.remove_folder(folder_);
    files_.make_folder(folder_, 0700);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const fs::path& path() const { return folder_; }

 private:
  fs::path folder_;
  Files& files_;
};

/// Schema and rows at one moment.
struct Picture {
  database::Schema schema;
  std::map<std::string, database::RowDigest> rows;
};

/// A sentence of Schema::differences, of which the first schema is the one before and the second the one after.
std::string loss_of(std::string difference) {
  const auto put = [&](const std::string& from, const std::string& to) {
    const std::size_t found = difference.rfind(from);
    if (found != std::string::npos) difference.replace(found, from.size(), to);
  };
  if (difference.ends_with(" is only in the first")) {
    put(" is only in the first", " is not brought back");
  } else if (difference.ends_with(" is only in the second")) {
    put(" is only in the second", " is left over");
  } else {
    put(" in the first and ", " before and ");
    if (difference.ends_with(" in the second")) put(" in the second", " afterwards");
  }
  return difference;
}

std::vector<std::string> losses_of(const database::Schema& before, const database::Schema& after) {
  if (before.fingerprint() == after.fingerprint()) return {};
  std::vector<std::string> lost;
  for (const std::string& difference : before.differences(after)) lost.push_back(loss_of(difference));
  if (lost.empty()) lost.emplace_back("the schema is another one");
  return lost;
}

bool has_column(const database::Table& table, const std::string& name) {
  return std::any_of(table.columns.begin(), table.columns.end(),
                     [&](const database::Column& column) { return column.name == name && !column.generated; });
}

class Rehearsal {
 public:
  Rehearsal(RehearsalSource& source, const Graph& graph, const History& history, const ExecutorOptions& options,
            const Deadline& deadline)
      : source_(source), graph_(graph), history_(history), options_(options), deadline_(deadline) {
    // Whether such a revision has a way back is for the run to say; here it can do no harm.
    options_.may_be_undecidable = true;
    copy_ = fresh_copy();
    before_ = picture(session());
  }

  Rehearsed one(const std::string& id) {
    Rehearsed result;
    result.revision = id;
    result.without_rows = source_.incomplete();
    const Revision& revision = *graph_.find(id);
    result.up = timed([&] { first_up(revision); });
    Picture up_once = picture(session());
    if (!revision.down) {
      before_ = std::move(up_once);
    } else if (!down(id, result)) {
      before_ = is_transactional() ? std::move(up_once) : anew(revision);
    } else {
      look_back(result);
      before_ = up_again(revision, up_once, result);
    }
    done_.push_back(&revision);
    return result;
  }

 private:
  using Copy = std::unique_ptr<RehearsalCopy>;

  database::Session& session() const { return copy_->session(); }
  /// Whether what failed has left nothing.
  bool is_transactional() const { return session().dialect().capabilities().transactional_ddl; }

  /// The live database with the revisions that have been rehearsed.
  Copy fresh_copy() const {
    Copy copy = source_.copy(deadline_);
    for (const Revision* revision : done_) up(copy->session(), *revision);
    return copy;
  }

  /// What a revision leads to, on a copy that has seen nothing else of it.
  Picture anew(const Revision& revision) {
    copy_.reset();
    copy_ = fresh_copy();
    up(session(), revision);
    return picture(session());
  }

  Picture picture(database::Session& copy) const {
    Picture seen;
    seen.schema = copy.dialect().introspect(copy, deadline_, {history_.table()});
    seen.rows = database::row_digests(copy, seen.schema, deadline_);
    return seen;
  }

  void up(database::Session& copy, const Revision& revision) const {
    Executor(copy, history_, options_).apply(revision, applied_ids(history_.read(copy, deadline_)), deadline_);
  }

  void first_up(const Revision& revision) {
    try {
      up(session(), revision);
    } catch (const Error& error) {
      pass_on_stops(error);
      // What is written in its file, and not what came of it: nothing was run.
      if (error.kind == ErrorKind::invalid) throw;
      throw RehearsalFailed(revision.id, error);
    }
  }

  /// False where the down section fails.
  bool down(const std::string& id, Rehearsed& result) {
    const std::map<std::string, Applied> rows = history_.read(session(), deadline_);
    try {
      result.down =
          timed([&] { Executor(session(), history_, options_).revert(rows.at(id), applied_ids(rows), deadline_); });
    } catch (const Error& error) {
      pass_on_stops(error);
      result.down_error = error.summary();
      return false;
    }
    return result.reversible = true;
  }

  /// What down did not bring back.
  void look_back(Rehearsed& result) {
    const Picture now = picture(session());
    result.lost = losses_of(before_.schema, now.schema);
    Copy original;
    for (const auto& [table, digest] : before_.rows) {
      const auto left = now.rows.find(table);
      if (left == now.rows.end() || left->second == digest) continue;
      if (left->second.rows != digest.rows) {
        result.lost.push_back("table " + table + ": of " + std::to_string(digest.rows) + " rows " +
                              std::to_string(left->second.rows) + " are there afterwards");
        continue;
      }
      if (!original) original = fresh_copy();
      const std::string lost = lost_columns(original->session(), *before_.schema.find(table), *now.schema.find(table));
      if (!lost.empty()) result.lost.push_back(lost);
    }
  }

  /// Of a table with as many rows as before the columns whose values are not what they were.
  std::string lost_columns(database::Session& original, const database::Table& before, const database::Table& now) {
    std::vector<std::string> changed;
    bool same_columns = true;
    for (const database::Column& column : before.columns) {
      if (column.generated) continue;
      if (!has_column(now, column.name)) {
        same_columns = false;
      } else if (database::row_digest(original, before, deadline_, {column.name}) !=
                 database::row_digest(session(), now, deadline_, {column.name})) {
        changed.push_back(column.name);
      }
    }
    if (!changed.empty()) return "table " + before.name + ": the values of " + listing(changed) + " are others";
    // A column that is gone is told with the schema.
    return same_columns ? "table " + before.name + ": its rows are not what they were" : "";
  }

  /// The state that the next revision begins with.
  Picture up_again(const Revision& revision, const Picture& up_once, Rehearsed& result) {
    try {
      up(session(), revision);
      Picture up_twice = picture(session());
      for (const std::string& difference : losses_of(up_once.schema, up_twice.schema)) {
        result.lost.push_back("up again leads elsewhere: " + difference);
      }
      if (result.lost.empty()) return up_twice;
    } catch (const Error& error) {
      pass_on_stops(error);
      result.lost.push_back("up again fails: " + error.summary());
    }
    return anew(revision);  // what comes next is rehearsed on what this revision really leads to
  }

  /// Of the exception that is being handled.
  static void pass_on_stops(const Error& error) {
    if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out) throw;
  }

  template <class Work>
  static Duration timed(const Work& work) {
    const auto begun = Deadline::Clock::now();
    work();
    return std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun);
  }

  RehearsalSource& source_;
  const Graph& graph_;
  const History& history_;
  ExecutorOptions options_;
  Deadline deadline_;
  std::vector<const Revision*> done_;
  Copy copy_;
  Picture before_;
};

}  // namespace

RehearsalFailed::RehearsalFailed(std::string id, const Error& error)
    : Error(ErrorKind::failed, "the rehearsal of revision '" + id + "' failed: " + error.summary(), error.hint),
      revision(std::move(id)) {}

std::string Rehearsed::why_unproved() const {
  if (!down_error.empty()) return "its down section fails: " + down_error;
  if (!lost.empty()) return "its down section does not bring back everything: " + lost.front();
  if (!reversible) return "it has no down section";
  if (!with_rows()) return "its down section is not proved: " + without_rows;
  return "";
}

std::vector<Rehearsed> rehearse(database::Session& session, const Graph& graph, const Ids& revisions,
                                const History& history, const ExecutorOptions& options, const RehearsalPlace& place,
                                const Deadline& deadline) {
  std::vector<Rehearsed> results;
  if (revisions.empty()) return results;
  const ScratchFolder folder(place.scratch, place.machine.files);
  const auto source = RehearsalSource::of(session, history, folder.path(), place.machine, place.row_limit, deadline);
  Rehearsal rehearsal(*source, graph, history, options, deadline);
  for (const std::string& id : revisions) {
    results.push_back(rehearsal.one(id));
    if (place.on_rehearsed) place.on_rehearsed(results.back());
  }
  return results;
}

}  // namespace deployer::migrations
