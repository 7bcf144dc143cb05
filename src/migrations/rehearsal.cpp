#include "migrations/rehearsal.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/row_digest.h"
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
  Rehearsal(database::Session& live, const Graph& graph, const History& history, const ExecutorOptions& options,
            const fs::path& folder, const Deadline& deadline)
      : live_(live), graph_(graph), history_(history), options_(options), folder_(folder), deadline_(deadline) {
    copy_ = fresh_copy("rehearsal.db");
    before_ = picture(*copy_);
  }

  Rehearsed one(const std::string& id) {
    Rehearsed result;
    result.revision = id;
    const Revision& revision = *graph_.find(id);
    result.up = timed([&] { up(*copy_, revision); });
    Picture up_once = picture(*copy_);
    if (!revision.down || !down(id, result)) {
      before_ = std::move(up_once);
    } else {
      look_back(result);
      before_ = up_again(revision, up_once, result);
    }
    done_.push_back(&revision);
    return result;
  }

 private:
  using Copy = std::unique_ptr<database::Session>;

  /// The live database with the revisions that have been rehearsed.
  Copy fresh_copy(const std::string& name) const {
    const fs::path file = folder_ / name;
    live_.dialect().copy_to_file(live_, file, deadline_);
    database::Url url = live_.url();
    url.file = file.string();
    Copy copy = database::open(url, folder_, database::Access::existing, deadline_);
    for (const Revision* revision : done_) up(*copy, *revision);
    return copy;
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

  /// False where the down section fails; the copy is then as it was.
  bool down(const std::string& id, Rehearsed& result) {
    const std::map<std::string, Applied> rows = history_.read(*copy_, deadline_);
    try {
      result.down =
          timed([&] { Executor(*copy_, history_, options_).revert(rows.at(id), applied_ids(rows), deadline_); });
    } catch (const Error& error) {
      pass_on_stops(error);
      result.down_error = error.summary();
      return false;
    }
    return result.reversible = true;
  }

  /// What down did not bring back.
  void look_back(Rehearsed& result) {
    const Picture now = picture(*copy_);
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
      if (!original) original = fresh_copy("original.db");
      const std::string lost = lost_columns(*original, *before_.schema.find(table), *now.schema.find(table));
      if (!lost.empty()) result.lost.push_back(lost);
    }
    original.reset();
    remove_copy("original.db");
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
                 database::row_digest(*copy_, now, deadline_, {column.name})) {
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
      up(*copy_, revision);
      Picture up_twice = picture(*copy_);
      for (const std::string& difference : losses_of(up_once.schema, up_twice.schema)) {
        result.lost.push_back("up again leads elsewhere: " + difference);
      }
      if (result.lost.empty()) return up_twice;
    } catch (const Error& error) {
      pass_on_stops(error);
      result.lost.push_back("up again fails: " + error.summary());
    }
    // What comes next is rehearsed on what this revision really leads to.
    copy_.reset();
    remove_copy("rehearsal.db");
    copy_ = fresh_copy("rehearsal.db");
    up(*copy_, revision);
    return picture(*copy_);
  }

  void remove_copy(const std::string& name) const {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(folder_ / (name + suffix));
  }

  static void pass_on_stops(const Error& error) {
    if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out) throw error;
  }

  template <class Work>
  static Duration timed(const Work& work) {
    const auto begun = Deadline::Clock::now();
    work();
    return std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun);
  }

  database::Session& live_;
  const Graph& graph_;
  const History& history_;
  ExecutorOptions options_;
  fs::path folder_;
  Deadline deadline_;
  std::vector<const Revision*> done_;
  Copy copy_;
  Picture before_;
};

/// The error of an up section, as one of the rehearsal.
Error rehearsal_error(const std::string& id, const Error& error) {
  const bool stopped = error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out;
  return Error(stopped ? error.kind : ErrorKind::failed,
               "the rehearsal of revision '" + id + "' failed: " + error.summary(), error.hint);
}

}  // namespace

std::vector<Rehearsed> rehearse(database::Session& session, const Graph& graph, const Ids& revisions,
                                const History& history, const ExecutorOptions& options, const fs::path& scratch,
                                Files& files, const Deadline& deadline) {
  std::vector<Rehearsed> results;
  if (revisions.empty()) return results;
  if (!session.dialect().capabilities().online_backup) {
    throw Error(ErrorKind::invalid,
                "this version rehearses migrations only on databases that can be copied while they are in use, and " +
                    session.server().product + " is none");
  }
  const ScratchFolder folder(scratch, files);
  Rehearsal rehearsal(session, graph, history, options, folder.path(), deadline);
  for (const std::string& id : revisions) {
    try {
      results.push_back(rehearsal.one(id));
    } catch (const Error& error) {
      throw rehearsal_error(id, error);
    }
  }
  return results;
}

}  // namespace deployer::migrations
