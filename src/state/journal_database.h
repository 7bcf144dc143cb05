#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "state/event.h"
#include "state/run_state.h"

namespace deployer {

/// The SQLite file behind a Journal: its tables, its statements and Poco's exceptions end here. Every call throws
/// Error: `no_space` where SQLite says that the disk is full, `invalid` for a journal of a newer version, else `io`.
class JournalDatabase {
 public:
  /// Opens for writing; file and tables are made where they are missing.
  static JournalDatabase open(const std::filesystem::path& file);
  /// Opens for reading; null where the file is not there or has no tables yet (its first writer is just making them,
  /// or died while it was).
  static std::unique_ptr<JournalDatabase> open_for_reading(const std::filesystem::path& file);

  JournalDatabase(JournalDatabase&&) noexcept;
  ~JournalDatabase();

  /// What is written between its making and `commit` is there wholly or not at all.
  class Transaction {
   public:
    explicit Transaction(JournalDatabase& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

   private:
    JournalDatabase* database_;
  };

  /// The last `seq` of a run; 0 where it has no event.
  std::int64_t last_seq(const std::string& run) const;
  /// Writes an event with its `seq`, and what it says for the index of runs.
  void insert(const Event& event);

  /// Removes all that is known of a run.
  void forget(const std::string& run);

  std::vector<Event> events(const std::string& run, std::int64_t after) const;
  /// The index: of each run its id, pipeline, status, times and whether it has finished; in the order in which they
  /// began.
  std::vector<RunState> index() const;

 private:
  struct State;
  explicit JournalDatabase(std::unique_ptr<State> state);
  void execute(const char* sql);
  void prepare_for_writing();
  std::unique_ptr<State> state_;
};

}  // namespace deployer
