#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backups/manifest.h"
#include "base/deadline.h"
#include "base/parameter.h"

namespace deployer::backups {

/// Which backups are worth their room. The words and their meaning are restic's (`restic forget`): `keep_last N` the N
/// newest; `keep_hourly N` the newest of each of the last N hours in which there is one, and so on for days, weeks (ISO
/// 8601), months, years, all in UTC; where such a number is not used up, the oldest backup is kept too.
/// `keep_within` keeps what is younger than the newest backup by less than that, so that a backup job that has died
/// never loses the last ones. `keep_tags` keeps what has one of these tags. What any of them keeps is kept.
struct Retention {
  int keep_last = 0;
  int keep_hourly = 0;
  int keep_daily = 0;
  int keep_weekly = 0;
  int keep_monthly = 0;
  int keep_yearly = 0;
  Duration keep_within{0};
  std::vector<std::string> keep_tags;

  /// No rule at all: everything is kept.
  bool empty() const;
  /// From an object that was read by `retention_parameters`.
  static Retention from(const Json& json);
};

/// The declarations of `retention:` (base/parameter.h).
std::vector<Parameter> retention_parameters();

/// What retention looks at.
struct Candidate {
  std::string name;
  std::string database;  ///< each database's backups are judged by themselves
  Time created_at;
  std::vector<std::string> tags;
};
std::vector<Candidate> candidates(const std::vector<Manifest>& backups);

struct Kept {
  std::string name;
  std::vector<std::string> reasons;
};

struct Pruning {
  std::vector<Kept> keep;           ///< newest first
  std::vector<std::string> remove;  ///< newest first
  /// As `backup prune` shows it (cli.md).
  Json json() const;
};

/// Chooses; a pure function. What is in `protected_names` (a run needs it; the newest good one, catalogue.h) is never
/// removed, nor is the newest of a database. An empty policy removes nothing.
Pruning prune(const Retention& policy, std::vector<Candidate> backups, const std::set<std::string>& protected_names);

}  // namespace deployer::backups
