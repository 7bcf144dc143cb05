#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace deployer {

namespace {

constexpr ErrorKindInfo kinds[] = {
    {ErrorKind::usage, "usage", 2, 400},
    {ErrorKind::invalid, "invalid", 2, 422},
    {ErrorKind::secret, "secret", 2, 422},
    {ErrorKind::missing_tool, "missing_tool", 2, 422},
    {ErrorKind::not_found, "not_found", 2, 404},
    {ErrorKind::locked, "locked", 4, 409},
    {ErrorKind::unsettled, "unsettled", 4, 409},
    {ErrorKind::confirmation, "confirmation", 5, 428},
    {ErrorKind::negative, "negative", 6, 200},
    {ErrorKind::failed, "failed", 1, 500},
    {ErrorKind::timed_out, "timed_out", 1, 504},
    {ErrorKind::cancelled, "cancelled", 1, 499},
    {ErrorKind::unavailable, "unavailable", 1, 503},
    {ErrorKind::database, "database", 1, 500},
    {ErrorKind::io, "io", 1, 500},
    {ErrorKind::no_space, "no_space", 1, 507},
    {ErrorKind::left_behind, "left_behind", 3, 500},
    {ErrorKind::internal, "internal", 70, 500},
};

}  // namespace

const ErrorKindInfo& error_kind_info(ErrorKind kind) {
  for (const ErrorKindInfo& info : kinds) {
    if (info.kind == kind) return info;
  }
  throw std::logic_error("an error kind without a line in the table");
}

Error::Error(ErrorKind error_kind, std::string error_message, std::string error_hint)
    : kind(error_kind), message(std::move(error_message)), hint(std::move(error_hint)) {}

Error::Error(ErrorKind error_kind, std::string error_message, Diagnostics places)
    : kind(error_kind), message(std::move(error_message)), diagnostics(std::move(places)) {}

Error Error::caused_by(const Error& origin) && {
  cause = std::make_shared<const Error>(origin);
  return std::move(*this);
}

std::string Error::summary() const {
  std::string line = message;
  for (const Error* error = cause.get(); error != nullptr; error = error->cause.get()) {
    line += ": " + error->message;
  }
  return line;
}

std::string Error::text() const {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) {
    out += diagnostic.text() + "\n";
  }
  if (diagnostics.empty() || !has_errors(diagnostics)) out += "error: " + summary() + "\n";
  std::string advice = hint;
  for (const Error* error = cause.get(); advice.empty() && error != nullptr; error = error->cause.get()) {
    advice = error->hint;
  }
  if (!advice.empty()) out += "hint: " + advice + "\n";
  out.pop_back();
  return out;
}

Error io_error(int code, std::string_view what, bool missing_is_not_found) {
  ErrorKind kind = ErrorKind::io;
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) kind = ErrorKind::no_space;
  if (code == ENOENT && missing_is_not_found) kind = ErrorKind::not_found;
  return Error(kind, std::string(what) + ": " + std::strerror(code));
}

}  // namespace deployer
