#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace deployer {

class Redactor;

/// The passwords of all URLs in a text (`scheme://user:PASSWORD@host`), as they are written. One that is an expression,
/// or holds one, is none: it does not stand there.
std::vector<std::string> url_passwords(std::string_view text);

/// Makes the passwords of all URLs in `text` secret, raw and percent-decoded (RFC 3986, 2.1).
void make_url_passwords_known(Redactor& redactor, std::string_view text);

}  // namespace deployer
