#include "database/mariadb/dump_definitions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "database/canonical.h"
#include "database/lexer.h"

namespace deployer::database {

namespace {

using DumpTokens = std::vector<Token>;

bool opens_version(const Token& token) {
  return token.kind == TokenKind::operator_sign && (token.text.starts_with("/*!") || token.text.starts_with("/*M!"));
}

bool closes_version(const Token& token) { return token.kind == TokenKind::operator_sign && token.text == "*/"; }

/// A statement without the version comments that stand around its parts; those inside its body stay.
std::string without_versions(const Statement& statement) {
  const DumpTokens& tokens = statement.tokens;
  std::vector<std::string> parts;
  std::size_t i = 0;
  while (i < tokens.size() && opens_version(tokens[i])) {
    const char* begin = tokens[i].text.data() + tokens[i].text.size();
    int depth = 1;
    for (++i; i < tokens.size(); ++i) {
      if (opens_version(tokens[i])) ++depth;
      if (closes_version(tokens[i]) && --depth == 0) break;
    }
    if (i == tokens.size()) throw Error(ErrorKind::failed, "mariadb-dump printed a comment that does not end");
    const char* end = tokens[i++].text.data();
    parts.emplace_back(trim({begin, static_cast<std::size_t>(end - begin)}));
  }
  if (i < tokens.size()) {
    const char* begin = tokens[i].text.data();
    parts.emplace_back(begin, static_cast<std::size_t>(statement.text.data() + statement.text.size() - begin));
  }
  return join(parts, " ");
}

/// Cuts one definition out of its text, which must live on.
class DefinitionText {
 public:
  explicit DefinitionText(std::string text) : text_(std::move(text)) {
    // With a delimiter that is nowhere in it, it is one statement whatever its body holds.
    tokens_ = tokens_of(text_, SqlDialect::mysql, "what mariadb-dump printed");
    find_object();
  }

  const std::string& kind() const { return kind_; }
  std::string name() const { return unquoted(tokens_.at(name_).text); }
  const std::string& text() const { return text_; }

  /// A trigger's text is as it was written, with the schema's name where that stood there.
  void drop_qualifiers() {
    // From behind, since what is behind a cut moves.
    for (std::size_t i = header_end("FOR"); i-- > kind_at_ + 1;) {
      if (is_sign(tokens_[i], ".")) cut(tokens_[i - 1].text, tokens_[i + 1].text);
    }
  }

  /// Switches an event off. What switches it on again; empty where it was off.
  std::string switch_off() {
    const std::size_t end = header_end("DO");
    for (std::size_t i = name_ + 1; i < end; ++i) {
      if (!tokens_[i].is("ENABLE")) continue;
      const std::string on = fmt::format("ALTER {}EVENT {} ENABLE", definer(), tokens_[name_].text);
      text_.replace(offset(tokens_[i].text), tokens_[i].text.size(), "DISABLE");
      return on;
    }
    return {};
  }

  /// Whether the server makes no such event once its time is over.
  bool passes_away() const {
    const std::size_t end = header_end("DO");
    bool ends = false;
    bool preserved = false;
    for (std::size_t i = name_ + 1; i < end; ++i) {
      ends = ends || tokens_[i].is("AT") || tokens_[i].is("ENDS");
      preserved = preserved || (tokens_[i].is("PRESERVE") && !tokens_[i - 1].is("NOT"));
    }
    return ends && !preserved;
  }

 private:
  void find_object() {
    constexpr std::array<std::string_view, 8> kinds = {"TABLE",    "VIEW",  "TRIGGER",  "PROCEDURE",
                                                       "FUNCTION", "EVENT", "SEQUENCE", "PACKAGE"};
    for (kind_at_ = 1; kind_at_ < tokens_.size(); ++kind_at_) {
      const Token& token = tokens_[kind_at_];
      const bool is_kind =
          std::any_of(kinds.begin(), kinds.end(), [&](std::string_view kind) { return token.is(kind); });
      if (is_kind) break;
    }
    name_ = kind_at_ + 1;
    if (kind_at_ < tokens_.size()) kind_ = lower_case(tokens_[kind_at_].text);
    if (kind_ == "package" && name_ < tokens_.size() && tokens_[name_].is("BODY")) {
      kind_ += " body";
      ++name_;
    }
    if (name_ + 2 < tokens_.size() && tokens_[name_].is("IF")) name_ += 3;  // IF NOT EXISTS
    if (name_ + 2 < tokens_.size() && is_sign(tokens_[name_ + 1], ".")) name_ += 2;
    if (name_ >= tokens_.size()) {
      throw Error(ErrorKind::failed, "mariadb-dump printed a definition without a name: " + text_.substr(0, 80));
    }
  }

  std::size_t header_end(std::string_view word) const {
    for (std::size_t i = kind_at_; i < tokens_.size(); ++i) {
      if (tokens_[i].is(word)) return i;
    }
    return tokens_.size();
  }

  /// `DEFINER=…` and a blank, or nothing.
  std::string definer() const {
    for (std::size_t i = 0; i + 1 < kind_at_; ++i) {
      if (!tokens_[i].is("DEFINER")) continue;
      const std::size_t begin = offset(tokens_[i].text);
      return std::string(trim(std::string_view(text_).substr(begin, offset(tokens_[kind_at_].text) - begin))) + " ";
    }
    return {};
  }

  std::size_t offset(std::string_view piece) const { return static_cast<std::size_t>(piece.data() - text_.data()); }

  /// Takes away what stands from one token to another.
  void cut(std::string_view from, std::string_view to) { text_.erase(offset(from), offset(to) - offset(from)); }

  std::string text_;
  DumpTokens tokens_;
  std::string kind_;
  std::size_t kind_at_ = 0;
  std::size_t name_ = 0;
};

/// The settings that the server keeps with an object.
bool is_kept_setting(const Token& name) {
  constexpr std::array<std::string_view, 4> kept = {"character_set_client", "collation_connection", "sql_mode",
                                                    "time_zone"};
  return std::any_of(kept.begin(), kept.end(), [&](std::string_view word) { return name.is(word); });
}

class DumpCutter {
 public:
  explicit DumpCutter(std::vector<std::string>& unfaithful) : unfaithful_(unfaithful) {}

  std::vector<MariaDbDefinition> cut(std::string_view dump) {
    const Script script = split_script(dump, SqlDialect::mysql, "mariadb-dump");
    if (!script.diagnostics.empty()) throw Error(ErrorKind::failed, script.diagnostics.front().text());
    for (const Statement& statement : script.statements) take(statement);
    return std::move(definitions_);
  }

 private:
  void take(const Statement& statement) {
    DumpTokens tokens;
    for (const Token& token : statement.tokens) {
      if (!opens_version(token) && !closes_version(token)) tokens.push_back(token);
    }
    if (tokens.empty() || tokens[0].is("DROP")) return;
    if (tokens[0].is("SET")) return take_setting(statement, tokens);
    if (tokens[0].is("CREATE")) return take_definition(statement);
    if (tokens[0].is("DO") && !definitions_.empty() && definitions_.back().kind == "sequence") {
      definitions_.back().after = std::string(statement.text);
      return;
    }
    if (tokens[0].is("ALTER") && tokens.size() > 1 && tokens[1].is("DATABASE")) {
      // Around each object that was made when the schema had another collation: there and back again.
      other_collation_ = !other_collation_;
      return;
    }
    throw Error(ErrorKind::failed,
                "mariadb-dump printed a statement that is no definition: " + std::string(statement.text.substr(0, 80)));
  }

  /// Settings that are put back (`= @saved_…`) or saved are those of the session that loads.
  void take_setting(const Statement& statement, const DumpTokens& tokens) {
    if (tokens.size() < 4 || !is_kept_setting(tokens[1])) return;
    const std::string name = lower_case(tokens[1].text);
    if (tokens[3].kind == TokenKind::variable) {
      settings_.erase(name);
    } else {
      settings_[name] = without_versions(statement);
    }
  }

  void take_definition(const Statement& statement) {
    DefinitionText text(without_versions(statement));
    MariaDbDefinition definition{text.kind(), text.name(), {}, {}, {}, {}};
    if (definition.kind == "trigger") text.drop_qualifiers();
    if (definition.kind == "event") {
      // The server looks at the session's clock when it makes an event, and makes none whose time is over.
      if (text.passes_away()) definition.settings.emplace_back("SET timestamp = 86400");
      definition.enable = text.switch_off();
    }
    definition.text = text.text();
    if (definition.kind != "table" && definition.kind != "sequence") {
      for (const auto& setting : settings_) definition.settings.push_back(setting.second);
    }
    if (other_collation_) {
      unfaithful_.push_back(
          fmt::format("{} {} was made when the schema had another collation, which a dump cannot hold", definition.kind,
                      definition.name));
    }
    if (definition.kind == "view") {
      std::erase_if(definitions_, [&](const MariaDbDefinition& other) {
        return other.kind == "view" && other.name == definition.name;
      });
    }
    definitions_.push_back(std::move(definition));
  }

  std::vector<std::string>& unfaithful_;
  std::vector<MariaDbDefinition> definitions_;
  std::map<std::string, std::string> settings_;
  bool other_collation_ = false;
};

/// The names that stand where tables do: behind FROM, JOIN, a comma or a bracket, and are no part of a longer name.
std::set<std::string> tables_read(const std::string& view) {
  std::set<std::string> names;
  const DumpTokens tokens = tokens_of(view, SqlDialect::mysql, "a view");
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].kind != TokenKind::quoted_name) continue;
    const Token& before = tokens[i - 1];
    const bool is_table = before.is("FROM") || before.is("JOIN") || is_sign(before, ",") || is_sign(before, "(");
    const bool is_whole = i + 1 == tokens.size() || !is_sign(tokens[i + 1], ".");
    if (is_table && is_whole) names.insert(unquoted(tokens[i].text));
  }
  return names;
}

}  // namespace

std::vector<MariaDbDefinition> cut_mariadb_dump(std::string_view dump, std::vector<std::string>& unfaithful) {
  return DumpCutter(unfaithful).cut(dump);
}

std::vector<MariaDbDefinition> views_in_order(std::vector<MariaDbDefinition> views) {
  std::map<std::string, MariaDbDefinition*> waiting;
  for (MariaDbDefinition& view : views) waiting[view.name] = &view;
  std::vector<MariaDbDefinition> ordered;
  const std::function<void(MariaDbDefinition&)> place = [&](MariaDbDefinition& view) {
    waiting.erase(view.name);
    for (const std::string& name : tables_read(view.text)) {
      if (const auto found = waiting.find(name); found != waiting.end()) place(*found->second);
    }
    ordered.push_back(std::move(view));
  };
  for (MariaDbDefinition& view : views) {
    if (waiting.contains(view.name)) place(view);
  }
  return ordered;
}

std::string as_script(const MariaDbDefinition& definition) {
  std::string text;
  for (const std::string& setting : definition.settings) text += setting + ";\n";
  const std::string& kind = definition.kind;
  if (kind == "table" || kind == "view" || kind == "sequence") return text + definition.text + ";\n";
  std::string delimiter = ";;";
  while (definition.text.find(delimiter) != std::string::npos) delimiter += ';';
  return text + fmt::format("DELIMITER {0}\n{1}\n{0}\nDELIMITER ;\n", delimiter, definition.text);
}

}  // namespace deployer::database
