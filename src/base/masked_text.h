#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/matcher.h"

namespace deployer {

using SharedMatcher = std::shared_ptr<const Matcher>;

/// A text on its way through a matcher: what may still become a secret is held, the rest is let out, with `***` for
/// each run of bytes that belong to secrets. One thread at a time.
class MaskedText {
 public:
  explicit MaskedText(SharedMatcher matcher) : matcher_(std::move(matcher)) {}

  /// Goes on with another matcher: secrets that became known meanwhile are found from the held bytes on.
  void use(const SharedMatcher& matcher);

  /// Takes the next piece and appends to `out` what can be said now.
  void feed(std::string_view piece, std::string& out);

  /// From now on the held bytes, if they begin a secret, are masked as if its rest were there.
  void cover_held();

  /// Appends what is held. Where the text stands within a secret is kept: the rest of it will be masked.
  void flush(std::string& out);

  /// The next mask is told even where it follows one directly.
  void leave_mask() { in_mask_ = false; }

 private:
  struct Span {
    std::uint64_t from;
    std::uint64_t to;
  };

  void push(char letter);
  void cover(std::uint64_t from);
  void let_out(std::uint64_t upto, std::string& out);
  void compact();

  SharedMatcher matcher_;
  Matcher::State state_ = 0;
  std::string held_;         // from position begin_ - dropped_ to end_
  std::size_t dropped_ = 0;  // bytes of held_ that are out already
  std::uint64_t begin_ = 0;  // position of the first byte that is not out
  std::uint64_t end_ = 0;    // position behind the last byte taken
  std::deque<Span> spans_;   // what is secret of the bytes not out, in order, apart from each other
  bool in_mask_ = false;     // the last thing let out was a mask
};

}  // namespace deployer
