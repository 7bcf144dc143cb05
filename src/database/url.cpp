#include "database/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/text.h"

namespace deployer::database {

namespace {

constexpr std::string_view url_forms =
    "the forms are sqlite:///relative.db, sqlite:////absolute.db and mysql://user:password@host:3306/name";
constexpr std::string_view encode_hint =
    "in a user name or password, / is written %2F, ? is %3F, # is %23, @ is %40 and % is %25";

const std::vector<std::string>& url_schemes() {
  static const std::vector<std::string> schemes = {"sqlite", "mysql", "mariadb"};
  return schemes;
}

Error url_error(std::string message, std::string hint = {}) {
  return Error(ErrorKind::invalid, "the database URL " + std::move(message), std::move(hint));
}

int url_hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Percent-decoded (RFC 3986, 2.1), or nothing where a % is not followed by two hex digits or stands for NUL.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = url_hex_digit(text[i + 1]);
    const int low = url_hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    plain += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return plain;
}

std::string percent_encode(std::string_view text, std::string_view also_plain = {}) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || byte >= 0x80 ||
                       std::string_view("-._~").find(c) != std::string_view::npos ||
                       also_plain.find(c) != std::string_view::npos;
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string url_lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::optional<int> url_number(std::string_view text, int least, int most) {
  int number = 0;
  const std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || number < least || number > most) return {};
  return number;
}

/// What one query word does with its (decoded) value; false where the value makes no sense.
struct QueryWord {
  std::string_view name;
  std::string_view expects;
  bool (*take)(Url& url, const std::string& value);
};

bool take_charset(Url& url, const std::string& value) {
  url.charset = url_lower(value);
  return !value.empty() && value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                               std::string::npos;
}

bool take_socket(Url& url, const std::string& value) {
  url.socket = value;
  return !value.empty();
}

bool take_ssl_mode(Url& url, const std::string& value) {
  static constexpr std::array<std::pair<std::string_view, SslMode>, 5> modes = {{
      {"disabled", SslMode::disabled},
      {"preferred", SslMode::preferred},
      {"required", SslMode::required},
      {"verify_ca", SslMode::verify_ca},
      {"verify_identity", SslMode::verify_identity},
  }};
  std::string word = url_lower(value);
  std::replace(word.begin(), word.end(), '-', '_');
  for (const auto& [name, mode] : modes) {
    if (word != name) continue;
    url.ssl_mode = mode;
    return true;
  }
  return false;
}

/// PyMySQL's word: the certificate's chain is verified, not its name.
bool take_ssl_verify_cert(Url& url, const std::string& value) {
  const std::string word = url_lower(value);
  const bool yes = word == "true" || word == "1" || word == "yes";
  const bool no = word == "false" || word == "0" || word == "no";
  if (yes && url.ssl_mode != SslMode::verify_identity) url.ssl_mode = SslMode::verify_ca;
  if (no && url.ssl_mode > SslMode::required) url.ssl_mode = SslMode::required;
  return yes || no;
}

bool take_seconds(Duration& length, const std::string& value, int least) {
  const std::optional<int> seconds = url_number(value, least, 1'000'000);
  if (seconds) length = std::chrono::seconds(*seconds);
  return seconds.has_value();
}

constexpr std::array<QueryWord, 11> query_words = {{
    {"charset", "the name of a character set", take_charset},
    {"unix_socket", "a path", take_socket},
    {"socket", "a path", take_socket},
    {"ssl_ca", "a path", [](Url& url, const std::string& value) { return !(url.ssl_ca = value).empty(); }},
    {"ssl_cert", "a path", [](Url& url, const std::string& value) { return !(url.ssl_cert = value).empty(); }},
    {"ssl_key", "a path", [](Url& url, const std::string& value) { return !(url.ssl_key = value).empty(); }},
    {"ssl_mode", "disabled, preferred, required, verify_ca or verify_identity", take_ssl_mode},
    {"ssl_verify_cert", "true or false", take_ssl_verify_cert},
    {"connect_timeout", "whole seconds, at least 1",
     [](Url& url, const std::string& value) { return take_seconds(url.connect_timeout, value, 1); }},
    {"read_timeout", "whole seconds",
     [](Url& url, const std::string& value) { return take_seconds(url.read_timeout, value, 0); }},
    {"write_timeout", "whole seconds",
     [](Url& url, const std::string& value) { return take_seconds(url.write_timeout, value, 0); }},
}};

Error unknown_query_word(const std::string& word, bool server) {
  std::vector<std::string> known;
  if (server) {
    for (const QueryWord& query_word : query_words) known.emplace_back(query_word.name);
  }
  const std::optional<std::string> meant = did_you_mean(word, known);
  std::string hint = meant ? fmt::format("did you mean {}?", *meant)
                           : (server ? "known are " + listing(known) : "a sqlite URL has no query words");
  return url_error(fmt::format("has the unknown query word {}", word), std::move(hint));
}

/// The parts of `SCHEME://AUTHORITY PATH ?QUERY`, still encoded.
struct UrlParts {
  std::string scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view query;
};

/// A word that may be repeated in a message: it cannot be a piece of a password written without percent-encoding.
bool may_be_shown(std::string_view word) {
  return !word.empty() && word.size() <= 40 &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.") ==
             std::string_view::npos;
}

Result<UrlParts> cut_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (text.empty()) return tl::unexpected(url_error("is empty", std::string(url_forms)));
  if (colon == std::string_view::npos || !may_be_shown(text.substr(0, colon))) {
    return tl::unexpected(url_error("does not begin with a scheme and ://", std::string(url_forms)));
  }
  UrlParts parts;
  parts.scheme = url_lower(text.substr(0, colon));
  std::string_view rest = text.substr(colon + 3);
  const std::size_t end = rest.find_first_of("/?#");
  parts.authority = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
  // A message must not repeat what may be the rest of a password that was written without percent-encoding.
  const std::size_t query = rest.find('?');
  const bool user_cut =
      parts.authority.find('@') == std::string_view::npos && rest.substr(0, query).find('@') != std::string_view::npos;
  if (rest.find('#') != std::string_view::npos) return tl::unexpected(url_error("holds a #", std::string(encode_hint)));
  if (user_cut && parts.scheme.rfind("sqlite", 0) != 0) {
    return tl::unexpected(url_error("has an @ behind its host", std::string(encode_hint)));
  }
  parts.path = rest.substr(0, query);
  if (query != std::string_view::npos) parts.query = rest.substr(query + 1);
  return parts;
}

Result<Engine> engine_of_scheme(const std::string& scheme) {
  const std::string base = scheme.substr(0, scheme.find('+'));
  if (base == "sqlite") return Engine::sqlite;
  if (base == "mysql" || base == "mariadb") return Engine::mariadb;
  const std::optional<std::string> meant = did_you_mean(base, url_schemes());
  return tl::unexpected(
      url_error(fmt::format("has the unknown scheme {}", scheme),
                meant ? fmt::format("did you mean {}?", *meant) : "deployer works with " + listing(url_schemes())));
}

std::optional<Error> read_query(Url& url, const UrlParts& parts) {
  if (parts.query.empty()) return std::nullopt;
  for (const std::string& item : split(parts.query, '&')) {
    const std::size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    const std::optional<std::string> value =
        percent_decode(equals == std::string::npos ? std::string() : item.substr(equals + 1));
    const bool show = may_be_shown(name) && parts.query.find('@') == std::string_view::npos;
    const auto* word = std::find_if(query_words.begin(), query_words.end(),
                                    [&](const QueryWord& known) { return known.name == name; });
    if (word == query_words.end() || url.engine == Engine::sqlite) {
      return show ? unknown_query_word(name, url.engine == Engine::mariadb)
                  : url_error("has an unknown query word", std::string(encode_hint));
    }
    if (!value || !word->take(url, *value)) {
      return url_error(fmt::format("has a wrong value for {}", name), fmt::format("it takes {}", word->expects));
    }
  }
  return std::nullopt;
}

std::optional<Error> read_host(Url& url, std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return url_error("has a [ without a ]");
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port.front() != ':') return url_error("has something between ] and the port");
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  const std::optional<std::string> plain = percent_decode(host);
  if (!plain) return url_error("has a wrong percent-encoding in its host", std::string(encode_hint));
  url.host = *plain;
  if (port.size() > 1) {
    const std::optional<int> number = url_number(port.substr(1), 1, 65535);
    if (!number) return url_error("has a port that is not a number from 1 to 65535", std::string(encode_hint));
    url.port = *number;
  }
  return std::nullopt;
}

std::optional<Error> read_authority(Url& url, std::string_view authority) {
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view login = authority.substr(0, at);
    const std::size_t colon = login.find(':');
    const std::optional<std::string> user = percent_decode(login.substr(0, colon));
    const std::optional<std::string> password =
        percent_decode(colon == std::string_view::npos ? std::string_view{} : login.substr(colon + 1));
    if (!user || !password) {
      return url_error("has a wrong percent-encoding in its user name or password", std::string(encode_hint));
    }
    url.user = *user;
    url.password = *password;
    authority.remove_prefix(at + 1);
  }
  return read_host(url, authority);
}

std::optional<Error> check_tls(const Url& url) {
  if (url.ssl_mode == SslMode::verify_ca && url.ssl_ca.empty()) {
    return url_error("asks for ssl_mode=verify_ca without ssl_ca", "name the file with the authority's certificate");
  }
  if (url.ssl_cert.empty() != url.ssl_key.empty()) return url_error("must have both ssl_cert and ssl_key, or neither");
  return std::nullopt;
}

Result<Url> read_sqlite(const UrlParts& parts) {
  Url url;
  url.engine = Engine::sqlite;
  if (!parts.authority.empty()) {
    return tl::unexpected(url_error("has a host, which a sqlite URL has not",
                                    "a relative file is written with three slashes, sqlite:///file.db"));
  }
  const std::optional<std::string> file = percent_decode(parts.path.empty() ? parts.path : parts.path.substr(1));
  if (!file) {
    return tl::unexpected(url_error("has a wrong percent-encoding in its path", "a % in a file name is written %25"));
  }
  url.file = *file;
  if (url.file.empty() || url.file == "/") return tl::unexpected(url_error("names no file", std::string(url_forms)));
  if (url.file == ":memory:") {
    return tl::unexpected(url_error("names a database in memory", "deployer works on databases that outlive it"));
  }
  if (std::optional<Error> error = read_query(url, parts)) return tl::unexpected(*std::move(error));
  return url;
}

Result<Url> read_server(const UrlParts& parts) {
  Url url;
  url.engine = Engine::mariadb;
  if (std::optional<Error> error = read_authority(url, parts.authority)) return tl::unexpected(*std::move(error));
  const std::optional<std::string> name = percent_decode(parts.path.empty() ? parts.path : parts.path.substr(1));
  if (!name) {
    return tl::unexpected(
        url_error("has a wrong percent-encoding in its database name", "a % in a name is written %25"));
  }
  url.name = *name;
  if (url.name.empty()) return tl::unexpected(url_error("names no database", std::string(url_forms)));
  if (parts.path.substr(1).find('/') != std::string_view::npos) {
    return tl::unexpected(url_error("has a / in its database name", std::string(encode_hint)));
  }
  // A CA alone verifies, as with the server's own client; ssl_mode and ssl_verify_cert in the query decide over it.
  if (parts.query.find("ssl_ca=") != std::string_view::npos) url.ssl_mode = SslMode::verify_ca;
  if (std::optional<Error> error = read_query(url, parts)) return tl::unexpected(*std::move(error));
  if (std::optional<Error> error = check_tls(url)) return tl::unexpected(*std::move(error));
  if (!url.socket.empty()) {
    url.host.clear();
  } else if (url.host.empty()) {
    url.host = "localhost";
  }
  return url;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const std::string_view trimmed = trim(text);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(trimmed.begin(), trimmed.end(), is_control)) {
    return tl::unexpected(url_error("holds a control character"));
  }
  const Result<UrlParts> parts = cut_url(trimmed);
  if (!parts) return tl::unexpected(parts.error());
  const Result<Engine> engine = engine_of_scheme(parts->scheme);
  if (!engine) return tl::unexpected(engine.error());
  return *engine == Engine::sqlite ? read_sqlite(*parts) : read_server(*parts);
}

std::string Url::masked() const {
  if (engine == Engine::sqlite) return "sqlite:///" + percent_encode(file, "/:@+,=");
  std::string text = "mysql://";
  if (!user.empty()) text += percent_encode(user) + "@";
  if (!socket.empty()) {
    text += "localhost";
  } else if (host.find(':') != std::string::npos) {
    text += fmt::format("[{}]:{}", host, port);
  } else {
    text += fmt::format("{}:{}", percent_encode(host), port);
  }
  return text + "/" + percent_encode(name);
}

std::string Url::identity(std::string_view project) const {
  if (engine == Engine::sqlite) {
    const std::filesystem::path path = std::filesystem::path(project) / file;
    std::error_code failed;
    const std::filesystem::path real = std::filesystem::weakly_canonical(std::filesystem::absolute(path), failed);
    return "sqlite:" + (failed ? path.lexically_normal() : real).string();
  }
  if (!socket.empty()) return fmt::format("mysql:{}/{}", socket, name);
  const std::string lower = url_lower(host);
  const bool local = lower.empty() || lower == "localhost" || lower == "::1";
  return fmt::format("mysql:{}:{}/{}", local ? "127.0.0.1" : lower, port, name);
}

}  // namespace deployer::database
