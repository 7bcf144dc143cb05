#include "backups/retention.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "backups/library.h"

namespace deployer::backups {
namespace {

using test::at_two;
using testing::ElementsAre;

constexpr std::int64_t hour = 3600;
constexpr std::int64_t day = 24 * hour;

Candidate backup(const std::string& name, std::int64_t age, const std::string& database = "a",
                 std::vector<std::string> tags = {}) {
  return {name, database, at_two(-age), std::move(tags)};
}

std::vector<std::string> kept(const Pruning& pruning) {
  std::vector<std::string> names;
  for (const Kept& one : pruning.keep) names.push_back(one.name);
  return names;
}

TEST(Retention, NoPolicyRemovesNothing) {
  const Pruning pruning = prune({}, {backup("1", 0), backup("2", 10 * day), backup("3", 1000 * day)}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "2", "3"));
  EXPECT_THAT(pruning.remove, ElementsAre());
}

TEST(Retention, KeepsTheLastWhateverTheirAge) {
  Retention policy;
  policy.keep_last = 2;
  const Pruning pruning = prune(policy, {backup("3", 900 * day), backup("1", 100 * day), backup("2", 500 * day)}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "2"));
  EXPECT_THAT(pruning.remove, ElementsAre("3"));
}

TEST(Retention, KeepsTheNewestOfEachDay) {
  Retention policy;
  policy.keep_daily = 2;
  const Pruning pruning = prune(policy,
                                {backup("today", 0), backup("today early", hour), backup("days ago", 5 * day),
                                 backup("days ago early", 5 * day + hour), backup("older", 9 * day)},
                                {});
  EXPECT_THAT(kept(pruning), ElementsAre("today", "days ago"));
  EXPECT_THAT(pruning.keep[1].reasons, ElementsAre("daily"));
}

TEST(Retention, KeepsTheOldestWhereACountIsLeft) {
  Retention policy;
  policy.keep_daily = 7;
  const Pruning pruning = prune(policy, {backup("1", 0), backup("2", 1 * hour / 4), backup("3", hour / 2)}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "3"));
}

TEST(Retention, WeeksBeginOnMondayAndYearsOfWeeksAreThoseOfIso8601) {
  Retention policy;
  policy.keep_weekly = 1;
  // 2026-11-24 is a Tuesday.
  const Pruning pruning = prune(policy, {backup("tuesday", 0), backup("monday", day), backup("sunday", 2 * day)}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("tuesday"));
  policy.keep_weekly = 2;
  EXPECT_THAT(kept(prune(policy, {backup("tuesday", 0), backup("monday", day), backup("sunday", 2 * day)}, {})),
              ElementsAre("tuesday", "sunday"));
}

TEST(Retention, WithinCountsFromTheNewestBackup) {
  Retention policy;
  policy.keep_within = std::chrono::hours(24 * 30);
  // The backup job died long ago: what it made last is kept all the same.
  const Pruning pruning =
      prune(policy, {backup("newest", 400 * day), backup("younger", 429 * day), backup("older", 431 * day)}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("newest", "younger"));
  EXPECT_THAT(pruning.keep[1].reasons, ElementsAre("within 30d"));
}

TEST(Retention, KeepsATag) {
  Retention policy;
  policy.keep_last = 1;
  policy.keep_tags = {"release", "audit"};
  const Pruning pruning = prune(
      policy, {backup("1", 0), backup("2", day, "a", {"nightly"}), backup("3", 2 * day, "a", {"x", "audit"})}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "3"));
  EXPECT_THAT(pruning.keep[1].reasons, ElementsAre("tag audit"));
}

TEST(Retention, JudgesEachDatabaseByItself) {
  Retention policy;
  policy.keep_last = 1;
  const Pruning pruning = prune(policy, {backup("1", 0), backup("2", day), backup("3", 300 * day, "b")}, {});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "3"));
}

TEST(Retention, KeepsWhatIsProtected) {
  Retention policy;
  policy.keep_last = 1;
  const Pruning pruning = prune(policy, {backup("1", 0), backup("2", day), backup("3", 2 * day)}, {"3"});
  EXPECT_THAT(kept(pruning), ElementsAre("1", "3"));
  EXPECT_THAT(pruning.keep[1].reasons, ElementsAre("protected"));
}

TEST(Retention, IsShownAsJson) {
  Retention policy;
  policy.keep_last = 1;
  EXPECT_EQ(dump(prune(policy, {backup("1", 0), backup("2", day)}, {}).json()),
            R"({"keep":[{"name":"1","reasons":["the newest","last"]}],"remove":[{"name":"2"}]})");
}

TEST(Retention, IsReadFromWhatItsDeclarationsGive) {
  YamlDocument document = load_yaml("{keep_last: 3, keep-daily: 7, keep_within: 30d, keep_tags: release}", "p.yml");
  Diagnostics diagnostics;
  const Json json = read_parameters(document.root, retention_parameters(), "retention", diagnostics);
  EXPECT_TRUE(diagnostics.empty());
  const Retention policy = Retention::from(json);
  EXPECT_EQ(policy.keep_last, 3);
  EXPECT_EQ(policy.keep_daily, 7);
  EXPECT_EQ(policy.keep_within, std::chrono::hours(24 * 30));
  EXPECT_THAT(policy.keep_tags, ElementsAre("release"));
  EXPECT_TRUE(Retention::from(Json::object()).empty());
}

TEST(Retention, ANegativeCountIsRefused) {
  YamlDocument document = load_yaml("{keep_last: -1}", "p.yml");
  Diagnostics diagnostics;
  read_parameters(document.root, retention_parameters(), "retention", diagnostics);
  EXPECT_EQ(diagnostics.size(), 1u);
}

// What holds for any policy and any backups.

rc::Gen<std::vector<Candidate>> any_backups() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::tuple<int, int, int>>>(
          rc::gen::tuple(rc::gen::inRange(0, 40 * 24), rc::gen::inRange(0, 2), rc::gen::inRange(0, 4))),
      [](const std::vector<std::tuple<int, int, int>>& drawn) {
        std::vector<Candidate> backups;
        for (const auto& [age, database, tag] : drawn) {
          backups.push_back(backup("n" + std::to_string(backups.size()), age * hour, database == 0 ? "a" : "b",
                                   tag == 0 ? std::vector<std::string>{"t"} : std::vector<std::string>{}));
        }
        return backups;
      });
}

rc::Gen<Retention> any_policy() {
  const auto count = rc::gen::inRange(0, 5);
  return rc::gen::map(rc::gen::tuple(rc::gen::container<std::vector<int>>(6, count), rc::gen::inRange(0, 20),
                                     rc::gen::arbitrary<bool>()),
                      [](const std::tuple<std::vector<int>, int, bool>& drawn) {
                        const std::vector<int>& counts = std::get<0>(drawn);
                        Retention policy;
                        policy.keep_last = counts[0];
                        policy.keep_hourly = counts[1];
                        policy.keep_daily = counts[2];
                        policy.keep_weekly = counts[3];
                        policy.keep_monthly = counts[4];
                        policy.keep_yearly = counts[5];
                        policy.keep_within = std::chrono::hours(24 * std::get<1>(drawn));
                        if (std::get<2>(drawn)) policy.keep_tags = {"t"};
                        return policy;
                      });
}

RC_GTEST_PROP(RetentionProperty, EachBackupIsKeptOrRemovedOnceAndEachKeptOneHasAReason, ()) {
  const std::vector<Candidate> backups = *any_backups();
  const Pruning pruning = prune(*any_policy(), backups, {});
  std::vector<std::string> all = kept(pruning);
  all.insert(all.end(), pruning.remove.begin(), pruning.remove.end());
  std::vector<std::string> names;
  for (const Candidate& one : backups) names.push_back(one.name);
  std::sort(all.begin(), all.end());
  std::sort(names.begin(), names.end());
  RC_ASSERT(all == names);
  for (const Kept& one : pruning.keep) RC_ASSERT(!one.reasons.empty());
}

RC_GTEST_PROP(RetentionProperty, TheNewestOfEachDatabaseAndWhatIsProtectedStay, ()) {
  const std::vector<Candidate> backups = *any_backups();
  RC_PRE(!backups.empty());
  const std::string chosen = (*rc::gen::elementOf(backups)).name;
  const std::vector<std::string> names = kept(prune(*any_policy(), backups, {chosen}));
  RC_ASSERT(std::count(names.begin(), names.end(), chosen) == 1);
  for (const char* database : {"a", "b"}) {
    Time newest = Time::min();
    for (const Candidate& one : backups) {
      if (one.database == database) newest = std::max(newest, one.created_at);
    }
    const bool stays = newest == Time::min() || std::any_of(backups.begin(), backups.end(), [&](const Candidate& one) {
                         return one.database == database && one.created_at == newest &&
                                std::find(names.begin(), names.end(), one.name) != names.end();
                       });
    RC_ASSERT(stays);
  }
}

RC_GTEST_PROP(RetentionProperty, PruningAgainRemovesNothing, ()) {
  const std::vector<Candidate> backups = *any_backups();
  const Retention policy = *any_policy();
  const std::vector<std::string> names = kept(prune(policy, backups, {}));
  std::vector<Candidate> left;
  for (const Candidate& one : backups) {
    if (std::find(names.begin(), names.end(), one.name) != names.end()) left.push_back(one);
  }
  RC_ASSERT(prune(policy, left, {}).remove.empty());
}

RC_GTEST_PROP(RetentionProperty, AHigherCountNeverRemovesMore, ()) {
  const std::vector<Candidate> backups = *any_backups();
  Retention policy = *any_policy();
  RC_PRE(!policy.empty());
  const std::vector<std::string> before = prune(policy, backups, {}).remove;
  using Count = int Retention::*;
  const Count count =
      *rc::gen::element<Count>(&Retention::keep_last, &Retention::keep_hourly, &Retention::keep_daily,
                               &Retention::keep_weekly, &Retention::keep_monthly, &Retention::keep_yearly);
  ++(policy.*count);
  for (const std::string& name : prune(policy, backups, {}).remove) {
    RC_ASSERT(std::find(before.begin(), before.end(), name) != before.end());
  }
}

RC_GTEST_PROP(RetentionProperty, DailyKeepsTheNewestOfTheLastDaysThatHaveOne, ()) {
  std::vector<Candidate> backups = *any_backups();
  for (Candidate& one : backups) one.database = "a";
  Retention policy;
  policy.keep_daily = *rc::gen::inRange(1, 10);
  const std::vector<std::string> names = kept(prune(policy, backups, {}));
  std::map<std::int64_t, Time> newest_of_day;
  for (const Candidate& one : backups) {
    const auto number = std::chrono::floor<std::chrono::hours>(one.created_at.time_since_epoch()).count() / 24;
    Time& newest = newest_of_day.try_emplace(number, Time::min()).first->second;
    newest = std::max(newest, one.created_at);
  }
  int left = policy.keep_daily;
  for (auto one = newest_of_day.rbegin(); one != newest_of_day.rend() && left > 0; ++one, --left) {
    RC_ASSERT(std::any_of(backups.begin(), backups.end(), [&](const Candidate& candidate) {
      return candidate.created_at == one->second &&
             std::find(names.begin(), names.end(), candidate.name) != names.end();
    }));
  }
  const std::size_t days = std::min(newest_of_day.size(), static_cast<std::size_t>(policy.keep_daily));
  RC_ASSERT(names.size() == days || (left > 0 && names.size() == days + 1));
}

}  // namespace
}  // namespace deployer::backups
