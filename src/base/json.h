#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace deployer {

/// JSON as it stands in the journal, on stdout and in manifests. Keys keep the order in which they were written.
using Json = nlohmann::ordered_json;

/// One line of JSON, whatever bytes the strings hold: what is not UTF-8 becomes U+FFFD (RFC 8259, 8.1).
std::string dump(const Json& json);
/// The same over several lines, indented by two.
std::string dump_pretty(const Json& json);

/// The document in `text`, or an Error `invalid` that names `what` and the place.
Result<Json> parse_json(std::string_view text, std::string_view what);

struct Error;
/// `{"kind", "message", "hint", "diagnostics": [{"file", "line", "column", "level", "rule", "message", "hint"}]}`
Json to_json(const Error& error);
Json to_json(const Diagnostic& diagnostic);

}  // namespace deployer
