#include "backups/restore_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "backups/stored_pieces.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/load.h"
#include "database/load_aside.h"
#include "system/machine.h"

namespace deployer::backups {

namespace {

/// Loads tables and rows; the definitions are for the caller.
std::vector<database::DumpDefinition> load_rows(database::Session& session, StoredPieces& pieces,
                                                const database::LoadOptions& options, const Deadline& deadline,
                                                const Progress& progress) {
  database::LoadOptions reporting = options;
  reporting.progress = [&](std::uint64_t) {
    if (progress) progress("loading", pieces.bytes_read(), pieces.bytes_total());
  };
  return database::load_content(
      session, [&pieces] { return pieces.next(); }, reporting, deadline);
}

/// A dump that is no good is a backup that is no good; what the server itself cannot is its own error.
[[noreturn]] void translate(const Source& source, const Error& error) {
  if (error.kind != ErrorKind::invalid && error.kind != ErrorKind::database) throw;
  throw Error(ErrorKind::failed, fmt::format("cannot restore {}: {}", source.file.filename().string(), error.summary()),
              error.hint.empty() ? "take another backup; `deployer backup verify --all` looks at them" : error.hint);
}

void expect_good_content(const Source& source, const DatabaseContent& content, database::Session& session,
                         const Deadline& deadline) {
  const std::vector<std::string> problems =
      source.manifest ? compare(content, *source.manifest) : session.dialect().broken_foreign_keys(session, deadline);
  if (!problems.empty()) refuse_restore(source, problems);
}

/// The last part of an identity (database/url.h).
std::string schema_named_in(const std::string& identity) {
  const std::size_t slash = identity.rfind('/');
  return slash == std::string::npos ? std::string() : identity.substr(slash + 1);
}

void count_restored(Restored& restored, const DatabaseContent& content) {
  restored.compared = restored.source.manifest.has_value();
  restored.tables = content.tables.size();
  for (const auto& entry : content.tables) restored.rows += entry.second.rows;
}

}  // namespace

void refuse_restore(const Source& source, const std::vector<std::string>& problems) {
  throw Error(ErrorKind::failed,
              fmt::format("cannot restore {}: {}", source.file.filename().string(), problems.front()),
              "take another backup; `deployer backup verify --all` looks at them");
}

Restored restore_schema(database::Session& session, const Source& source, Format format, const Machine& machine,
                        const Deadline& deadline, const Progress& progress, const RestoreOptions& options) {
  Restored restored;
  restored.source = source;
  if (source.manifest) restored.revision = source.manifest->revision;
  const database::Dialect& dialect = session.dialect();
  database::AsideSchema aside(session);
  const std::unique_ptr<database::Session> beside = aside.prepare(deadline);
  try {
    StoredPieces pieces(source.file, format, machine.files, deadline);
    database::LoadOptions load;
    load.needs_end = source.manifest.has_value();
    if (source.manifest) load.schema = schema_named_in(source.manifest->database);
    if (load.schema.empty()) load.schema = session.url().name;
    database::AsideContent content;
    content.definitions = load_rows(*beside, pieces, load, deadline, progress);
    database::make_definitions(*beside, content.definitions, {.enable_events = false}, deadline);
    restored.bytes = pieces.content().bytes_raw;
    if (source.manifest) {
      if (const auto problems = compare(pieces.content(), *source.manifest); !problems.empty()) {
        refuse_restore(source, problems);
      }
    }
    const bool own_is_dumped = source.manifest && source.manifest->tables.contains(options.own_table);
    std::vector<std::string> ignore;
    if (!options.own_table.empty() && !own_is_dumped) ignore.push_back(options.own_table);
    content.wanted = database::with_events_enabled(dialect.introspect(*beside, deadline, ignore), content.definitions);
    const DatabaseContent found{content.wanted.fingerprint(), database::row_digests(*beside, content.wanted, deadline)};
    expect_good_content(source, found, *beside, deadline);
    count_restored(restored, found);
    content.only = options.tables;
    if (content.only.empty() && source.manifest && source.manifest->partial) {
      for (const database::Table& table : content.wanted.tables) content.only.push_back(table.name);
    }
    if (!options.own_table.empty()) {
      if (options.fill && !dialect.has_table(*beside, options.own_table, deadline)) options.fill(*beside);
      content.own_table = options.own_table;
    }
    const database::Swapped swapped = aside.swap(content, deadline);
    restored.held = swapped.held;
  } catch (const Error& error) {
    aside.discard();
    translate(source, error);
  } catch (...) {
    aside.discard();
    throw;
  }
  return restored;
}

LoadedSchema load_stored(database::Session& session, const Source& source, Format format, bool tolerant,
                         const Files& files, const Deadline& deadline, const Progress& progress) {
  LoadedSchema loaded;
  StoredPieces pieces(source.file, format, files, deadline);
  database::LoadOptions load;
  load.needs_end = source.manifest.has_value();
  if (source.manifest) load.schema = schema_named_in(source.manifest->database);
  const std::vector<database::DumpDefinition> definitions = load_rows(session, pieces, load, deadline, progress);
  database::DefineOptions define;
  define.enable_events = !tolerant;
  if (tolerant) {
    define.unchecked = &loaded.unchecked;
  }
  database::make_definitions(session, definitions, define, deadline);
  for (const database::DumpDefinition& definition : definitions) {
    const bool made = definition.part == database::DumpDefinition::Part::creation && definition.object != "VIEW";
    if (!tolerant || !made || definition.other_schemas.empty()) continue;
    std::string kind = definition.object;
    std::transform(kind.begin(), kind.end(), kind.begin(), [](char letter) {
      return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    });
    loaded.unchecked.push_back(
        fmt::format("{} {} needs schema {}", kind, definition.name, join(definition.other_schemas, ", ")));
  }
  loaded.stored = pieces.content();
  database::Schema schema = session.dialect().introspect(session, deadline);
  if (tolerant) schema = database::with_events_enabled(std::move(schema), definitions);
  loaded.content = {schema.fingerprint(), database::row_digests(session, schema, deadline)};
  return loaded;
}

Restored restore_into(database::Session& empty, const Source& source, const Machine& machine, const Deadline& deadline,
                      const Progress& progress) {
  const auto begin = Deadline::Clock::now();
  const std::optional<Format> format = format_of(source.file, empty.dialect().name());
  if (empty.dialect().server() == nullptr || !format) {
    throw Error(ErrorKind::invalid,
                fmt::format("{} can be loaded into no schema of {}", source.file.string(), empty.dialect().name()));
  }
  Restored restored;
  restored.source = source;
  if (source.manifest) restored.revision = source.manifest->revision;
  try {
    const LoadedSchema loaded = load_stored(empty, source, *format, false, machine.files, deadline, progress);
    restored.bytes = loaded.stored.bytes_raw;
    if (source.manifest) {
      if (const auto problems = compare(loaded.stored, *source.manifest); !problems.empty()) {
        refuse_restore(source, problems);
      }
    }
    expect_good_content(source, loaded.content, empty, deadline);
    count_restored(restored, loaded.content);
  } catch (const Error& error) {
    translate(source, error);
  }
  restored.took = std::chrono::duration_cast<Duration>(Deadline::Clock::now() - begin);
  return restored;
}

void settle_restore(database::Session& session, const Deadline& deadline) {
  database::AsideSchema(session).settle(false, deadline);
}

}  // namespace deployer::backups
