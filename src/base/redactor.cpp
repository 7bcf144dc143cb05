#include "base/redactor.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

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

  std::mutex mutex;
  std::set<std::string> forms;
  SharedMatcher built;
};

Redactor::Redactor() : state_(std::make_unique<State>()) {}
Redactor::~Redactor() = default;

bool Redactor::add(std::string_view /*name*/, std::string_view value) {
  if (value.size() < shortest_secret) return false;
  std::set<std::string> forms = secret_forms(value);
  const std::lock_guard lock(state_->mutex);
  const std::size_t before = state_->forms.size();
  state_->forms.merge(forms);
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
