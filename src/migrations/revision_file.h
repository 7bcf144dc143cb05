#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "database/lexer.h"

namespace deployer::migrations {

/// One section of a revision file: its text behind the marker, and the line of the file at which it begins.
struct Section {
  std::string text;
  int first_line = 1;
};

/// A revision as its file has it. `up` and `down` are absent where the file has no such section: without a down section
/// the revision is irreversible, with an empty one there is nothing to undo.
struct Revision {
  std::string id;
  std::vector<std::string> down_revisions;  ///< its parents; several: a merge; none: a base
  std::vector<std::string> depends_on;
  std::vector<std::string> branch_labels;
  std::string description;
  std::string created;
  bool in_transaction = true;  ///< `transaction: auto`
  std::string file;
  std::optional<Section> up;
  std::optional<Section> down;
  std::string checksum_up;  ///< token_digest of the section; empty where there is none
  std::string checksum_down;
  std::map<std::string, int> header_lines;  ///< where each key of the header stands
};

/// Reads one file: header comments, `-- migrate:up`, `-- migrate:down`. Every mistake is a diagnostic at its place: a
/// wrong or missing header, a section twice or missing, SQL that cannot be cut into statements, statements that a
/// migration may not hold. Only the known keys are keys; the first other comment is the description, unless it is a
/// key misspelt (`-- Revises: 9a38`, `-- depends_on: 9a38`) or a section misspelt (`--migrate:down`): what is meant for
/// deployer is not passed over in silence.
Revision parse_revision(std::string_view text, const std::string& file, database::SqlDialect dialect,
                        Diagnostics& diagnostics);

/// The statements of a section, for the executor and `--sql`; of a text that was found good.
database::Script statements_of(const Section& section, const std::string& file, database::SqlDialect dialect);

/// True for an id as files and commands may have it: letters, digits, `_` and `-`, not `-` first (a flag), and none of
/// the words that name revisions (head, heads, base, current).
bool is_revision_id(std::string_view id);

}  // namespace deployer::migrations
