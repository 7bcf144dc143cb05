#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "database/sandbox.h"
#include "database/session.h"
#include "migrations/history.h"
#include "system/machine.h"

namespace deployer::migrations {

/// A copy of a database, for one rehearsal; gone with the object.
class RehearsalCopy {
 public:
  virtual ~RehearsalCopy() = default;
  virtual database::Session& session() = 0;
};

/// Makes copies of one database, all of the same content.
class RehearsalSource {
 public:
  virtual ~RehearsalSource() = default;

  virtual std::unique_ptr<RehearsalCopy> copy(const Deadline& deadline) = 0;
  /// Why the rows are not in the copies as they are in the database; empty where they are.
  const std::string& incomplete() const { return incomplete_; }

  /// `folder` is there and private. Of a database with more than `row_limit` bytes the definitions alone are copied,
  /// and the history. A file is copied by the online backup; of a server a dump is taken at once, and each copy is a
  /// sandbox with it.
  static std::unique_ptr<RehearsalSource> of(database::Session& live, const History& history,
                                             const std::filesystem::path& folder, const Machine& machine,
                                             std::uint64_t row_limit, const Deadline& deadline);

 protected:
  std::string incomplete_;
};

}  // namespace deployer::migrations
