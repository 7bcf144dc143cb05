#include "base/secret_forms.h"

#include <array>
#include <vector>

#include "base/json.h"
#include "base/text.h"

namespace deployer {

namespace {

using Forms = std::set<std::string>;

void add_form(Forms& forms, std::string form) {
  if (form.size() >= shortest_secret) forms.insert(std::move(form));
}

bool is_word_byte(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
}

// What other bytes an encoder leaves as they are: RFC 3986 (curl), the same and `/` (Python's quote), forms (Python's
// quote_plus, Java), JavaScript's encodeURIComponent and encodeURI.
constexpr std::array<std::string_view, 5> percent_alphabets = {"-._~", "-._~/", "-._*", "-._~!*'()",
                                                               "-._~!*'();,/?:@&=+$#"};

std::string percent_encoded(std::string_view text, std::string_view kept, bool capitals, bool plus) {
  const std::string_view digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const char letter : text) {
    if (is_word_byte(letter) || kept.find(letter) != std::string_view::npos) {
      out += letter;
    } else if (letter == ' ' && plus) {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(letter);
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
  }
  return out;
}

void add_percent_forms(Forms& forms, std::string_view text) {
  for (const std::string_view kept : percent_alphabets) {
    for (const bool plus : {true, false}) {
      add_form(forms, percent_encoded(text, kept, true, plus));
      add_form(forms, percent_encoded(text, kept, false, plus));
    }
  }
}

std::string base64(std::string_view bytes, std::string_view last_two, bool padded) {
  constexpr std::string_view common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const std::string alphabet = std::string(common) + std::string(last_two);
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char letter : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(letter);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += alphabet[(bits >> static_cast<unsigned>(count)) & 63U];
    }
  }
  if (count > 0) out += alphabet[(bits << static_cast<unsigned>(6 - count)) & 63U];
  while (padded && out.size() % 4 != 0) out += '=';
  return out;
}

// Encoders that wrap break after 76 letters (RFC 2045; coreutils) or 64 (RFC 7468; openssl).
void add_wrapped_base64(Forms& forms, const std::string& encoded) {
  for (const std::size_t width : {std::size_t{76}, std::size_t{64}}) {
    if (encoded.size() <= width) continue;
    for (const std::string_view line_end : {"\n", "\r\n", "\\n"}) {
      std::string wrapped;
      for (std::size_t at = 0; at < encoded.size(); at += width) {
        if (at > 0) wrapped += line_end;
        wrapped += encoded.substr(at, width);
      }
      add_form(forms, wrapped);
    }
    for (std::size_t at = 0; at < encoded.size(); at += width) add_form(forms, encoded.substr(at, width));
  }
}

// What precedes the secret shifts it by 0, 1 or 2 bytes within a group of three. Only the letters that rest on bytes
// of the secret alone are always the same.
void add_base64_forms(Forms& forms, std::string_view text) {
  for (const std::string_view last_two : {"+/", "-_"}) {
    for (std::size_t shift = 0; shift < 3; ++shift) {
      const std::string shifted = std::string(shift, '\0') + std::string(text);
      const std::size_t first = (shift * 8 + 5) / 6;
      const std::size_t end = shifted.size() * 8 / 6;
      const std::string encoded = base64(shifted, last_two, false);
      add_form(forms, encoded.substr(first, end - first));
      // Where nothing follows the secret, its last bits and the padding are known too.
      add_form(forms, encoded.substr(first));
      add_form(forms, base64(shifted, last_two, true).substr(first));
      if (shift == 0) add_wrapped_base64(forms, base64(text, last_two, true));
    }
  }
}

std::string replaced(std::string_view text, std::string_view letters, const std::vector<std::string>& by) {
  std::string out;
  for (const char letter : text) {
    const std::size_t which = letters.find(letter);
    if (which == std::string_view::npos) {
      out += letter;
    } else {
      out += by[which];
    }
  }
  return out;
}

void add_json_forms(Forms& forms, std::string_view text) {
  for (const bool ascii : {false, true}) {
    // nlohmann's own error handling turns what is no UTF-8 into U+FFFD, as other encoders do.
    std::string quoted = Json(std::string(text)).dump(-1, ' ', ascii, Json::error_handler_t::replace);
    quoted = quoted.substr(1, quoted.size() - 2);
    add_form(forms, quoted);
    add_form(forms, replaced(quoted, "/", {"\\/"}));                              // PHP
    add_form(forms, replaced(quoted, "<>&", {"\\u003c", "\\u003e", "\\u0026"}));  // Go
    add_form(forms, replaced(quoted, "<>&'", {"\\u003c", "\\u003e", "\\u0026", "\\u0027"}));
    std::string capitals = quoted;
    for (std::size_t at = capitals.find("\\u"); at != std::string::npos; at = capitals.find("\\u", at + 6)) {
      for (std::size_t i = at + 2; i < at + 6 && i < capitals.size(); ++i) {
        if (capitals[i] >= 'a' && capitals[i] <= 'f') capitals[i] = static_cast<char>(capitals[i] - 'a' + 'A');
      }
    }
    add_form(forms, capitals);
  }
}

void add_shell_forms(Forms& forms, std::string_view text) {
  add_form(forms, replaced(text, "'", {"'\\''"}));
  add_form(forms, replaced(text, "'", {"'\"'\"'"}));                                   // Python's shlex.quote
  add_form(forms, replaced(text, "\\\"$`", {"\\\\", "\\\"", "\\$", "\\`"}));           // within double quotes
  add_form(forms, replaced(text, "\\'\n\t\r", {"\\\\", "\\'", "\\n", "\\t", "\\r"}));  // $'…' of bash
  std::string backslashes;                                                             // printf %q of bash
  for (const char letter : text) {
    constexpr std::string_view plain = "-._/:=@%+";
    const bool is_ascii = static_cast<unsigned char>(letter) < 0x80;
    if (is_ascii && !is_word_byte(letter) && plain.find(letter) == std::string_view::npos) backslashes += '\\';
    backslashes += letter;
  }
  add_form(forms, backslashes);
  add_form(forms, replaced(backslashes, ",", {"\\,"}));
}

void add_strings_of_json(std::set<std::string>& pieces, const Json& json) {
  if (json.is_string()) pieces.insert(json.get<std::string>());
  if (json.is_structured()) {
    for (const Json& member : json) add_strings_of_json(pieces, member);
  }
}

// A long value of many lines is masked line by line in every form; as a whole it is known raw and in base64 only, since
// every further form of it would cost its length again in memory and in time at every start.
constexpr std::size_t longest_whole = 1024;

// The secret, its lines, and the strings inside it.
std::set<std::string> pieces_of(std::string_view value) {
  std::set<std::string> pieces = {std::string(value)};
  const std::string_view trimmed = trim(value);
  if (!trimmed.empty() && (trimmed[0] == '{' || trimmed[0] == '[' || trimmed[0] == '"')) {
    const Json json = Json::parse(trimmed, nullptr, false);
    if (!json.is_discarded()) add_strings_of_json(pieces, json);
  }
  std::set<std::string> lines;
  for (const std::string& piece : pieces) {
    for (const std::string& line : split(piece, '\n')) {
      lines.insert(line);
      lines.insert(std::string(trim(line)));
    }
  }
  pieces.merge(lines);
  return pieces;
}

}  // namespace

std::set<std::string> secret_forms(std::string_view value) {
  Forms forms;
  for (const std::string& piece : pieces_of(value)) {
    if (piece.size() < shortest_secret) continue;
    add_form(forms, piece);
    add_base64_forms(forms, piece);
    if (piece.size() > longest_whole && piece.find('\n') != std::string::npos) continue;
    add_percent_forms(forms, piece);
    add_json_forms(forms, piece);
    add_shell_forms(forms, piece);
  }
  return forms;
}

}  // namespace deployer
