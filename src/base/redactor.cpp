#include "base/redactor.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/masked_text.h"
#include "base/matcher.h"
#include "base/secret_forms.h"

namespace deployer {

struct Redactor::State {
  // Built when it is first needed after an addition, so that a hundred secrets cost one building.
  SharedMatcher matcher() {
    const std::lock_guard lock(mutex);
    if (!built) {
      auto fresh = std::make_shared<Matcher>();
      for (const std::string& form : forms) fresh->add(form);
      fresh->finish();
      built = std::move(fresh);
    }
    return built;
  }

  std::map<std::string, std::string> named() {
    const std::lock_guard lock(mutex);
    return values;
  }

  std::mutex mutex;
  std::set<std::string> forms;
  std::map<std::string, std::string> values;  // by name, where that is one of a variable
  SharedMatcher built;
};

namespace {

bool redactor_takes_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '_';
  });
}

using Replacements = std::vector<std::pair<std::string, std::string>>;

std::string replace_all(std::string_view text, const Replacements& replacements) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto found = std::find_if(replacements.begin(), replacements.end(),
                                    [&](const auto& one) { return text.substr(at).starts_with(one.first); });
    if (found == replacements.end()) {
      out += text[at++];
    } else {
      out += found->second;
      at += found->first.size();
    }
  }
  return out;
}

Json replace_all(const Json& json, const Replacements& replacements) {
  if (json.is_string()) return replace_all(std::string_view(json.get_ref<const std::string&>()), replacements);
  if (json.is_array()) {
    Json out = Json::array();
    for (const Json& member : json) out.push_back(replace_all(member, replacements));
    return out;
  }
  if (!json.is_object()) return json;
  Json out = Json::object();
  for (const auto& entry : json.items()) {
    out[replace_all(std::string_view(entry.key()), replacements)] = replace_all(entry.value(), replacements);
  }
  return out;
}

/// Values before names, the longest value first: one may begin with another.
Replacements names_for_values(const std::map<std::string, std::string>& values) {
  Replacements replacements;
  for (const auto& [name, value] : values) replacements.emplace_back(value, "***" + name + "***");
  std::stable_sort(replacements.begin(), replacements.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  return replacements;
}

Replacements values_for_names(const std::map<std::string, std::string>& values) {
  Replacements replacements;
  for (const auto& [name, value] : values) replacements.emplace_back("***" + name + "***", value);
  return replacements;
}

}  // namespace

Redactor::Redactor() : state_(std::make_unique<State>()) {}
Redactor::~Redactor() = default;

bool Redactor::add(std::string_view name, std::string_view value) {
  if (value.size() < shortest_secret) return false;
  std::set<std::string> forms = secret_forms(value);
  const std::lock_guard lock(state_->mutex);
  const std::size_t before = state_->forms.size();
  state_->forms.merge(forms);
  if (redactor_takes_name(name)) state_->values[std::string(name)] = value;
  if (state_->forms.size() != before) state_->built = nullptr;
  return true;
}

std::string Redactor::clean(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  MaskedText masked(state_->matcher());
  masked.feed(text, out);
  masked.flush(out);
  return out;
}

Json Redactor::clean(const Json& json) const {
  if (json.is_string()) return clean(json.get_ref<const std::string&>());
  if (json.is_array()) {
    Json out = Json::array();
    for (const Json& member : json) out.push_back(clean(member));
    return out;
  }
  if (!json.is_object()) return json;
  Json out = Json::object();
  for (const auto& entry : json.items()) out[clean(entry.key())] = clean(entry.value());
  return out;
}

Error Redactor::clean(const Error& error) const {
  Error out(error.kind, clean(error.message), clean(error.hint));
  for (const Diagnostic& diagnostic : error.diagnostics) {
    Diagnostic& copy = out.diagnostics.emplace_back(diagnostic);
    copy.at.file = clean(diagnostic.at.file);
    copy.message = clean(diagnostic.message);
    copy.hint = clean(diagnostic.hint);
    copy.excerpt = clean(diagnostic.excerpt);
  }
  if (error.cause) out.cause = std::make_shared<const Error>(clean(*error.cause));
  return out;
}

bool Redactor::holds_secret(std::string_view text) const {
  const SharedMatcher matcher = state_->matcher();
  Matcher::State at = 0;
  return std::any_of(text.begin(), text.end(), [&](char letter) {
    at = matcher->step(at, static_cast<unsigned char>(letter));
    return matcher->match(at) > 0;
  });
}

std::string Redactor::by_name(std::string_view text) const {
  return replace_all(text, names_for_values(state_->named()));
}

Json Redactor::by_name(const Json& json) const { return replace_all(json, names_for_values(state_->named())); }

std::string Redactor::with_values(std::string_view text) const {
  return replace_all(text, values_for_names(state_->named()));
}

Json Redactor::with_values(const Json& json) const { return replace_all(json, values_for_names(state_->named())); }

bool Redactor::knows(std::string_view name) const { return state_->named().contains(std::string(name)); }

struct Redactor::Stream::State {
  Redactor::State* redactor;
  MaskedText text;
};

Redactor::Stream::Stream(const Redactor& redactor)
    : state_(std::make_unique<State>(State{redactor.state_.get(), MaskedText(redactor.state_->matcher())})) {}
Redactor::Stream::~Stream() = default;
Redactor::Stream::Stream(Stream&&) noexcept = default;
Redactor::Stream& Redactor::Stream::operator=(Stream&&) noexcept = default;

std::string Redactor::Stream::feed(std::string_view piece) {
  std::string out;
  out.reserve(piece.size());
  state_->text.use(state_->redactor->matcher());
  state_->text.feed(piece, out);
  return out;
}

std::string Redactor::Stream::finish() {
  std::string out;
  state_->text.use(state_->redactor->matcher());
  state_->text.cover_held();
  state_->text.flush(out);
  state_->text.leave_mask();
  return out;
}

}  // namespace deployer
