#include "migrations/rehearsal.h"

#include "base/error.h"
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

class Rehearsal {
 public:
  Rehearsal(database::Session& copy, const Graph& graph, const History& history, const ExecutorOptions& options,
            const Deadline& deadline)
      : copy_(copy), graph_(graph), history_(history), executor_(copy, history, options), deadline_(deadline) {}

  Rehearsed one(const std::string& id) {
    Rehearsed result;
    result.revision = id;
    const Revision& revision = *graph_.find(id);
    const Picture before = picture();
    result.up = timed([&] { up(revision); });
    if (!revision.down) return result;
    const Picture between = picture();
    try {
      result.down = timed([&] { down(id); });
    } catch (const Error& error) {
      if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out) throw;
      result.down_error = error.summary();
      return result;
    }
    result.reversible = true;
    result.lost = losses(before, picture());
    up(revision);
    for (const std::string& difference : between.schema.differences(picture().schema)) {
      result.lost.push_back("up after down leads elsewhere: " + difference);
    }
    return result;
  }

 private:
  Picture picture() {
    Picture seen;
    seen.schema = copy_.dialect().introspect(copy_, deadline_, {history_.table()});
    seen.rows = database::row_digests(copy_, seen.schema, deadline_);
    return seen;
  }

  void up(const Revision& revision) {
    executor_.apply(revision, applied_ids(history_.read(copy_, deadline_)), deadline_);
  }

  void down(const std::string& id) {
    const std::map<std::string, Applied> rows = history_.read(copy_, deadline_);
    executor_.revert(rows.at(id), applied_ids(rows), deadline_);
  }

  template <class Work>
  static Duration timed(const Work& work) {
    const auto begun = Deadline::Clock::now();
    work();
    return std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begun);
  }

  static std::vector<std::string> losses(const Picture& before, const Picture& after) {
    std::vector<std::string> lost;
    if (before.schema.fingerprint() != after.schema.fingerprint()) {
      lost = before.schema.differences(after.schema);
      if (lost.empty()) lost.push_back("the schema is another one");
    }
    for (const auto& [table, digest] : before.rows) {
      const auto now = after.rows.find(table);
      if (now == after.rows.end() || now->second == digest) continue;
      lost.push_back("table " + table + ": its rows are not what they were");
    }
    return lost;
  }

  database::Session& copy_;
  const Graph& graph_;
  const History& history_;
  Executor executor_;
  Deadline deadline_;
};

}  // namespace

std::vector<Rehearsed> rehearse(database::Session& session, const Graph& graph, const Ids& revisions,
                                const History& history, const ExecutorOptions& options, const fs::path& scratch,
                                Files& files, const Deadline& deadline) {
  std::vector<Rehearsed> results;
  if (revisions.empty()) return results;
  const ScratchFolder folder(scratch, files);
  const fs::path file = folder.path() / "rehearsal.db";
  session.dialect().copy_to_file(session, file, deadline);
  database::Url url = session.url();
  url.file = file.string();
  const std::unique_ptr<database::Session> copy =
      database::open(url, folder.path(), database::Access::existing, deadline);
  Rehearsal rehearsal(*copy, graph, history, options, deadline);
  for (const std::string& id : revisions) {
    const Revision* revision = graph.find(id);
    if (revision != nullptr && !revision->in_transaction) {
      // One statement outside of a transaction (VACUUM) changes neither schema nor rows; it is run for its errors.
      Executor(*copy, history, options).apply(*revision, applied_ids(history.read(*copy, deadline)), deadline);
      results.push_back({id, revision->down.has_value(), {}, {}, Duration(0), Duration(0)});
      continue;
    }
    results.push_back(rehearsal.one(id));
  }
  return results;
}

}  // namespace deployer::migrations
