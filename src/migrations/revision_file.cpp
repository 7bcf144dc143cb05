#include "migrations/revision_file.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace deployer::migrations {

namespace {

using database::SqlDialect;

constexpr std::array<std::string_view, 7> header_keys = {"revision",   "revises",     "created", "branch-labels",
                                                         "depends-on", "transaction", "phase"};

struct Refused {
  std::string_view verb;
  std::string_view word;  ///< the second word, in lower case, or empty for any
  std::string_view remedy;
};
constexpr std::string_view own_transaction = "a revision is one transaction already; take it out";
constexpr std::array<Refused, 14> refused_statements = {{
    {"BEGIN", "", own_transaction},
    {"COMMIT", "", own_transaction},
    {"END", "", own_transaction},
    {"ROLLBACK", "", own_transaction},
    {"SAVEPOINT", "", own_transaction},
    {"RELEASE", "", own_transaction},
    {"START", "transaction", own_transaction},
    {"XA", "", own_transaction},
    {"ATTACH", "", "a revision changes the database it belongs to, and no other"},
    {"DETACH", "", "a revision changes the database it belongs to, and no other"},
    {"PRAGMA", "journal_mode", "it cannot be changed within a transaction; do it outside of migrations"},
    {"PRAGMA", "synchronous", "a revision must be on disk when it is committed"},
    {"PRAGMA", "writable_schema", "write ALTER and CREATE statements instead"},
    {"LOCK", "", "deployer holds the lock already"},
}};

std::string lower_case(std::string_view text) {
  std::string out;
  for (const char letter : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return out;
}

class FileParser {
 public:
  FileParser(std::string_view text, const std::string& file, SqlDialect dialect, Diagnostics& diagnostics)
      : text_(text), dialect_(dialect), diagnostics_(diagnostics) {
    revision_.file = file;
  }

  Revision parse() {
    if (const std::optional<std::size_t> wrong = invalid_utf8(text_)) {
      complain(
          1 + static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(*wrong), '\n')), 1,
          "the file is not UTF-8");
      return revision_;
    }
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    read_lines();
    if (revision_.id.empty()) {
      complain(1, 1, "the header has no revision", "its first line is written -- revision: ID");
    }
    if (!revision_.up) complain(1, 1, "the section '-- migrate:up' is missing");
    if (revision_.up) revision_.checksum_up = check_section(*revision_.up);
    if (revision_.down) revision_.checksum_down = check_section(*revision_.down);
    return revision_;
  }

 private:
  void complain(int line, int column, const std::string& message, const std::string& hint = {}) {
    diagnostics_.push_back({{revision_.file, line, column}, Level::error, "revision-file", message, hint, ""});
  }

  void read_lines() {
    std::size_t begin = 0;
    int number = 0;
    while (begin < text_.size()) {
      const std::size_t found = text_.find('\n', begin);
      const std::size_t end = found == std::string_view::npos ? text_.size() : found + 1;
      const std::string_view line = trim(text_.substr(begin, end - begin));
      ++number;
      if (line == "-- migrate:up") {
        open_section(revision_.up, number, "up");
      } else if (line == "-- migrate:down") {
        open_section(revision_.down, number, "down");
      } else if (open_ != nullptr) {
        (*open_)->text += text_.substr(begin, end - begin);
      } else {
        header_line(line, number);
      }
      begin = end;
    }
  }

  void open_section(std::optional<Section>& section, int line, const std::string& word) {
    if (section) complain(line, 1, "the section '-- migrate:" + word + "' stands twice");
    section = Section{"", line + 1};
    open_ = &section;
  }

  void header_line(std::string_view line, int number) {
    if (line.empty()) return;
    if (!line.starts_with("--")) {
      complain(number, 1, "something stands before '-- migrate:up'", "statements belong behind that line");
      return;
    }
    const std::string_view comment = trim(line.substr(2));
    const std::size_t colon = comment.find(':');
    const std::string key(trim(comment.substr(0, colon)));
    const bool known =
        colon != std::string_view::npos && std::find(header_keys.begin(), header_keys.end(), key) != header_keys.end();
    if (!known) {
      if (revision_.description.empty()) revision_.description = std::string(comment);
      return;
    }
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) {
      complain(number, 1, "'" + key + "' stands twice in the header");
    }
    seen_.push_back(key);
    take_key(key, std::string(trim(comment.substr(colon + 1))), number);
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
      if (value != "auto" && value != "none")
        complain(line, 1, "transaction must be auto or none, not '" + value + "'");
      revision_.in_transaction = value != "none";
    } else if (value == "contract") {
      complain(line, 1, "'phase: contract' is not in this version", "leave it out, and upgrade after the deployment");
    } else if (value != "expand") {
      complain(line, 1, "phase must be expand or contract, not '" + value + "'");
    }
  }

  std::vector<std::string> ids(const std::string& value, int line) {
    std::vector<std::string> found;
    for (const std::string& part : split(value, ',')) {
      const std::string id(trim(part));
      if (id.empty() && value.empty()) continue;
      check_id(id, line);
      found.push_back(id);
    }
    return found;
  }

  void check_id(const std::string& id, int line) {
    if (!is_revision_id(id)) complain(line, 1, "'" + id + "' is no id of a revision", "letters, digits, _ and -");
  }

  std::string check_section(const Section& section) {
    const database::Script script = statements_of(section, revision_.file, dialect_);
    diagnostics_.insert(diagnostics_.end(), script.diagnostics.begin(), script.diagnostics.end());
    for (const database::Statement& statement : script.statements) check_statement(statement);
    if (!revision_.in_transaction && script.statements.size() > 1) {
      const Location& at = script.statements[1].at;
      complain(at.line, at.column, "'transaction: none' allows one statement in a section",
               "make a revision of each: one that fails half-way could not be taken back");
    }
    return database::token_digest(section.text, dialect_);
  }

  void check_statement(const database::Statement& statement) {
    const std::string verb = database::classify(statement).verb;
    const std::string second = second_word(statement);
    for (const Refused& refused : refused_statements) {
      if (refused.verb != verb || (!refused.word.empty() && refused.word != second)) continue;
      if (verb == "BEGIN" && second == "not") continue;
      const std::string words = std::string(refused.verb) + (refused.word.empty() ? "" : " " + second);
      complain(statement.at.line, statement.at.column, words + " cannot stand in a migration",
               std::string(refused.remedy));
      return;
    }
    if (verb == "VACUUM" && revision_.in_transaction) {
      complain(statement.at.line, statement.at.column, "VACUUM cannot run in a transaction",
               "give it a revision of its own with -- transaction: none");
    }
  }

  /// Of `PRAGMA main.journal_mode = x` it is journal_mode.
  static std::string second_word(const database::Statement& statement) {
    const std::vector<database::Token>& tokens = statement.tokens;
    if (tokens.size() < 2) return {};
    const std::size_t at = tokens.size() > 3 && tokens[2].text == "." ? 3 : 1;
    return lower_case(tokens[at].text);
  }

  std::string_view text_;
  SqlDialect dialect_;
  Diagnostics& diagnostics_;
  Revision revision_;
  std::optional<Section>* open_ = nullptr;
  std::vector<std::string> seen_;
};

}  // namespace

bool is_revision_id(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char letter) {
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
