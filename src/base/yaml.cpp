#include "base/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <tuple>

#include "base/source_lines.h"
#include "base/text.h"
#include "base/yaml_builder.h"

namespace deployer {

namespace {

std::string folded_key(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

Diagnostic yaml_complaint(const Location& at, std::string rule, std::string message, std::string hint = {}) {
  return {at, Level::error, std::move(rule), std::move(message), std::move(hint), {}};
}

std::string size_words(std::size_t bytes) {
  constexpr std::size_t mebi = 1024 * 1024;
  return bytes % mebi == 0 ? fmt::format("{} MiB", bytes / mebi) : fmt::format("{} bytes", bytes);
}

Location place_of(std::string_view text, std::size_t offset, const std::string& file) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t last = before.rfind('\n');
  return {file, line, 1 + static_cast<int>(last == std::string_view::npos ? offset : offset - last - 1)};
}

// The control character that begins at `at`, or nothing (YAML 1.1, 5.1: only tab, line feed, carriage return and next
// line are printable). A carriage return that ends no line is refused too: readers differ in what line follows it.
std::optional<unsigned> control_character(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte == '\r') return at + 1 < text.size() && text[at + 1] == '\n' ? std::nullopt : std::optional<unsigned>(byte);
  if (byte == 0x7F || (byte < 0x20 && byte != '\t' && byte != '\n')) return byte;
  if (byte != 0xC2 || at + 1 >= text.size()) return std::nullopt;
  const auto next = static_cast<unsigned char>(text[at + 1]);
  return next < 0xA0 && next != 0x85 ? std::optional<unsigned>(next) : std::nullopt;
}

// What yaml-cpp would take, replace or stop at without a word.
Diagnostics complaints_about_bytes(std::string_view text, const std::string& file, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return {yaml_complaint(
        {file, 0, 0}, "yaml-limit",
        fmt::format("the file has {} bytes; at most {} are read", text.size(), size_words(limits.bytes)))};
  }
  if (const std::optional<std::size_t> bad = invalid_utf8(text)) {
    return {yaml_complaint(place_of(text, *bad, file), "yaml-encoding",
                           fmt::format("byte 0x{:02X} is not valid UTF-8", static_cast<unsigned char>(text[*bad])),
                           "save the file as UTF-8")};
  }
  Diagnostics found;
  int last_line = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::optional<unsigned> control = control_character(text, i);
    if (!control) continue;
    const Location at = place_of(text, i, file);
    if (at.line != last_line) {
      found.push_back(yaml_complaint(at, "yaml-encoding", fmt::format("control character U+{:04X}", *control)));
    }
    last_line = at.line;
  }
  return found;
}

// yaml-cpp's words are those of its scanner; the usual causes deserve an advice.
std::string syntax_hint(const std::string& words, std::string_view rest) {
  if (words.find("flow") != std::string::npos && (rest.substr(0, 1) == "{" || rest.substr(0, 1) == "$")) {
    return "inside { } and [ ] an expression must be quoted: \"${{ … }}\"";
  }
  if (words == YAML::ErrorMsg::MAP_VALUE) return "a value that holds ': ' must be quoted";
  if (words == YAML::ErrorMsg::UNKNOWN_TOKEN) return "a value that begins with '%', '@' or '`' must be quoted";
  if (words.find("tab") != std::string::npos || (words == YAML::ErrorMsg::BLOCK_ENTRY && rest.substr(0, 1) == "-")) {
    return "indent by blanks, not by tabs";
  }
  return {};
}

Diagnostic syntax_error(const YAML::Exception& wrong, const SourceLines& lines, const std::string& file) {
  const Location at{file, wrong.mark.line + 1, wrong.mark.column + 1};
  const std::string_view rest = lines.from(at.line, at.column);
  if (wrong.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR) {
    return yaml_complaint(at, "yaml-alias",
                          fmt::format("unknown alias '{}'", rest.substr(0, rest.find_first_of(" \t\r\n,]}"))));
  }
  return yaml_complaint(at, "yaml-syntax", "YAML syntax: " + wrong.msg, syntax_hint(wrong.msg, rest));
}

// Only asks whether there is another document, and where.
class FurtherDocument : public YAML::EventHandler {
 public:
  explicit FurtherDocument(std::string file) : file_(std::move(file)) {}
  void OnDocumentStart(const YAML::Mark& mark) override {
    throw yaml_complaint({file_, mark.line + 1, mark.column + 1}, "yaml-documents",
                         "a second document begins here; a file holds one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::string file_;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const std::string wanted = folded_key(key);
  for (const Entry& entry : entries) {
    if (folded_key(entry.key) == wanted) return &entry.value;
  }
  return nullptr;
}

YamlDocument load_yaml(std::string_view text, const std::string& file, const YamlLimits& limits) {
  YamlDocument document;
  document.root.at = {file, 1, 1};
  document.diagnostics = complaints_about_bytes(text, file, limits);
  const SourceLines lines(text);
  if (document.diagnostics.empty()) {
    YamlBuilder builder(lines, file, limits, document.diagnostics);
    std::istringstream in{std::string(text)};
    try {
      YAML::Parser parser(in);
      const bool has_document = parser.HandleNextDocument(builder);
      document.complete = true;
      if (has_document) {
        FurtherDocument further(file);
        parser.HandleNextDocument(further);
      }
    } catch (const YAML::Exception& wrong) {
      document.diagnostics.push_back(syntax_error(wrong, lines, file));
    } catch (const Diagnostic& end) {
      document.diagnostics.push_back(end);
    }
    document.root = builder.take();
  }
  sort_by_place(document.diagnostics);
  add_excerpts(document.diagnostics, text, file);
  return document;
}

void add_excerpts(Diagnostics& diagnostics, std::string_view text, const std::string& file) {
  const SourceLines lines(text);
  for (Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.at.file != file || diagnostic.at.line == 0 || !diagnostic.excerpt.empty()) continue;
    diagnostic.excerpt = lines.excerpt(diagnostic.at.line, diagnostic.at.column);
  }
}

void sort_by_place(Diagnostics& diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(a.at.line > 0, a.at.file, a.at.line, a.at.column) <
           std::tuple(b.at.line > 0, b.at.file, b.at.line, b.at.column);
  });
}

}  // namespace deployer
