#include "backups/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>

#include "base/units.h"

namespace deployer::backups {

namespace {

std::string retention_date(const std::tm& utc, const char* format) {
  std::array<char, 32> text;
  return std::string(text.data(), std::strftime(text.data(), text.size(), format, &utc));
}

/// A rule that keeps the newest of each of the last `count` spans of time.
struct Rule {
  const char* word;
  const char* reason;
  int Retention::*count;
  const char* span;  ///< as strftime(3) writes it; null: each backup is its own
};

constexpr std::array retention_rules = {
    Rule{"keep_last", "last", &Retention::keep_last, nullptr},
    Rule{"keep_hourly", "hourly", &Retention::keep_hourly, "%Y-%m-%d %H"},
    Rule{"keep_daily", "daily", &Retention::keep_daily, "%Y-%m-%d"},
    Rule{"keep_weekly", "weekly", &Retention::keep_weekly, "%G-%V"},
    Rule{"keep_monthly", "monthly", &Retention::keep_monthly, "%Y-%m"},
    Rule{"keep_yearly", "yearly", &Retention::keep_yearly, "%Y"},
};

std::optional<std::string> complain_unless_count(const Json& value) {
  if (value.is_number_integer() && value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() <= 1'000'000) {
    return std::nullopt;
  }
  return "is a number of backups, from 0 to 1000000";
}

/// What is left of a rule while the backups pass, newest first.
struct RuleState {
  const Rule* rule;
  int left;
  std::optional<std::string> last_span;

  /// Whether the rule keeps this one.
  bool takes(const std::tm& utc, bool oldest) {
    if (left == 0) return false;
    const std::string span = rule->span == nullptr ? "" : retention_date(utc, rule->span);
    if (rule->span != nullptr && last_span == span && !oldest) return false;
    last_span = span;
    --left;
    return true;
  }
};

bool shares_a_tag(const std::vector<std::string>& tags, const std::vector<std::string>& wanted, std::string& tag) {
  for (const std::string& one : tags) {
    if (std::find(wanted.begin(), wanted.end(), one) == wanted.end()) continue;
    tag = one;
    return true;
  }
  return false;
}

/// The reasons to keep each of one database's backups, which are sorted, newest first.
std::vector<std::vector<std::string>> reasons_to_keep(const Retention& policy,
                                                      const std::vector<const Candidate*>& backups) {
  std::vector<RuleState> rules;
  for (const Rule& rule : retention_rules) rules.push_back({&rule, policy.*rule.count, std::nullopt});
  std::vector<std::vector<std::string>> all;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    std::vector<std::string> reasons;
    const std::time_t seconds = std::chrono::system_clock::to_time_t(backups[i]->created_at);
    std::tm utc = {};
    gmtime_r(&seconds, &utc);
    if (i == 0) reasons.emplace_back("the newest");
    for (RuleState& rule : rules) {
      if (rule.takes(utc, i + 1 == backups.size())) reasons.emplace_back(rule.rule->reason);
    }
    const auto age = backups.front()->created_at - backups[i]->created_at;
    if (policy.keep_within.count() > 0 && age < policy.keep_within) {
      reasons.push_back("within " + duration_text(policy.keep_within));
    }
    if (std::string tag; shares_a_tag(backups[i]->tags, policy.keep_tags, tag)) reasons.push_back("tag " + tag);
    if (policy.empty()) reasons.emplace_back("no policy");
    all.push_back(std::move(reasons));
  }
  return all;
}

}  // namespace

bool Retention::empty() const {
  const bool counts = std::any_of(retention_rules.begin(), retention_rules.end(),
                                  [this](const Rule& rule) { return this->*rule.count > 0; });
  return !counts && keep_within.count() == 0 && keep_tags.empty();
}

Retention Retention::from(const Json& json) {
  Retention policy;
  if (!json.is_object()) return policy;
  for (const Rule& rule : retention_rules) policy.*rule.count = json.value(rule.word, 0);
  policy.keep_within = Duration(json.value("keep_within", Duration::rep(0)));
  policy.keep_tags = json.value("keep_tags", std::vector<std::string>());
  return policy;
}

std::vector<Parameter> retention_parameters() {
  std::vector<Parameter> parameters;
  for (const Rule& rule : retention_rules) {
    Parameter parameter;
    parameter.name = rule.word;
    parameter.type = ParameterType::integer;
    parameter.doc = rule.span == nullptr ? "how many of the newest backups are kept"
                                         : fmt::format("how many {} backups are kept", rule.reason);
    parameter.check = complain_unless_count;
    parameters.push_back(std::move(parameter));
  }
  Parameter within;
  within.name = "keep_within";
  within.type = ParameterType::duration;
  within.doc = "backups younger than this are kept, counted from the newest";
  parameters.push_back(std::move(within));
  Parameter tags;
  tags.name = "keep_tags";
  tags.type = ParameterType::list;
  tags.doc = "backups with one of these tags are kept";
  tags.repeated_or_single = true;
  parameters.push_back(std::move(tags));
  return parameters;
}

std::vector<Candidate> candidates(const std::vector<Manifest>& backups) {
  std::vector<Candidate> result;
  for (const Manifest& backup : backups)
    result.push_back({backup.name, backup.database, backup.created_at, backup.tags});
  return result;
}

Pruning prune(const Retention& policy, std::vector<Candidate> backups, const std::set<std::string>& protected_names) {
  std::stable_sort(backups.begin(), backups.end(), [](const Candidate& a, const Candidate& b) {
    return a.created_at != b.created_at ? a.created_at > b.created_at : a.name > b.name;
  });
  std::map<std::string, std::vector<const Candidate*>> databases;
  for (const Candidate& backup : backups) databases[backup.database].push_back(&backup);
  std::map<const Candidate*, std::vector<std::string>> reasons;
  for (const auto& [database, own] : databases) {
    std::vector<std::vector<std::string>> found = reasons_to_keep(policy, own);
    for (std::size_t i = 0; i < own.size(); ++i) reasons[own[i]] = std::move(found[i]);
  }
  Pruning pruning;
  for (const Candidate& backup : backups) {
    std::vector<std::string>& why = reasons[&backup];
    if (protected_names.contains(backup.name)) why.emplace_back("protected");
    if (why.empty()) {
      pruning.remove.push_back(backup.name);
    } else {
      pruning.keep.push_back({backup.name, why});
    }
  }
  return pruning;
}

Json Pruning::json() const {
  Json kept = Json::array();
  for (const Kept& backup : keep) kept.push_back({{"name", backup.name}, {"reasons", backup.reasons}});
  Json removed = Json::array();
  for (const std::string& name : remove) removed.push_back({{"name", name}});
  return {{"keep", kept}, {"remove", removed}};
}

}  // namespace deployer::backups
