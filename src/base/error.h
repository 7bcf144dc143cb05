#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "base/diagnostic.h"

namespace deployer {

/// Every kind of failure that deployer tells apart. What a kind means for a script stands in one table
/// (`error_kind_info`): its name in JSON, its exit status, its HTTP status.
enum class ErrorKind {
  usage,         ///< words of the command line that make no sense
  invalid,       ///< a document, settings or migration file that is wrong, found before anything was touched
  secret,        ///< a secret that cannot be read
  missing_tool,  ///< a program that an action itself needs is not there, found before the run has an id
  not_found,     ///< a run, backup, revision that does not exist
  locked,        ///< another run holds the lock
  unsettled,     ///< the target has a run that ended neither done nor undone
  confirmation,  ///< a confirmation was needed and not given
  negative,      ///< a check answered "no"
  failed,        ///< a step or command failed; nothing is left behind
  timed_out,     ///< a deadline passed
  cancelled,     ///< somebody asked to stop
  unavailable,   ///< a server does not answer
  database,      ///< a database refused a statement
  io,            ///< a file could not be read, written, synced or renamed
  no_space,      ///< a disk is full
  left_behind,   ///< something is left that a person must look at
  internal,      ///< a bug
};

struct ErrorKindInfo {
  ErrorKind kind;
  std::string_view name;  ///< as it stands in JSON (`"kind": "locked"`)
  int exit_status;        ///< docs/exit-statuses.md
  int http_status;        ///< RFC 9110
};

/// The line of THE table for `kind`; there is one for every kind.
const ErrorKindInfo& error_kind_info(ErrorKind kind);

/// What ends a step, a run or a command. Thrown by value, caught by const reference.
/// `message`: lower case, no final stop, says what happened to what. `hint`: what to do, or empty; printed on a line
/// of its own. `diagnostics`: places, where the cause is a text somebody wrote. `cause`: what it came from, or null.
/// It never holds a secret that the redactor does not know; whoever prints it passes it through the redactor.
struct Error : std::exception {
  Error(ErrorKind kind, std::string message, std::string hint = {});
  Error(ErrorKind kind, std::string message, Diagnostics diagnostics);

  /// The same error with what it came from behind it.
  Error caused_by(const Error& origin) &&;

  const char* what() const noexcept override { return message.c_str(); }

  /// `message`, then `: ` and the messages of the causes: one line.
  std::string summary() const;
  /// What a person reads: the diagnostics, or `error: summary`, then `hint: …`. Lines without a final line feed.
  std::string text() const;

  ErrorKind kind;
  std::string message;
  std::string hint;
  Diagnostics diagnostics;
  std::shared_ptr<const Error> cause;
};

/// An Error from the errno of a failed call on a file: kind `no_space` for ENOSPC, EDQUOT and EFBIG, `not_found` for
/// ENOENT where `missing_is_not_found`, else `io`. The message is `what: strerror(code)`.
Error io_error(int code, std::string_view what, bool missing_is_not_found = false);

}  // namespace deployer
