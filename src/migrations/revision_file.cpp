#include "migrations/revision_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.h"
#include "database/sql_scanner.h"
#include "migrations/refused.h"

namespace deployer::migrations {

namespace {

using database::SqlDialect;

const std::vector<std::string> header_keys = {"revision",   "revises",     "created", "branch-labels",
                                              "depends-on", "transaction", "phase"};

std::string folded_key(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    out += letter == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return out;
}

bool are_ids(const std::string& value) {
  const std::vector<std::string> parts = split(value, ',');
  return std::all_of(parts.begin(), parts.end(), [](const std::string& part) { return is_revision_id(trim(part)); });
}

/// Whether `value` is what the key takes: a description has other words.
bool fits_key(const std::string& key, const std::string& value) {
  if (key == "transaction") return value == "auto" || value == "none";
  if (key == "phase") return value == "expand" || value == "contract";
  if (key == "created") return !value.empty() && std::isdigit(static_cast<unsigned char>(value[0])) != 0;
  return are_ids(value);
}

/// The key that `word: value` was probably meant to have, or nothing where it is a description.
std::optional<std::string> meant_key(const std::string& word, const std::string& value) {
  if (std::find(header_keys.begin(), header_keys.end(), folded_key(word)) != header_keys.end()) return folded_key(word);
  std::optional<std::string> meant = did_you_mean(word, header_keys);
  if (meant && !fits_key(*meant, value)) meant.reset();
  return meant;
}

enum class Marker { none, up, down, like_up, like_down };

/// `-- migrate:up` and `-- migrate:down` begin sections; what only looks like them (`--migrate:down`, `-- Migrate:
/// Down`,
/// `-- +goose Down`, `-- migrate:down transaction:false`) would silently leave the way back in the way forward.
Marker marker_of(std::string_view comment) {
  if (comment == "-- migrate:up") return Marker::up;
  if (comment == "-- migrate:down") return Marker::down;
  std::string rest = folded_key(trim(comment.substr(std::min(comment.size(), comment.find_first_not_of('-')))));
  const bool plus = rest.starts_with('+');
  if (plus) rest.erase(0, 1);
  const std::size_t tool = rest.starts_with("migrate") ? 7 : rest.starts_with("goose") ? 5 : 0;
  if (tool == 0) return Marker::none;
  const std::size_t word = rest.find_first_not_of(" \t:", tool);
  if (word == std::string::npos || word == tool) return Marker::none;
  const bool colon = rest.substr(tool, word - tool).find(':') != std::string::npos;
  const std::string direction = rest.substr(word, rest.find_first_of(" \t:", word) - word);
  if (!plus && (!colon || rest.starts_with("goose"))) return Marker::none;
  return direction == "up" ? Marker::like_up : direction == "down" ? Marker::like_down : Marker::none;
}

class FileParser {
 public:
  FileParser(std::string_view text, const std::string& file, SqlDialect dialect, Diagnostics& diagnostics)
      : text_(text), dialect_(dialect), diagnostics_(diagnostics) {
    revision_.file = file;
  }

  Revision parse() {
    if (!is_readable()) return revision_;
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    read_header();
    read_sections();
    if (revision_.id.empty() && revision_.header_lines.count("revision") == 0) {
      complain(1, "the header has no revision", "its first line is written -- revision: ID");
    }
    if (!revision_.up) complain(1, "the section '-- migrate:up' is missing");
    if (revision_.up) revision_.checksum_up = check_section(*revision_.up, true);
    if (revision_.down) revision_.checksum_down = check_section(*revision_.down, false);
    return revision_;
  }

 private:
  void complain(int line, const std::string& message, const std::string& hint = {}) {
    complain_at({revision_.file, line, 1}, message, hint);
  }

  void complain_at(const Location& at, const std::string& message, const std::string& hint = {}) {
    diagnostics_.push_back({at, Level::error, "revision-file", message, hint, ""});
  }

  bool is_readable() {
    const std::optional<std::size_t> wrong = invalid_utf8(text_);
    const std::size_t nul = text_.find('\0');
    if (!wrong && nul == std::string_view::npos) return true;
    const std::size_t at = std::min(wrong.value_or(text_.size()), nul);
    const std::string_view before = text_.substr(0, at);
    const auto line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
    const std::size_t begin = before.rfind('\n') + 1;
    complain_at({revision_.file, line, static_cast<int>(at - begin) + 1},
                at == nul ? "the file holds a NUL byte" : "the file is not UTF-8");
    return false;
  }

  /// The lines before the first section.
  void read_header() {
    while (at_ < text_.size()) {
      const std::size_t found = text_.find('\n', at_);
      const std::size_t end = found == std::string_view::npos ? text_.size() : found + 1;
      const std::string_view line = trim(text_.substr(at_, end - at_));
      if (marker_of(line) != Marker::none) return;
      header_line(line, line_);
      at_ = end;
      ++line_;
    }
  }

  /// Markers are comments that stand alone on their line: in a string or a longer comment they are none.
  void read_sections() {
    const std::string_view rest = text_.substr(at_);
    database::SqlScanner scanner(rest, dialect_, line_);
    std::size_t begin = 0;
    std::optional<Section>* open = nullptr;
    const auto close = [&](std::size_t end) {
      if (open != nullptr) (*open)->text = std::string(rest.substr(begin, end - begin));
    };
    for (;;) {
      const bool first_on_line = scanner.at_line_start();
      const std::size_t offset = scanner.offset();
      const std::optional<database::Token> token = scanner.next();
      if (!token) break;
      if (token->kind != database::TokenKind::comment || !first_on_line) continue;
      const Marker marker = marker_of(trim(token->text));
      if (marker == Marker::none) continue;
      close(rest.rfind('\n', offset) == std::string_view::npos ? 0 : rest.rfind('\n', offset) + 1);
      open = marker == Marker::up || marker == Marker::like_up ? &revision_.up : &revision_.down;
      const std::string line(trim(token->text));
      if (marker == Marker::like_up || marker == Marker::like_down) {
        complain(token->line, "'" + line + "' begins no section",
                 "sections are written -- migrate:up and -- migrate:down");
      }
      if (*open) complain(token->line, "the section '" + line + "' stands twice");
      *open = Section{"", token->line + 1};
      begin = std::min(rest.size(), offset + token->text.size() + 1);
    }
    close(rest.size());
  }

  void header_line(std::string_view line, int number) {
    if (line.empty()) return;
    if (!line.starts_with("--")) {
      if (!std::exchange(has_stray_, true)) {
        complain(number, "something stands before '-- migrate:up'", "statements belong behind that line");
      }
      return;
    }
    const std::string_view comment = trim(line.substr(2));
    const std::size_t colon = comment.find(':');
    if (colon == std::string_view::npos) {
      describe(comment);
      return;
    }
    const std::string key(trim(comment.substr(0, colon)));
    const std::string value(trim(comment.substr(colon + 1)));
    if (std::find(header_keys.begin(), header_keys.end(), key) != header_keys.end()) {
      const bool is_new = revision_.header_lines.emplace(key, number).second;
      if (!is_new) complain(number, "'" + key + "' stands twice in the header");
      take_key(key, value, number);
    } else if (const std::optional<std::string> meant = meant_key(key, value)) {
      complain(number, "'" + key + "' is no key of the header", "did you mean '" + *meant + "'?");
    } else {
      describe(comment);
    }
  }

  void describe(std::string_view comment) {
    if (revision_.description.empty()) revision_.description = std::string(comment);
  }

  void take_key(const std::string& key, const std::string& value, int line) {
    if (key == "revision") {
      revision_.id = value;
      check_id(value, line);
    } else if (key == "revises") {
      revision_.down_revisions = ids(value, line);
    } else if (key == "depends-on") {
      revision_.depends_on = ids(value, line);
    } else if (key == "branch-labels") {
      revision_.branch_labels = ids(value, line);
    } else if (key == "created") {
      revision_.created = value;
    } else if (key == "transaction") {
      if (!fits_key(key, value)) complain(line, "transaction must be auto or none, not '" + value + "'");
      revision_.in_transaction = value != "none";
    } else if (value == "contract") {
      complain(line, "'phase: contract' is not in this version", "leave it out, and upgrade after the deployment");
    } else if (!fits_key(key, value)) {
      complain(line, "phase must be expand or contract, not '" + value + "'");
    }
  }

  std::vector<std::string> ids(const std::string& value, int line) {
    std::vector<std::string> found;
    if (value.empty()) return found;
    for (const std::string& part : split(value, ',')) {
      const std::string id(trim(part));
      check_id(id, line);
      if (std::find(found.begin(), found.end(), id) != found.end()) complain(line, "'" + id + "' stands twice");
      found.push_back(id);
    }
    return found;
  }

  void check_id(const std::string& id, int line) {
    if (is_revision_id(id)) return;
    complain(line, "'" + id + "' is no id of a revision",
             "letters, digits, _ and - (not first), and not head, heads, base or current");
  }

  std::string check_section(const Section& section, bool up) {
    const database::Script script = statements_of(section, revision_.file, dialect_);
    diagnostics_.insert(diagnostics_.end(), script.diagnostics.begin(), script.diagnostics.end());
    for (const database::Statement& statement : script.statements) {
      if (const std::optional<Refusal> refusal = refusal_of(statement, revision_.in_transaction)) {
        complain_at(statement.at, refusal->what + " cannot stand in a migration", refusal->remedy);
      }
    }
    if (!revision_.in_transaction) check_alone(script, section, up);
    return database::token_digest(section.text, dialect_);
  }

  void check_alone(const database::Script& script, const Section& section, bool up) {
    if (script.statements.size() > 1) {
      complain_at(script.statements[1].at, "'transaction: none' allows one statement in a section",
                  "make a revision of each: one that fails half-way could not be taken back");
    } else if (script.statements.empty() && up) {
      complain(section.first_line - 1, "'transaction: none' is for one statement, and there is none");
    }
  }

  std::string_view text_;
  SqlDialect dialect_;
  Diagnostics& diagnostics_;
  Revision revision_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool has_stray_ = false;
};

}  // namespace

bool is_revision_id(std::string_view id) {
  constexpr std::array<std::string_view, 4> words = {"head", "heads", "base", "current"};
  if (id.empty() || id.front() == '-' || std::find(words.begin(), words.end(), id) != words.end()) return false;
  return std::all_of(id.begin(), id.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '-';
  });
}

Revision parse_revision(std::string_view text, const std::string& file, SqlDialect dialect, Diagnostics& diagnostics) {
  return FileParser(text, file, dialect, diagnostics).parse();
}

database::Script statements_of(const Section& section, const std::string& file, SqlDialect dialect) {
  return database::split_script(section.text, dialect, file, section.first_line);
}

}  // namespace deployer::migrations
