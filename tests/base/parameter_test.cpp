#include "base/parameter.h"

#include <gtest/gtest.h>

#include <string>

namespace deployer {
namespace {

using Type = ParameterType;

Parameter parameter(std::string name, Type type) {
  Parameter out;
  out.name = std::move(name);
  out.type = type;
  return out;
}

Parameter required(Parameter from) {
  from.required = true;
  return from;
}

Parameter with_default(Parameter from, Json fallback) {
  from.fallback = std::move(fallback);
  return from;
}

struct ParametersRead {
  Json json;
  std::string complaints;
};

ParametersRead read_all(std::string_view text, const std::vector<Parameter>& parameters,
                        const Evaluate& evaluate = nullptr,
                        const std::vector<std::pair<std::string, std::string>>& foreign = {}) {
  YamlDocument document = load_yaml(text, "p.yml");
  Diagnostics found = document.diagnostics;
  ParametersRead out;
  out.json = read_parameters(document.root, parameters, "step", found, evaluate, foreign);
  for (const Diagnostic& diagnostic : found) out.complaints += diagnostic.text() + "\n";
  return out;
}

TEST(Parameters, BecomeJsonByTheirTypes) {
  Parameter retry = parameter("retry", Type::section);
  retry.members = {parameter("attempts", Type::integer), parameter("delay", Type::duration)};
  Parameter targets = parameter("targets", Type::sections);
  targets.members = {parameter("url", Type::text)};
  Parameter level = parameter("level", Type::choice);
  level.choices = {"low", "high"};
  const ParametersRead read = read_all(
      "text: 5\npath: a/b\nlevel: high\ninteger: -3\nboolean: true\nduration: 2m\nsize: 1KiB\nlist: [a, 1]\n"
      "map: {A: 1, B: \"\"}\nshell: echo hi\nargv: [echo, hi]\nretry: {attempts: 3, delay: 1s}\n"
      "targets: [{url: x}, {url: y}]\nany: {a: [1, 1.5, true, null, \"1\", x, ~]}\n",
      {parameter("text", Type::text), parameter("path", Type::path), level, parameter("integer", Type::integer),
       parameter("boolean", Type::boolean), parameter("duration", Type::duration), parameter("size", Type::size),
       parameter("list", Type::list), parameter("map", Type::map), parameter("shell", Type::command),
       parameter("argv", Type::command), retry, targets, parameter("any", Type::any)});
  EXPECT_EQ(read.complaints, "");
  EXPECT_EQ(read.json.dump(),
            R"({"text":"5","path":"a/b","level":"high","integer":-3,"boolean":true,"duration":120000,"size":1024,)"
            R"("list":["a","1"],"map":{"A":"1","B":""},"shell":"echo hi","argv":["echo","hi"],)"
            R"("retry":{"attempts":3,"delay":1000},"targets":[{"url":"x"},{"url":"y"}],)"
            R"("any":{"a":[1,1.5,true,null,"1","x",null]}})");
}

TEST(Parameters, FillInDefaultsAndTellWhatIsMissing) {
  const ParametersRead read = read_all("x: 1\n", {parameter("x", Type::text), required(parameter("url", Type::text)),
                                                  with_default(parameter("n", Type::integer), 7)});
  EXPECT_EQ(read.json.dump(), R"({"x":"1","n":7})");
  EXPECT_EQ(read.complaints, "p.yml:1:1: error: the key 'url' is missing in step\n");
}

TEST(Parameters, TakeNothingAtAllAsAnEmptyMapping) {
  const ParametersRead read = read_all("", {with_default(parameter("n", Type::integer), 7)});
  EXPECT_EQ(read.json.dump(), R"({"n":7})");
  EXPECT_EQ(read.complaints, "");
}

TEST(Parameters, RefuseWhatIsNoMapping) {
  EXPECT_EQ(read_all("[a]\n", {}).complaints, "p.yml:1:1: error: step must be a mapping, not a list\n");
  EXPECT_EQ(read_all("a\n", {}).complaints, "p.yml:1:1: error: step must be a mapping, not 'a'\n");
}

TEST(Parameters, SuggestTheKeyThatWasMeant) {
  EXPECT_EQ(read_all("timout: 5m\nzzz: 1\n", {parameter("timeout", Type::duration)}).complaints,
            "p.yml:1:1: error: unknown key 'timout' in step\n    hint: did you mean 'timeout'?\n"
            "p.yml:2:1: error: unknown key 'zzz' in step\n");
}

TEST(Parameters, KnowTheWordsOfOtherTools) {
  EXPECT_EQ(read_all("timeout-minutes: 5\nbecome: true\n", {parameter("timeout", Type::duration)}, nullptr,
                     {{"timeout-minutes: 5", "timeout: 5m"}, {"become", " run deployer as that user"}})
                .complaints,
            "p.yml:1:1: error: unknown key 'timeout-minutes' in step\n"
            "    hint: `timeout-minutes: 5` is written `timeout: 5m`\n"
            "p.yml:2:1: error: unknown key 'become' in step\n    hint: run deployer as that user\n");
}

TEST(Parameters, TakeDashAndUnderscoreForOneLetter) {
  EXPECT_EQ(read_all("lock-wait: 1s\n", {parameter("lock_wait", Type::duration)}).json.dump(), R"({"lock_wait":1000})");
}

TEST(Parameters, RefuseWrongTypesAtTheirPlaces) {
  Parameter level = parameter("level", Type::choice);
  level.choices = {"none", "checksum", "drill"};
  EXPECT_EQ(read_all("text: [a]\npath: ''\nlevel: checksun\ninteger: 010\nquoted: \"5\"\nboolean: yes\n"
                     "duration: 30\nsize: 2 GiB\nlist: a\nmap: [a]\nsection: a\nempty:\n",
                     {parameter("text", Type::text), parameter("path", Type::path), level,
                      parameter("integer", Type::integer), parameter("quoted", Type::integer),
                      parameter("boolean", Type::boolean), parameter("duration", Type::duration),
                      parameter("size", Type::size), parameter("list", Type::list), parameter("map", Type::map),
                      parameter("section", Type::section), parameter("empty", Type::text)})
                .complaints,
            "p.yml:1:7: error: 'text' must be a text, not a list\n"
            "p.yml:2:7: error: 'path' must be a path, not an empty text\n"
            "p.yml:3:8: error: 'level' must be none, checksum or drill, not 'checksun'\n"
            "    hint: did you mean 'checksum'?\n"
            "p.yml:4:10: error: 'integer' must be a whole number, not '010'\n"
            "p.yml:5:9: error: 'quoted' must be a whole number, not '5'\n    hint: write it without quotes\n"
            "p.yml:6:10: error: 'boolean' must be true or false, not 'yes'\n"
            "p.yml:7:11: error: 'duration' must be a duration, not '30'\n"
            "    hint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d\n"
            "p.yml:8:7: error: 'size' must be a size, not '2 GiB'\n"
            "    hint: a number and a unit, as in 512KiB, 10MiB or 2GiB\n"
            "p.yml:9:7: error: 'list' must be a list, not 'a'\n"
            "p.yml:10:6: error: 'map' must be a mapping, not a list\n"
            "p.yml:11:10: error: 'section' must be a mapping, not 'a'\n"
            "p.yml:12:1: error: 'empty' has no value\n");
}

TEST(Parameters, RefuseWhatIsWrongInsideListsMapsAndSections) {
  Parameter retry = parameter("retry", Type::section);
  retry.members = {parameter("attempts", Type::integer)};
  Parameter targets = parameter("targets", Type::sections);
  targets.members = {parameter("url", Type::text)};
  EXPECT_EQ(read_all("list: [a, [b]]\nmap: {A: , B: {}}\nretry: {attemps: 1}\ntargets: [x, {uri: y}]\n",
                     {parameter("list", Type::list), parameter("map", Type::map), retry, targets})
                .complaints,
            "p.yml:1:11: error: each value of 'list' must be a text, not a list\n"
            "p.yml:2:7: error: 'A' of 'map' must be a text, not nothing; an empty text is written \"\"\n"
            "p.yml:2:15: error: 'B' of 'map' must be a text, not a mapping\n"
            "p.yml:3:9: error: unknown key 'attemps' in 'retry'\n    hint: did you mean 'attempts'?\n"
            "p.yml:4:11: error: each value of 'targets' must be a mapping, not 'x'\n"
            "p.yml:4:15: error: unknown key 'uri' in 'targets'\n    hint: did you mean 'url'?\n");
}

TEST(Parameters, TakeALoneTextAsAListOfOneWhereThatIsSaid) {
  Parameter http = parameter("http", Type::list);
  http.repeated_or_single = true;
  EXPECT_EQ(read_all("http: x\n", {http}).json.dump(), R"({"http":["x"]})");
  EXPECT_EQ(read_all("http: [x, y]\n", {http}).json.dump(), R"({"http":["x","y"]})");
}

TEST(Parameters, AreRefusedByTheCheckOfTheirDomain) {
  Parameter url = parameter("url", Type::text);
  url.check = [](const Json& value) -> std::optional<std::string> {
    if (value.get<std::string>().rfind("http://", 0) == 0) return std::nullopt;
    return "'" + value.get<std::string>() + "' is no URL";
  };
  const ParametersRead read = read_all("url: ftp\n", {url});
  EXPECT_EQ(read.complaints, "p.yml:1:6: error: 'url': 'ftp' is no URL\n");
  EXPECT_EQ(read.json.dump(), "{}");
  EXPECT_EQ(parse_parameter(url, "ftp", "--url").error().message, "--url: 'ftp' is no URL");
}

std::optional<std::string> evaluate_to_five(const YamlNode& /*node*/, Diagnostics& /*diagnostics*/) { return "5"; }
std::optional<std::string> evaluate_to_nothing(const YamlNode& /*node*/, Diagnostics& /*diagnostics*/) {
  return std::nullopt;
}

TEST(Parameters, AreEvaluatedBeforeTheyAreChecked) {
  const std::vector<Parameter> parameters = {parameter("n", Type::integer), parameter("list", Type::list),
                                             parameter("argv", Type::command), parameter("any", Type::any)};
  const std::string text = "n: \"${{ vars.n }}\"\nlist: [\"${{ x }}\", y]\nargv: [echo, \"${{ x }}\"]\nany: ${{ x }}\n";
  const ParametersRead read = read_all(text, parameters, evaluate_to_five);
  EXPECT_EQ(read.complaints, "");
  EXPECT_EQ(read.json.dump(), R"({"n":5,"list":["5","y"],"argv":["echo","5"],"any":5})");
}

TEST(Parameters, AreLeftOutWhereTheirValueIsNotKnown) {
  const ParametersRead read =
      read_all("n: \"${{ secrets.n }}\"\nlist: [\"${{ secrets.n }}\"]\n",
               {required(parameter("n", Type::integer)), parameter("list", Type::list)}, evaluate_to_nothing);
  EXPECT_EQ(read.complaints, "");
  EXPECT_EQ(read.json.dump(), "{}");
}

TEST(Parameters, RefuseAnExpressionWhereNothingEvaluates) {
  EXPECT_EQ(read_all("n: ${{ vars.n }}\n", {parameter("n", Type::text)}).complaints,
            "p.yml:1:4: error: an expression cannot stand here\n");
}

TEST(Parameters, CodeTakesNoExpressionButWhatStandsBesideItDoes) {
  Parameter statement = parameter("statement", Type::list);
  statement.repeated_or_single = true;
  statement.code_hint = "bind it";
  const std::string refusal =
      "error: an expression cannot stand in 'statement': its value would become code\n    hint: bind it\n";
  EXPECT_EQ(read_all("statement: DELETE FROM t WHERE id = ${{ vars.id }}\n", {statement}, evaluate_to_five).complaints,
            "p.yml:1:12: " + refusal);
  EXPECT_EQ(read_all("statement: [SELECT 1, 'SELECT ${{ vars.id }}']\n", {statement}, evaluate_to_five).complaints,
            "p.yml:1:23: " + refusal);
  EXPECT_EQ(read_all("{statement: SELECT 1, id: '${{ vars.id }}'}\n", {statement, parameter("id", Type::text)},
                     evaluate_to_five)
                .json.dump(),
            R"({"statement":["SELECT 1"],"id":"5"})");
}

TEST(Parameters, NeverLetAValueBecomeCode) {
  const std::string hint = "    hint: give it to the command by `env:` and write \"$NAME\"\n";
  const std::string refusal = "error: an expression cannot stand in a command: its value would become code\n" + hint;
  EXPECT_EQ(read_all("run: echo ${{ vars.x }}\n", {parameter("run", Type::command)}, evaluate_to_five).complaints,
            "p.yml:1:6: " + refusal);
  EXPECT_EQ(
      read_all("run: [/bin/bash, -ec, \"echo ${{ vars.x }}\"]\n", {parameter("run", Type::command)}, evaluate_to_five)
          .complaints,
      "p.yml:1:23: " + refusal);
  EXPECT_EQ(read_all("run: [sh, -c, 'echo \"$1\"', _, \"${{ vars.x }}\"]\n", {parameter("run", Type::command)},
                     evaluate_to_five)
                .complaints,
            "");
}

TEST(Parameters, RefuseAnEmptyCommand) {
  for (const std::string empty : {"''", "'  '", "[]", "['']"}) {
    EXPECT_EQ(read_all("run: " + empty + "\n", {parameter("run", Type::command)}).complaints,
              "p.yml:1:6: error: 'run' is an empty command\n");
  }
}

std::string from_text(Type type, std::string_view text) {
  const Result<Json> value = parse_parameter(parameter("x", type), text, "--x");
  return value ? value->dump() : value.error().text();
}

TEST(Parameters, AreReadFromTheTextOfAFlag) {
  EXPECT_EQ(from_text(Type::text, "a"), R"("a")");
  EXPECT_EQ(from_text(Type::integer, "12"), "12");
  EXPECT_EQ(from_text(Type::boolean, "false"), "false");
  EXPECT_EQ(from_text(Type::duration, "0s"), "0");
  EXPECT_EQ(from_text(Type::size, "2GiB"), "2147483648");
  EXPECT_EQ(from_text(Type::list, "a, b"), R"(["a","b"])");
  EXPECT_EQ(from_text(Type::list, ""), "[]");
  EXPECT_EQ(from_text(Type::map, "A=1,B=x=y"), R"({"A":"1","B":"x=y"})");
  EXPECT_EQ(from_text(Type::command, "echo hi"), R"("echo hi")");
  EXPECT_EQ(from_text(Type::integer, "1x"), "error: --x must be a whole number, not '1x'");
  EXPECT_EQ(from_text(Type::boolean, "yes"), "error: --x must be true or false, not 'yes'");
  EXPECT_EQ(from_text(Type::duration, "5"),
            "error: --x must be a duration, not '5'\nhint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d");
  EXPECT_EQ(from_text(Type::map, "A"), "error: --x must be NAME=VALUE, not 'A'");
  EXPECT_EQ(from_text(Type::section, "A"),
            "error: --x cannot be given as one text\nhint: write it into a document or the settings");
}

}  // namespace
}  // namespace deployer
