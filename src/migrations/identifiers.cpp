// How words name revisions: the part of Lineage that follows Alembic.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "migrations/lineage.h"

namespace deployer::migrations {

/// `label@REV+N` taken apart.
struct Lineage::Word {
  std::string whole;
  std::string label;  // before `@`
  std::string start;  // what the steps count from; empty: where the database stands
  int steps = 0;
};

namespace {

[[noreturn]] void refuse_word(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::invalid, message, hint);
}

[[noreturn]] void refuse_several(const std::string& word, const std::string& why, const Ids& candidates) {
  refuse_word("'" + word + "' " + why + ": " + listing(candidates), "name one of them");
}

void keep_in(Ids& ids, const std::set<std::string>& branch) {
  if (branch.empty()) return;
  std::erase_if(ids, [&](const std::string& id) { return branch.count(id) == 0; });
}

}  // namespace

/// The steps are the last `+N` or `-N` with digits to the end. An id may hold `-` itself; a whole id wins.
Lineage::Word Lineage::read(const std::string& word) const {
  Word read;
  read.whole = word;
  std::string rest = word;
  const std::size_t at = rest.find('@');
  if (at != std::string::npos) {
    read.label = rest.substr(0, at);
    rest = rest.substr(at + 1);
    if (read.label.empty()) refuse_word("'" + word + "' names no branch", "as in billing@head");
  }
  if (rest.find(':') != std::string::npos) refuse_word("'" + word + "' is a range, and one revision is asked for");
  if (rest.empty()) {
    refuse_word(word.empty() ? "no revision is named" : "'" + word + "' names no revision",
                "a revision, head, heads, base, +1 or -1");
  }
  const std::size_t sign = rest.find_last_of("+-");
  if (!has(rest) && sign != std::string::npos && sign + 1 < rest.size()) {
    const char* end = rest.data() + rest.size();
    const auto [stop, wrong] = std::from_chars(rest.data() + sign + 1, end, read.steps);
    if (wrong == std::errc() && stop == end && rest[sign + 1] != '-') {
      if (rest[sign] == '-') read.steps = -read.steps;
      rest = rest.substr(0, sign);
    } else {
      read.steps = 0;
    }
  }
  read.start = rest;
  return read;
}

std::set<std::string> Lineage::branch_of(const std::string& name) const {
  if (name.empty()) return {};
  const auto label = labels_.find(name);
  const std::string root = label != labels_.end() ? label->second : one_id(name, {});
  std::set<std::string> branch = ancestors({root}, Edges::down_revisions);
  branch.merge(descendants({root}, Edges::down_revisions));
  branch.insert(root);
  return branch;
}

std::string Lineage::one_id(const std::string& partial, const std::set<std::string>& branch) const {
  if (has(partial)) {
    if (!branch.empty() && branch.count(partial) == 0) refuse_word("revision '" + partial + "' is not in that branch");
    return partial;
  }
  if (branch.empty() && labels_.count(partial) > 0) return labels_.at(partial);
  Ids matching = ids();
  std::erase_if(matching, [&](const std::string& id) { return !id.starts_with(partial); });
  keep_in(matching, branch);
  if (matching.size() == 1) return matching.front();
  if (matching.size() > 1) {
    refuse_word("'" + partial + "' could be several revisions: " + listing(matching), "write more of it");
  }
  Ids known = ids();
  for (const auto& label : labels_) known.push_back(label.first);
  for (const char* word : {"head", "heads", "base", "current"}) known.emplace_back(word);
  const std::optional<std::string> meant = did_you_mean(partial, known);
  refuse_word("there is no revision '" + partial + "'",
              meant ? "did you mean '" + *meant + "'?" : "deployer history lists all of them");
}

/// Where the database stands within a branch: `current` names no revision that another branch depends on, so all that
/// is applied is looked at.
Ids Lineage::stands_in(const Ids& current, const std::set<std::string>& branch) const {
  if (branch.empty()) return current;
  std::set<std::string> applied = ancestors(current, Edges::all);
  applied.insert(current.begin(), current.end());
  std::erase_if(applied, [&](const std::string& id) { return branch.count(id) == 0; });
  Ids found;
  for (const std::string& id : applied) {
    const Ids behind = children(id);
    const bool has_child =
        std::any_of(behind.begin(), behind.end(), [&](const std::string& child) { return applied.count(child) > 0; });
    if (!has_child) found.push_back(id);
  }
  return found;
}

Ids Lineage::start_of(const Word& word, const Ids& current, const std::set<std::string>& branch) const {
  if (word.start == "base") return {};
  if (word.start.empty() || word.start == "current") return stands_in(current, branch);
  if (word.start != "head" && word.start != "heads") return {one_id(word.start, branch)};
  Ids found = heads();
  keep_in(found, branch);
  if (found.size() > 1 && word.start == "head") {
    refuse_word("there are several heads: " + listing(found), "name one, say heads for all of them, or merge them");
  }
  return found;
}

std::string Lineage::step_up(const std::string& from, const Word& word, const std::set<std::string>& branch) const {
  Ids next = from.empty() ? bases() : children(from);
  keep_in(next, branch);
  if (next.empty()) refuse_word("'" + word.whole + "' goes beyond the head");
  if (next.size() > 1) refuse_several(word.whole, "could lead to several revisions", next);
  return next.front();
}

std::string Lineage::step_down(const std::string& from, const Word& word, const std::set<std::string>& branch) const {
  if (from.empty()) refuse_word("'" + word.whole + "' goes beyond the base");
  if (!has(from)) refuse_word("'" + word.whole + "' counts from revision '" + from + "', which no file has");
  Ids next = parents(from).down_revisions;
  keep_in(next, branch);
  if (next.size() > 1) refuse_several(word.whole, "could lead to several revisions", next);
  return next.empty() ? std::string() : next.front();
}

Lineage::Landing Lineage::land(const std::string& word, const Ids& current) const {
  const Word parts = read(word);
  Landing landing;
  landing.branch = branch_of(parts.label);
  const Ids start = start_of(parts, current, landing.branch);
  if (parts.steps == 0) {
    landing.ids = start;
    return landing;
  }
  if (start.size() > 1) refuse_several(word, "counts from several revisions", start);
  std::string at = start.empty() ? std::string() : start.front();
  for (int left = parts.steps; left > 0; --left) at = step_up(at, parts, landing.branch);
  for (int left = parts.steps; left < 0; ++left) {
    const std::string next = step_down(at, parts, landing.branch);
    if (next.empty()) landing.below = at;
    at = next;
  }
  if (!at.empty()) landing.ids = {at};
  return landing;
}

}  // namespace deployer::migrations
