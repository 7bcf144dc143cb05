#include "base/yaml_builder.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace deployer {

namespace {

void move_to(YamlNode& node, const Location& at) {
  node.at = at;
  for (YamlNode& item : node.items) move_to(item, at);
  for (YamlNode::Entry& entry : node.entries) {
    entry.key_at = at;
    move_to(entry.value, at);
  }
}

std::size_t weight_of(const YamlNode& node) {
  std::size_t weight = 1 + node.entries.size();  // keys are nodes too
  for (const YamlNode& item : node.items) weight += weight_of(item);
  for (const YamlNode::Entry& entry : node.entries) weight += weight_of(entry.value);
  return weight;
}

std::size_t depth_of(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::sequence && node.kind != YamlNode::Kind::mapping) return 0;
  std::size_t deepest = 0;
  for (const YamlNode& item : node.items) deepest = std::max(deepest, depth_of(item));
  for (const YamlNode::Entry& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
  return deepest + 1;
}

// The name behind `*` or `&`.
std::string_view word_at(std::string_view text) { return text.substr(0, text.find_first_of(" \t\r\n,[]{}")); }

}  // namespace

YamlBuilder::YamlBuilder(const SourceLines& lines, std::string file, const YamlLimits& limits, Diagnostics& diagnostics)
    : lines_(lines), file_(std::move(file)), limits_(limits), diagnostics_(diagnostics) {
  root_.at = {file_, 1, 1};
}

YamlNode YamlBuilder::take() {
  // A document that broke off: what is open is closed where it stands, a key that has no value yet is left out.
  while (!open_.empty()) {
    YamlNode node = std::move(open_.back().node);
    const bool is_key = open_.back().is_key;
    open_.pop_back();
    if (!is_key) put(std::move(node));
  }
  return std::move(root_);
}

Location YamlBuilder::place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

void YamlBuilder::complain(const Location& at, const char* rule, std::string message, std::string hint) {
  diagnostics_.push_back({at, Level::error, rule, std::move(message), std::move(hint), {}});
}

void YamlBuilder::refuse_tag(const Location& at, const std::string& tag) {
  if (tag.empty() || tag == "?" || tag == "!") return;
  constexpr std::string_view core = "tag:yaml.org,2002:";
  const std::string name = tag.rfind(core, 0) == 0 ? "!!" + tag.substr(core.size()) : tag;
  complain(at, "yaml-tag", fmt::format("the tag '{}' is not taken", name), "write the value alone");
}

bool YamlBuilder::expects_key() const {
  return !open_.empty() && open_.back().node.kind == YamlNode::Kind::mapping && !open_.back().has_key;
}

void YamlBuilder::weigh(const Location& at, std::size_t weight, std::size_t depth) {
  nodes_ += weight;
  if (open_.size() + depth > limits_.depth) {
    throw Diagnostic{at, Level::error, "yaml-limit", fmt::format("nested more than {} deep", limits_.depth), {}, {}};
  }
  if (nodes_ > limits_.nodes) {
    throw Diagnostic{
        at,           Level::error,
        "yaml-limit", fmt::format("the document has more than {} values when its aliases are expanded", limits_.nodes),
        {},           {}};
  }
}

void YamlBuilder::OnDocumentStart(const YAML::Mark& /*mark*/) {}

void YamlBuilder::OnAnchor(const YAML::Mark& /*mark*/, const std::string& /*name*/) {}

void YamlBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  YamlNode node;
  node.at = place(mark);
  weigh(node.at, 1, 0);
  if (expects_key()) {
    complain(node.at, "yaml-key", "a key must be a word, not null", "quote it, if it is meant");
    open_.back().has_key = open_.back().drop_value = true;
    return;
  }
  // yaml-cpp marks a value that is not written with the place of what comes next.
  const std::string_view written = lines_.from(node.at.line, node.at.column);
  const bool is_written = written.substr(0, 1) == "~" || written.substr(0, 1) == "n" || written.substr(0, 1) == "N";
  if (!is_written && !open_.empty() && open_.back().has_key) node.at = open_.back().key_at;
  remember(anchor, node);
  put(std::move(node));
}

void YamlBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const Location at = place(mark);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end() || !found->second.complete) {
    weigh(at, 1, 0);
    complain(at, "yaml-alias",
             fmt::format("the alias '{}' stands inside its own anchor", word_at(lines_.from(at.line, at.column))));
    YamlNode nothing;
    nothing.at = at;
    if (expects_key()) {
      open_.back().has_key = open_.back().drop_value = true;
    } else {
      put(std::move(nothing));
    }
    return;
  }
  weigh(at, found->second.weight, found->second.depth);
  if (expects_key()) {
    complain(at, "yaml-key", "an alias cannot be a key");
    open_.back().has_key = open_.back().drop_value = true;
    return;
  }
  YamlNode copy = found->second.node;
  move_to(copy, at);
  put(std::move(copy));
}

void YamlBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.at = place(mark);
  node.plain = tag == "?";
  node.text = value;
  weigh(node.at, 1, 0);
  refuse_tag(node.at, tag);
  if (!node.plain) check_quote_ends(node.at);
  if (value.find('\0') != std::string::npos) {
    complain(node.at, "yaml-encoding", "a text cannot hold a NUL: programs and files would see it cut off there");
    node.text = value.substr(0, value.find('\0'));
  }
  remember(anchor, node);
  if (expects_key()) {
    put_key(node);
  } else {
    put(std::move(node));
  }
}

// yaml-cpp takes the end of the file for a closing quote.
void YamlBuilder::check_quote_ends(const Location& at) {
  std::string_view text = lines_.from(at.line, at.column);
  while (!text.empty() && (text[0] == '&' || text[0] == '!')) {
    text.remove_prefix(std::min(text.find_first_of(" \t\r\n"), text.size()));
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  }
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return;
  const char quote = text[0];
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return;
      ++i;
    }
  }
  throw Diagnostic{at, Level::error, "yaml-syntax", "YAML syntax: the quote that opens here is never closed", {}, {}};
}

void YamlBuilder::put_key(const YamlNode& node) {
  Open& mapping = open_.back();
  mapping.has_key = true;
  mapping.drop_value = false;
  mapping.key = node.text;
  mapping.key_at = node.at;
  if (node.plain && node.text == "<<") {
    complain(node.at, "yaml-key", "merge keys ('<<') are not taken",
             "write the keys out, or use an alias for the whole value");
    mapping.drop_value = true;
    return;
  }
  std::string folded = node.text;
  std::replace(folded.begin(), folded.end(), '-', '_');
  const auto [first, is_new] = mapping.seen.try_emplace(folded, node.text, node.at.line);
  if (is_new) return;
  const auto& [spelling, line] = first->second;
  complain(node.at, "duplicate-key",
           spelling == node.text
               ? fmt::format("duplicate key '{}'; it stands in line {} already", node.text, line)
               : fmt::format("duplicate key '{}'; '{}' stands in line {} already", node.text, spelling, line));
  mapping.drop_value = true;
}

void YamlBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value /*style*/) {
  YamlNode node;
  node.kind = YamlNode::Kind::sequence;
  node.at = place(mark);
  begin(std::move(node), tag, anchor);
}

void YamlBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value /*style*/) {
  YamlNode node;
  node.kind = YamlNode::Kind::mapping;
  node.at = place(mark);
  begin(std::move(node), tag, anchor);
}

void YamlBuilder::begin(YamlNode node, const std::string& tag, YAML::anchor_t anchor) {
  weigh(node.at, 1, 1);
  refuse_tag(node.at, tag);
  Open fresh;
  fresh.is_key = expects_key();
  if (fresh.is_key) {
    const bool braces = lines_.from(node.at.line, node.at.column).substr(0, 1) == "{";
    complain(node.at, "yaml-key", "a key must be a word, not a list or mapping",
             braces ? "an expression is written \"${{ … }}\", quoted" : "");
  }
  if (anchor != 0) anchors_[anchor] = {};
  fresh.node = std::move(node);
  fresh.anchor = anchor;
  open_.push_back(std::move(fresh));
}

void YamlBuilder::close() {
  Open done = std::move(open_.back());
  open_.pop_back();
  remember(done.anchor, done.node);
  if (!done.is_key) {
    put(std::move(done.node));
    return;
  }
  open_.back().has_key = open_.back().drop_value = true;
}

void YamlBuilder::put(YamlNode node) {
  if (open_.empty()) {
    root_ = std::move(node);
    return;
  }
  Open& parent = open_.back();
  if (parent.node.kind == YamlNode::Kind::sequence) {
    parent.node.items.push_back(std::move(node));
    return;
  }
  if (parent.has_key && !parent.drop_value) {
    parent.node.entries.push_back({std::move(parent.key), parent.key_at, std::move(node)});
  }
  parent.has_key = false;
  parent.drop_value = false;
}

void YamlBuilder::remember(YAML::anchor_t anchor, const YamlNode& node) {
  if (anchor == 0) return;
  anchors_[anchor] = {node, weight_of(node), depth_of(node), true};
}

}  // namespace deployer
