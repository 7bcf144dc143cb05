#include "pipeline/url_password.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/redactor.h"

namespace deployer {

namespace {

// Where a URL in a line of text ends. A blank inside an expression does not end it.
std::size_t end_of_url(std::string_view text, std::size_t at) {
  while (at < text.size() && std::string_view(" \t\r\n\"'`<>,]}").find(text[at]) == std::string_view::npos) {
    if (text.substr(at, 3) != "${{") {
      ++at;
      continue;
    }
    const std::size_t close = text.find("}}", at);
    if (close == std::string_view::npos) return text.size();
    at = close + 2;
  }
  return at;
}

// The password in what stands behind `://`. One with a raw `/`, `?` or `#` is wrong in a URL, but a secret all the
// same; what looks like a port is none.
std::string_view password_in(std::string_view rest) {
  const std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos || rest.substr(0, colon).find_first_of("/?#@") != std::string_view::npos)
    return {};
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::size_t at = rest.substr(0, end).rfind('@');
  if (at == std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1, end - colon - 1);
    const bool is_port =
        std::all_of(port.begin(), port.end(), [](char letter) { return letter >= '0' && letter <= '9'; });
    at = is_port ? std::string_view::npos : rest.rfind('@');
  }
  return at == std::string_view::npos || at < colon ? std::string_view() : rest.substr(colon + 1, at - colon - 1);
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> url_passwords(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 3)) {
    const std::size_t end = end_of_url(text, at + 3);
    const std::string_view password = password_in(text.substr(at + 3, end - at - 3));
    if (!password.empty() && password.find("${{") == std::string_view::npos) found.emplace_back(password);
  }
  return found;
}

void make_url_passwords_known(Redactor& redactor, std::string_view text) {
  for (const std::string& password : url_passwords(text)) {
    redactor.add("URL password", password);
    redactor.add("URL password", percent_decoded(password));
  }
}

}  // namespace deployer
