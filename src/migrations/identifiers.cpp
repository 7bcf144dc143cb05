// How words name revisions: the part of Graph that follows Alembic's "Relative Migration Identifiers" and partial ids.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "migrations/graph.h"

namespace deployer::migrations {

namespace {

struct Identifier {
  std::string label;  ///< before `@`
  std::string base;   ///< what the offset counts from; empty: the current revision
  int offset = 0;
};

/// `label@REV+N`; the offset is the last `+N` or `-N` with digits to the end. An id may hold `-` itself: `known` says
/// which whole words are ids.
Identifier parse_identifier(const std::string& word, const std::map<std::string, Revision>& known) {
  Identifier parts;
  std::string rest = word;
  const std::size_t at = rest.find('@');
  if (at != std::string::npos) {
    parts.label = rest.substr(0, at);
    rest = rest.substr(at + 1);
  }
  const std::size_t sign = rest.find_last_of("+-");
  if (known.count(rest) == 0 && sign != std::string::npos && sign + 1 < rest.size()) {
    const std::string digits = rest.substr(sign + 1);
    int number = 0;
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (wrong == std::errc() && end == digits.data() + digits.size()) {
      parts.offset = rest[sign] == '-' ? -number : number;
      rest = rest.substr(0, sign);
    }
  }
  parts.base = rest;
  return parts;
}

[[noreturn]] void refuse_word(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::invalid, message, hint);
}

}  // namespace

std::string Graph::one_id(const std::string& partial) const {
  if (revisions_.count(partial) > 0) return partial;
  Ids matching;
  Ids known;
  for (const auto& entry : revisions_) {
    known.push_back(entry.first);
    if (entry.first.starts_with(partial)) matching.push_back(entry.first);
  }
  if (matching.size() == 1) return matching.front();
  if (matching.size() > 1) {
    refuse_word("'" + partial + "' could be several revisions: " + listing(matching), "write more of it");
  }
  const std::optional<std::string> meant = did_you_mean(partial, known);
  refuse_word("there is no revision '" + partial + "'",
              meant ? "did you mean '" + *meant + "'?" : "deployer history lists all of them");
}

Ids Graph::resolve(const std::string& word, const Ids& current) const {
  if (word == "heads") return heads();
  if (word == "base") return {};
  const Identifier parts = parse_identifier(word, revisions_);
  std::set<std::string> branch;
  if (!parts.label.empty()) {
    std::string root;
    for (const auto& [id, revision] : revisions_) {
      const auto& labels = revision.branch_labels;
      if (std::find(labels.begin(), labels.end(), parts.label) != labels.end()) root = id;
    }
    if (root.empty()) root = one_id(parts.label);
    branch = descendants(root);
    const std::set<std::string> before = ancestors(root);
    branch.insert(root);
    branch.insert(before.begin(), before.end());
  }
  const auto in_branch = [&](Ids ids) {
    if (!branch.empty()) std::erase_if(ids, [&](const std::string& id) { return branch.count(id) == 0; });
    return ids;
  };
  Ids from;
  if (parts.base.empty() || parts.base == "current") {
    from = in_branch(current);
    if (parts.offset == 0) return from;
  } else if (parts.base == "head" || parts.base == "heads") {
    from = in_branch(heads());
    if (from.size() > 1 && parts.base == "head") {
      refuse_word("there are several heads: " + listing(from), "deployer upgrade heads, or merge them");
    }
    if (parts.offset == 0) return from;
  } else if (parts.base == "base") {
    if (parts.offset == 0) return {};
  } else {
    from = {one_id(parts.base)};
  }
  if (from.size() > 1) refuse_word("'" + word + "' counts from several revisions: " + listing(from), "name one");
  std::string at = from.empty() ? std::string() : from.front();
  for (int left = parts.offset; left > 0; --left) {
    Ids next = bases();
    if (!at.empty()) {
      const auto children = children_.find(at);
      next.clear();
      if (children != children_.end()) next.assign(children->second.begin(), children->second.end());
    }
    next = in_branch(next);
    if (next.empty()) refuse_word("'" + word + "' goes beyond the head");
    if (next.size() > 1) refuse_word("'" + word + "' could lead to several revisions: " + listing(next), "name one");
    at = next.front();
  }
  for (int left = parts.offset; left < 0; ++left) {
    if (at.empty()) refuse_word("'" + word + "' goes beyond the base");
    const Revision* revision = find(at);
    if (revision == nullptr) refuse_word("'" + word + "' counts from a revision that no file has: " + at);
    const Ids parents = in_branch(revision->down_revisions);
    if (parents.size() > 1)
      refuse_word("'" + word + "' could lead to several revisions: " + listing(parents), "name one");
    at = parents.empty() ? std::string() : parents.front();
  }
  if (at.empty()) return {};
  return {at};
}

}  // namespace deployer::migrations
