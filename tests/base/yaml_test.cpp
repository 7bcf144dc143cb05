#include "base/yaml.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace deployer {
namespace {

std::string complaints(std::string_view text, const YamlLimits& limits = {}) {
  std::string out;
  for (const Diagnostic& diagnostic : load_yaml(text, "p.yml", limits).diagnostics) out += diagnostic.text() + "\n";
  return out;
}

// The tree as one line: `@line:column` behind each value, plain texts bare.
std::string shown(const YamlNode& node) {
  std::string out;
  switch (node.kind) {
    case YamlNode::Kind::null:
      out = "null";
      break;
    case YamlNode::Kind::scalar:
      out = node.plain ? node.text : "\"" + node.text + "\"";
      break;
    case YamlNode::Kind::sequence:
      for (const YamlNode& item : node.items) out += (out.empty() ? "" : " ") + shown(item);
      out = "[" + out + "]";
      break;
    case YamlNode::Kind::mapping:
      for (const YamlNode::Entry& entry : node.entries) {
        out += (out.empty() ? "" : " ") + entry.key + ":" + shown(entry.value);
      }
      out = "{" + out + "}";
      break;
  }
  return out + "@" + std::to_string(node.at.line) + ":" + std::to_string(node.at.column);
}

std::string tree(std::string_view text) { return shown(load_yaml(text, "p.yml").root); }

TEST(Yaml, GivesEachValueItsPlaceAndWhetherItIsQuoted) {
  EXPECT_EQ(complaints("a: 1\nb: [x, \"y\", 'z']\nc:\n  d: |\n    two\n    lines\n"), "");
  EXPECT_EQ(tree("a: 1\nb: [x, \"y\", 'z']\nc:\n  d: |\n    two\n    lines\n"),
            "{a:1@1:4 b:[x@2:5 \"y\"@2:8 \"z\"@2:13]@2:4 c:{d:\"two\nlines\n\"@4:6}@4:3}@1:1");
}

TEST(Yaml, CountsColumnsInBytesBehindABomAndWithCrLf) {
  EXPECT_EQ(tree("\xEF\xBB\xBF"
                 "a: 1\r\nb: {\xC3\xA9: x, c: y}\r\n"),
            "{a:1@1:4 b:{\xC3\xA9:x@2:9 c:y@2:15}@2:4}@1:1");
}

TEST(Yaml, GivesAValueThatIsNotWrittenThePlaceOfItsKey) {
  EXPECT_EQ(tree("a:\nb: ~\nc: null\n"), "{a:null@1:1 b:null@2:4 c:null@3:4}@1:1");
}

TEST(Yaml, TakesAnEmptyDocumentAsNull) {
  EXPECT_EQ(complaints(""), "");
  EXPECT_EQ(tree("# nothing\n"), "null@1:1");
  EXPECT_EQ(tree("---\n"), "null@2:1");
}

TEST(Yaml, FindsAKeyInBothSpellings) {
  const YamlDocument document = load_yaml("continue-on-error: true\n", "p.yml");
  ASSERT_NE(document.root.find("continue_on_error"), nullptr);
  EXPECT_EQ(document.root.find("continue_on_error")->text, "true");
  EXPECT_EQ(document.root.find("continue"), nullptr);
}

TEST(Yaml, ExpandsAnAliasAtItsOwnPlace) {
  EXPECT_EQ(tree("a: &x {k: [1, 2]}\nb: *x\n"), "{a:{k:[1@1:12 2@1:15]@1:11}@1:4 b:{k:[1@2:4 2@2:4]@2:4}@2:4}@1:1");
  EXPECT_EQ(tree("a: &x\nb: *x\n"), "{a:null@1:1 b:null@2:4}@1:1");
}

TEST(Yaml, TellsEveryDuplicateKeyWithTheLineOfTheFirst) {
  EXPECT_EQ(complaints("a: 1\nx-y: 2\na: 3\nx_y: 4\na: 5\n"),
            "p.yml:3:1: error: duplicate key 'a'; it stands in line 1 already\n    a: 3\n    ^\n"
            "p.yml:4:1: error: duplicate key 'x_y'; 'x-y' stands in line 2 already\n    x_y: 4\n    ^\n"
            "p.yml:5:1: error: duplicate key 'a'; it stands in line 1 already\n    a: 5\n    ^\n");
  EXPECT_EQ(tree("a: 1\na: 2\n"), "{a:1@1:4}@1:1");
}

TEST(Yaml, RefusesASecondDocument) {
  EXPECT_EQ(complaints("---\na: 1\n---\nb: 2\n"),
            "p.yml:3:1: error: a second document begins here; a file holds one\n    ---\n    ^\n");
  EXPECT_EQ(complaints("---\na: 1\n...\n"), "");
}

TEST(Yaml, RefusesTagsMergeKeysAndKeysThatAreNoWords) {
  EXPECT_EQ(complaints("a: !!python/object x\nb: !env y\nc: !!map {}\n"),
            "p.yml:1:4: error: the tag '!!python/object' is not taken\n    a: !!python/object x\n       ^\n"
            "    hint: write the value alone\n"
            "p.yml:2:4: error: the tag '!env' is not taken\n    b: !env y\n       ^\n"
            "    hint: write the value alone\n"
            "p.yml:3:4: error: the tag '!!map' is not taken\n    c: !!map {}\n       ^\n"
            "    hint: write the value alone\n");
  EXPECT_EQ(complaints("a: &x {k: 1}\nb:\n  <<: *x\n"),
            "p.yml:3:3: error: merge keys ('<<') are not taken\n      <<: *x\n      ^\n"
            "    hint: write the keys out, or use an alias for the whole value\n");
  EXPECT_EQ(complaints("? [a, b]\n: 1\nnull: 2\n"),
            "p.yml:1:3: error: a key must be a word, not a list or mapping\n    ? [a, b]\n      ^\n"
            "p.yml:3:1: error: a key must be a word, not null\n    null: 2\n    ^\n"
            "    hint: quote it, if it is meant\n");
  EXPECT_EQ(complaints("a: &x k\n*x : 1\n"), "p.yml:2:1: error: an alias cannot be a key\n    *x : 1\n    ^\n");
}

TEST(Yaml, SaysHowAnExpressionIsWrittenWhereAnsiblesWasMeant) {
  EXPECT_EQ(complaints("a: {{ vars.x }}\n"),
            "p.yml:1:5: error: a key must be a word, not a list or mapping\n    a: {{ vars.x }}\n        ^\n"
            "    hint: an expression is written \"${{ … }}\", quoted\n");
  EXPECT_EQ(complaints("a: {b: ${{ vars.x }}}\n"),
            "p.yml:1:9: error: YAML syntax: end of map flow not found\n    a: {b: ${{ vars.x }}}\n            ^\n"
            "    hint: inside { } and [ ] an expression must be quoted: \"${{ … }}\"\n");
}

TEST(Yaml, RefusesAnUnknownAliasAndOneInsideItsOwnAnchor) {
  EXPECT_EQ(complaints("a: [*nope]\n"), "p.yml:1:5: error: unknown alias '*nope'\n    a: [*nope]\n        ^\n");
  EXPECT_EQ(complaints("a: &a [1, *a]\n"),
            "p.yml:1:11: error: the alias '*a' stands inside its own anchor\n    a: &a [1, *a]\n              ^\n");
}

TEST(Yaml, EndsTheListAtASyntaxError) {
  EXPECT_EQ(complaints("a: 1\na: 2\nb: c: d\n"),
            "p.yml:2:1: error: duplicate key 'a'; it stands in line 1 already\n    a: 2\n    ^\n"
            "p.yml:3:5: error: YAML syntax: illegal map value\n    b: c: d\n        ^\n"
            "    hint: a value that holds ': ' must be quoted\n");
  EXPECT_EQ(complaints("a: @b\n"),
            "p.yml:1:4: error: YAML syntax: unknown token\n    a: @b\n       ^\n"
            "    hint: a value that begins with '%', '@' or '`' must be quoted\n");
  EXPECT_EQ(complaints("steps:\n\t- a\n"),
            "p.yml:2:2: error: YAML syntax: illegal block entry\n    \t- a\n    \t^\n"
            "    hint: indent by blanks, not by tabs\n");
}

TEST(Yaml, RefusesAQuoteThatIsNeverClosed) {
  EXPECT_EQ(complaints("a: \"b\nc: d\n"),
            "p.yml:1:4: error: YAML syntax: the quote that opens here is never closed\n    a: \"b\n       ^\n");
  EXPECT_EQ(complaints("a: 'b''c\n"),
            "p.yml:1:4: error: YAML syntax: the quote that opens here is never closed\n    a: 'b''c\n       ^\n");
  EXPECT_EQ(complaints("a: 'it''s'\nb: \"a\\\"b\"\nc: &x 'z'\n"), "");
}

TEST(Yaml, RefusesWhatIsNotUtf8AndControlCharacters) {
  EXPECT_EQ(
      complaints("a: 1\nb: \xFFx\n"),
      "p.yml:2:4: error: byte 0xFF is not valid UTF-8\n    b: \xFFx\n       ^\n    hint: save the file as UTF-8\n");
  EXPECT_EQ(complaints(std::string_view("a: \0b\n", 6)).substr(0, 41), "p.yml:1:4: error: control character U+000");
  EXPECT_EQ(complaints("a: \x04\nb: \x1b[0m\n"),
            "p.yml:1:4: error: control character U+0004\n    a: \x04\n       ^\n"
            "p.yml:2:4: error: control character U+001B\n    b: \x1b[0m\n       ^\n");
  EXPECT_EQ(complaints("a: b\rc: d\n").substr(0, 42), "p.yml:1:5: error: control character U+000D");
  EXPECT_EQ(complaints("a: \xC2\x9B\n").substr(0, 42), "p.yml:1:4: error: control character U+009B");
}

TEST(Yaml, RefusesANulThatIsWrittenAsAnEscape) {
  EXPECT_EQ(complaints("a: \"b\\0c\"\n"),
            "p.yml:1:4: error: a text cannot hold a NUL: programs and files would see it cut off there\n"
            "    a: \"b\\0c\"\n       ^\n");
}

TEST(Yaml, SaysWhetherItReadToTheEnd) {
  EXPECT_TRUE(load_yaml("a: 1\na: 2\n", "p.yml").complete);
  EXPECT_TRUE(load_yaml("a: 1\n---\nb: 2\n", "p.yml").complete);
  EXPECT_FALSE(load_yaml("a: 1\nb: c: d\n", "p.yml").complete);
  EXPECT_FALSE(load_yaml("a: \xFF\n", "p.yml").complete);
  EXPECT_EQ(tree("a: 1\nb: [2, {c: 3, d: }, e]\nf: g: h\n").substr(0, 54),
            "{a:1@1:4 b:[2@2:5 {c:3@2:12 d:null@2:15}@2:8 e@2:21]@2");
}

TEST(Yaml, RefusesWhatIsOverItsLimits) {
  EXPECT_EQ(complaints(std::string(1024 * 1024 + 1, '#')),
            "p.yml: error: the file has 1048577 bytes; at most 1 MiB are read\n");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += '[';
  EXPECT_EQ(complaints(deep + std::string(65, ']')), "p.yml:1:65: error: nested more than 64 deep\n    " + deep +
                                                         std::string(65, ']') + "\n    " + std::string(64, ' ') +
                                                         "^\n");
  EXPECT_EQ(complaints(deep.substr(1) + std::string(64, ']')), "");
  EXPECT_EQ(
      complaints("a: [1, 2, 3]\nb: 4\n", {1024, 64, 7}),
      "p.yml:2:4: error: the document has more than 7 values when its aliases are expanded\n    b: 4\n       ^\n");
}

TEST(Yaml, CountsTheDepthOfAnAliasWhereItStands) {
  EXPECT_EQ(complaints("a: &x [[1]]\nb: [*x]\n", {1024, 4, 100}), "");
  EXPECT_EQ(complaints("a: &x [[1]]\nb: [*x]\n", {1024, 3, 100}),
            "p.yml:2:5: error: nested more than 3 deep\n    b: [*x]\n        ^\n");
}

TEST(Yaml, RefusesABombOfAliasesBeforeItGoesOff) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int k = 1; k < 10; ++k) bomb += ", " + below;
    bomb += "]\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  const YamlDocument document = load_yaml(bomb, "p.yml");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  ASSERT_EQ(document.diagnostics.size(), 1U);
  EXPECT_EQ(document.diagnostics[0].message, "the document has more than 100000 values when its aliases are expanded");
  EXPECT_EQ(document.diagnostics[0].at.line, 5);
}

TEST(Yaml, SurvivesHundredThousandBrackets) {
  const YamlDocument document = load_yaml(std::string(200'000, '['), "p.yml");
  ASSERT_FALSE(document.diagnostics.empty());
  EXPECT_EQ(document.diagnostics.back().message, "nested more than 64 deep");
}

TEST(Yaml, ReadsAMapOfThousandsOfKeysQuickly) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(load_yaml(text, "p.yml").root.entries.size(), 20'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(Yaml, CutsALongLineInAnExcerpt) {
  const std::string text = "a: 1\na: " + std::string(300, 'x') + "\n";
  const YamlDocument document = load_yaml(text, "p.yml");
  ASSERT_EQ(document.diagnostics.size(), 1U);
  EXPECT_EQ(document.diagnostics[0].excerpt, "a: " + std::string(157, 'x') + "…");
}

}  // namespace
}  // namespace deployer
