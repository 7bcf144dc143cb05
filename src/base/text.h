#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deployer {

/// The parts of `text` between `separator`s; an empty text has one empty part.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// Without blanks, tabs and line ends at both ends.
std::string_view trim(std::string_view text);

/// A word as a POSIX shell takes it, single-quoted where it needs to be.
std::string shell_quote(std::string_view word);

/// The offset of the first byte that is not well-formed UTF-8 (RFC 3629: no surrogates, nothing over U+10FFFF, no
/// overlong form), or nothing if all of it is.
std::optional<std::size_t> invalid_utf8(std::string_view text);

/// The word of `known` that `word` was probably meant to be (by Damerau-Levenshtein distance, at most a third of its
/// length), or nothing. `-` and `_` count as one letter, and so do capitals and small ones.
std::optional<std::string> did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// `a`, `a and b`, `a, b and c`.
std::string listing(const std::vector<std::string>& words);

}  // namespace deployer
