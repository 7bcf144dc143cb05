#include "base/masked_text.h"

#include <algorithm>
#include <utility>

#include "base/secret_forms.h"

namespace deployer {

void MaskedText::use(const SharedMatcher& matcher) {
  if (matcher_ == matcher) return;
  matcher_ = matcher;
  state_ = 0;
  const std::string again = std::exchange(held_, {});
  dropped_ = 0;
  end_ = begin_;
  for (const char letter : again) push(letter);
}

void MaskedText::feed(std::string_view piece, std::string& out) {
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

void MaskedText::flush(std::string& out) {
  let_out(end_, out);
  compact();
}

void MaskedText::cover_held() {
  const std::uint64_t open = std::min<std::uint64_t>(matcher_->open(state_), end_ - begin_);
  if (matcher_->open(state_) >= shortest_secret && open > 0) cover(end_ - open);
}

void MaskedText::push(char letter) {
  held_ += letter;
  ++end_;
  state_ = matcher_->step(state_, static_cast<unsigned char>(letter));
  const std::uint64_t length = matcher_->match(state_);
  if (length > 0) cover(end_ - std::min(length, end_ - begin_));
}

// Matches come in the order of their ends, so only the last spans can be touched by a new one.
void MaskedText::cover(std::uint64_t from) {
  while (!spans_.empty() && spans_.back().to >= from) {
    from = std::min(from, spans_.back().from);
    spans_.pop_back();
  }
  spans_.push_back({from, end_});
}

void MaskedText::let_out(std::uint64_t upto, std::string& out) {
  while (begin_ < upto) {
    std::uint64_t end = upto;
    if (!spans_.empty() && spans_.front().from <= begin_) {
      end = std::min(end, spans_.front().to);
      if (!in_mask_) out += "***";
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
  if (dropped_ > 4096 || dropped_ == held_.size()) compact();
}

void MaskedText::compact() {
  held_.erase(0, dropped_);
  dropped_ = 0;
}

}  // namespace deployer
