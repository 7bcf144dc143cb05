#include "base/redactor.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/matcher.h"
#include "base/secret_forms.h"

namespace deployer {

namespace {

constexpr std::string_view mask = "***";

using SharedMatcher = std::shared_ptr<const Matcher>;

// A text on its way through a matcher: what may still become a secret is held, the rest is let out, masked.
class MaskedText {
 public:
  explicit MaskedText(SharedMatcher matcher) : matcher_(std::move(matcher)) {}

  // Secrets that became known meanwhile are found from the held bytes on.
  void use(const SharedMatcher& matcher) {
    if (matcher_ == matcher) return;
    matcher_ = matcher;
    state_ = 0;
    const std::string again = std::exchange(held_, {});
    end_ = begin_;
    for (const char letter : again) push(letter);
  }

  void feed(std::string_view piece, std::string& out) {
    std::size_t i = 0;
    while (i < piece.size()) {
      if (state_ == 0 && held_.empty()) {
        const std::size_t start = i;
        while (i < piece.size() && !matcher_->starts_with(static_cast<unsigned char>(piece[i]))) ++i;
        if (i > start) {
          out.append(piece.substr(start, i - start));
          begin_ = end_ += i - start;
          in_mask_ = false;
          continue;
        }
      }
      push(piece[i++]);
      let_out(end_ - std::min<std::uint64_t>(matcher_->open(state_), end_ - begin_), out);
    }
    compact();
  }

  // What is held, as it is; the state is kept.
  void flush(std::string& out) {
    let_out(end_, out);
    compact();
  }

  // From now on the held bytes are part of a secret.
  void cover_held() {
    const std::uint64_t open = std::min<std::uint64_t>(matcher_->open(state_), end_ - begin_);
    if (matcher_->open(state_) >= shortest_secret && open > 0) cover(end_ - open);
  }
  void leave_mask() { in_mask_ = false; }

 private:
  struct Span {
    std::uint64_t from;
    std::uint64_t to;
  };

  void push(char letter) {
    held_ += letter;
    ++end_;
    state_ = matcher_->step(state_, static_cast<unsigned char>(letter));
    const std::uint64_t length = matcher_->match(state_);
    if (length > 0) cover(end_ - std::min(length, end_ - begin_));
  }

  // Matches come in the order of their ends, so only the last spans can be touched by a new one.
  void cover(std::uint64_t from) {
    while (!spans_.empty() && spans_.back().to >= from) {
      from = std::min(from, spans_.back().from);
      spans_.pop_back();
    }
    spans_.push_back({from, end_});
  }

  void let_out(std::uint64_t upto, std::string& out) {
    while (begin_ < upto) {
      std::uint64_t end = upto;
      if (!spans_.empty() && spans_.front().from <= begin_) {
        end = std::min(end, spans_.front().to);
        if (!in_mask_) out += mask;
        in_mask_ = true;
        if (spans_.front().to <= end) spans_.pop_front();
      } else {
        if (!spans_.empty()) end = std::min(end, spans_.front().from);
        out.append(held_, dropped_, end - begin_);
        in_mask_ = false;
      }
      dropped_ += end - begin_;
      begin_ = end;
    }
    if (dropped_ > 4096) compact();
  }

  void compact() {
    held_.erase(0, dropped_);
    dropped_ = 0;
  }

  SharedMatcher matcher_;
  Matcher::State state_ = 0;
  std::string held_;         // from position begin_ - dropped_ to end_
  std::size_t dropped_ = 0;  // bytes of held_ that are out already
  std::uint64_t begin_ = 0;  // position of the first byte that is not out
  std::uint64_t end_ = 0;    // position behind the last byte taken
  std::deque<Span> spans_;   // what is secret of the bytes not out, in order, apart from each other
  bool in_mask_ = false;     // the last thing let out was a mask
};

}  // namespace

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
