#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace deployer {

/// Knows every secret of this process and takes them out of everything that leaves it: terminal, logs, journal, JSON,
/// errors, notifications. One object a process, shared by all threads (it locks inside).
///
/// A secret is masked (`***`) as it is, and also: each of its lines of at least 4 bytes, each string inside it where it
/// is JSON, and each of these in base64 and base64url (all three offsets), percent-encoded (both cases of the hex
/// digits, `+` or `%20`), JSON-escaped and shell-quoted.
class Redactor {
 public:
  Redactor();
  ~Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;

  /// From now on `value` is a secret called `name`. False, and nothing is masked, if it is shorter than 4 bytes (the
  /// caller warns: masking a digit would destroy every output).
  bool add(std::string_view name, std::string_view value);

  /// `text` with every form of every secret replaced by `***`.
  std::string clean(std::string_view text) const;
  std::string clean(const std::string& text) const { return clean(std::string_view(text)); }
  std::string clean(const char* text) const { return clean(std::string_view(text)); }
  /// The same for every string of a document, keys too.
  Json clean(const Json& json) const;
  /// The same error, masked through all its parts.
  Error clean(const Error& error) const;

  /// True if some form of a secret stands in `text`.
  bool holds_secret(std::string_view text) const;

  /// `text` with each secret that stands in it as it is replaced by `***NAME***`, so that who knows the secrets again
  /// can read it (`with_values`): a path that holds one by chance must come back whole. Only of secrets whose name is
  /// one of a variable; all else is left, also other forms: what leaves the process goes through `clean` afterwards.
  std::string by_name(std::string_view text) const;
  /// The same for every string of a document, keys too.
  Json by_name(const Json& json) const;
  /// The way back from `by_name`. A name that is not known stays as it is.
  std::string with_values(std::string_view text) const;
  Json with_values(const Json& json) const;
  /// True if a secret was added by this name; the last one counts.
  bool knows(std::string_view name) const;

  /// A stream that is masked piece by piece: a secret split over two pieces is found too, because the longest form
  /// less one byte is held back until more is known. One object a stream, one thread at a time.
  class Stream {
   public:
    explicit Stream(const Redactor& redactor);
    ~Stream();
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;
    /// Takes the next piece, gives what can be said now.
    std::string feed(std::string_view piece);
    /// What was still held back, at the end or when nothing came for a while, so that a prompt without line end is
    /// seen. The beginning of a secret (4 bytes and more of it) is masked as if the rest were there, and what follows
    /// is masked as its rest if it is that: a secret that is written in two halves, a minute apart, does not get
    /// through.
    std::string finish();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer
