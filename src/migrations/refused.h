#pragma once

#include <optional>
#include <string>

#include "database/lexer.h"

namespace deployer::migrations {

/// Why a revision may not hold a statement, and what to do instead.
struct Refusal {
  std::string what;
  std::string remedy;
};

/// Statements that would end the revision's transaction, leave its database, or take its promises away. The words of
/// one database are not those of another, so one list serves all. `in_transaction`: of `transaction: auto`.
std::optional<Refusal> refusal_of(const database::Statement& statement, bool in_transaction);

}  // namespace deployer::migrations
