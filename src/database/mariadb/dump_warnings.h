#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "database/dump.h"

namespace deployer::database {

/// Error `database` with the GRANT where the user may not see triggers: a dump would pass over them without a word.
/// (Events and routines that may not be seen are errors anyway.)
void refuse_blind_dump(Session& session, const Deadline& deadline);

/// Takes views that cannot be read (what they read is gone, or their definer) out of the schema: no text makes them
/// anew. Their names; a sentence for each into `unfaithful`.
std::vector<std::string> take_out_broken_views(Session& session, Schema& schema, const Deadline& deadline,
                                               std::vector<std::string>& unfaithful);

/// Where the rows that a table of this engine shows are.
enum class RowsOf { itself, other_tables, another_server };
RowsOf rows_of_engine(const std::string& engine);

/// How many rows the server believes there are.
std::uint64_t expected_rows(Session& session, const Schema& schema, const Deadline& deadline);

/// A statement that is longer than the server takes cannot be loaded.
void warn_of_long_rows(Session& session, const std::string& table, std::size_t longest, const Deadline& deadline,
                       std::vector<std::string>& unfaithful);

/// What of the tables is not of the snapshot's moment (`inconsistent`) or cannot be dumped (`unfaithful`).
void warn_of_tables(Session& session, Dumped& dumped, const Deadline& deadline);

}  // namespace deployer::database
