// Documents that are broken, and what is said about them, word by word.
#include <gtest/gtest.h>

#include "pipeline/project.h"

namespace deployer {
namespace {

using test::Project;

std::string complaints_about(const std::string& text) {
  Project project;
  return project.complaints(text);
}

// One complaint about the document, without the kind and the excerpt.
std::string only_complaint(const std::string& text) {
  Project project;
  try {
    project.load(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::invalid);
    std::string out;
    for (Diagnostic diagnostic : error.diagnostics) {
      diagnostic.excerpt.clear();
      out += (out.empty() ? "" : "\n") + project.relative(diagnostic.text());
    }
    return out;
  }
  return "";
}

const std::string steps = "steps: [{run: 'true'}]\n";

TEST(BrokenDocument, IsToldInOneGo) {
  EXPECT_EQ(complaints_about(R"(nmae: production
vars: {app: /srv, app: /opt}
timeout: 5
on_failure: rolback
steps:
  - uses: restrat
  - run: echo ${{ vars.app }}
    timeout-minutes: 5
  - uses: migrate
    with: {targt: head}
    continue-on-error: true
)"),
            R"(invalid
p.yml:1:1: error: unknown key 'nmae' in a pipeline
    nmae: production
    ^
    hint: did you mean 'name'?
p.yml:2:19: error: duplicate key 'app'; it stands in line 2 already
    vars: {app: /srv, app: /opt}
                      ^
p.yml:3:10: error: 'timeout' must be a duration, not '5'
    timeout: 5
             ^
    hint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d
p.yml:4:13: error: 'on_failure' must be rollback or stop, not 'rolback'
    on_failure: rolback
                ^
    hint: did you mean 'rollback'?
p.yml:6:11: error: there is no action 'restrat'
      - uses: restrat
              ^
    hint: did you mean 'restart'?
p.yml:7:10: error: an expression cannot stand in a command: its value would become code
      - run: echo ${{ vars.app }}
             ^
    hint: give it to the command by `env:` and write "$NAME"
p.yml:8:5: error: unknown key 'timeout-minutes' in a step
        timeout-minutes: 5
        ^
    hint: `timeout-minutes: 5` is written `timeout: 5m`
p.yml:10:12: error: unknown key 'targt' in with of migrate
        with: {targt: head}
               ^
    hint: did you mean 'target'?
p.yml:11:24: error: 'migrate' cannot have continue-on-error
        continue-on-error: true
                           ^
    hint: it would leave the service between two versions
)");
}

TEST(BrokenDocument, IsToldUpToASyntaxErrorAndNoFurther) {
  EXPECT_EQ(only_complaint("nmae: x\nlock: [a]\nsteps:\n  - usse: restart\n  - run: a: b\n    zzz: 1\n"),
            "p.yml:1:1: error: unknown key 'nmae' in a pipeline\n    hint: did you mean 'name'?\n"
            "p.yml:2:7: error: 'lock' must be a text, not a list\n"
            "p.yml:4:5: error: unknown key 'usse' in a step\n    hint: did you mean 'uses'?\n"
            "p.yml:5:11: error: YAML syntax: illegal map value\n    hint: a value that holds ': ' must be quoted");
}

TEST(BrokenDocument, NeedsAMappingWithSteps) {
  const std::string hint = "\n    hint: as in steps: [{run: ./deploy}]";
  EXPECT_EQ(only_complaint(""), "p.yml:1:1: error: a pipeline is a mapping with steps" + hint);
  EXPECT_EQ(only_complaint("[a]\n"), "p.yml:1:1: error: a pipeline is a mapping with steps" + hint);
  EXPECT_EQ(only_complaint("name: x\n"), "p.yml:1:1: error: a pipeline needs a list of steps" + hint);
  EXPECT_EQ(only_complaint("steps:\n"), "p.yml:1:1: error: a pipeline needs a list of steps" + hint);
  EXPECT_EQ(only_complaint("steps: []\n"), "p.yml:1:8: error: a pipeline needs a list of steps" + hint);
  EXPECT_EQ(only_complaint("steps: {a: b}\n"), "p.yml:1:8: error: a pipeline needs a list of steps" + hint);
  EXPECT_EQ(only_complaint("steps: [deploy]\n"),
            "p.yml:1:9: error: a step must be a mapping\n    hint: as in - run: ./deploy");
}

TEST(BrokenDocument, RefusesByNameWhatIsForLater) {
  for (const std::string word : {"include", "schedule", "notify", "hosts", "max_parallel"}) {
    EXPECT_EQ(only_complaint(word + ": x\n" + steps),
              "p.yml:1:1: error: '" + word + "' of a pipeline is not in this version");
  }
  for (const std::string word : {"needs", "if", "hosts", "rollout"}) {
    EXPECT_EQ(only_complaint("steps: [{run: a, " + word + ": x}]\n"),
              "p.yml:1:18: error: '" + word + "' of a step is not in this version");
  }
  EXPECT_EQ(only_complaint("steps: [{uses: approve}]\n"),
            "p.yml:1:16: error: the action 'approve' is not in this version");
  EXPECT_EQ(only_complaint("steps: [{run: a, rollback: {uses: restart}}]\n"),
            "p.yml:1:28: error: an action as `rollback` is not in this version\n    hint: use a command");
}

TEST(BrokenDocument, RefusesByNameTheInputsThatAreForLater) {
  EXPECT_EQ(only_complaint("steps: [{uses: migrate, with: {phase: expand}}]\n"),
            "p.yml:1:32: error: unknown key 'phase' in with of migrate\n"
            "    hint: `phase` is not in this version: every migration is applied where `migrate` stands");
}

TEST(BrokenDocument, KnowsTheWordsOfOtherTools) {
  const auto head = [](const std::string& line) { return only_complaint(line + "\n" + steps); };
  const auto step = [](const std::string& entry) { return only_complaint("steps: [{run: a, " + entry + "}]\n"); };
  EXPECT_EQ(head("jobs: {}"),
            "p.yml:1:1: error: unknown key 'jobs' in a pipeline\n    hint: `jobs: {…}` is written `steps: […]`");
  EXPECT_EQ(head("on: push"),
            "p.yml:1:1: error: unknown key 'on' in a pipeline\n"
            "    hint: a pipeline has no triggers: the CI job or cron line that calls `deployer run` decides");
  EXPECT_EQ(head("concurrency: x"),
            "p.yml:1:1: error: unknown key 'concurrency' in a pipeline\n    hint: `concurrency: GROUP` is written "
            "`lock: NAME`");
  EXPECT_EQ(head("tasks: []"),
            "p.yml:1:1: error: unknown key 'tasks' in a pipeline\n    hint: `tasks: […]` is written `steps: […]`");
  EXPECT_EQ(head("service: x"),
            "p.yml:1:1: error: unknown key 'service' in a pipeline\n    hint: `service: NAME` is written `name: NAME`");
  EXPECT_EQ(step("ignore_errors: true"),
            "p.yml:1:18: error: unknown key 'ignore_errors' in a step\n"
            "    hint: `ignore_errors: true` is written `continue-on-error: true`");
  EXPECT_EQ(step("when: x"),
            "p.yml:1:18: error: unknown key 'when' in a step\n    hint: conditions are not in this version");
  EXPECT_EQ(step("become: true"),
            "p.yml:1:18: error: unknown key 'become' in a step\n    hint: run `deployer` as the user that may do it");
  EXPECT_EQ(step("restart: {}"),
            "p.yml:1:18: error: unknown key 'restart' in a step\n"
            "    hint: `restart: {…}` is written `uses: restart` with `with: {…}`");
  EXPECT_EQ(only_complaint("steps: [{uses: actions/checkout@v4}]\n"),
            "p.yml:1:16: error: there is no action 'actions/checkout@v4'\n"
            "    hint: actions of GitHub cannot be used here; actions are restart and migrate");
}

TEST(BrokenStep, HasExactlyOneOfUsesAndRun) {
  EXPECT_EQ(only_complaint("steps: [{name: x}]\n"), "p.yml:1:9: error: a step needs `uses` or `run`");
  EXPECT_EQ(only_complaint("steps: [{uses: migrate, run: a}]\n"),
            "p.yml:1:9: error: a step has either `uses` or `run`, not both");
  EXPECT_EQ(only_complaint("steps: [{run: a, with: {x: y}}]\n"),
            "p.yml:1:24: error: a `run` step has no `with`\n    hint: use env: instead");
  EXPECT_EQ(
      only_complaint("steps: [{uses: run}]\n"),
      "p.yml:1:16: error: there is no action 'run'\n    hint: a command is written `run: COMMAND`, without `uses`");
  EXPECT_EQ(only_complaint("steps: [{uses: nothing-like-it}]\n"),
            "p.yml:1:16: error: there is no action 'nothing-like-it'\n    hint: actions are restart and migrate");
  EXPECT_EQ(only_complaint("steps: [{uses: [a]}]\n"), "p.yml:1:16: error: `uses` must be the word of an action");
}

TEST(BrokenStep, HasAnIdOfItsOwn) {
  EXPECT_EQ(only_complaint("steps:\n- {id: a, run: x}\n- {id: a, run: y}\n"),
            "p.yml:3:8: error: two steps have the id 'a'\n    hint: the first is in line 2");
  EXPECT_EQ(only_complaint("steps: [{id: 'a b', run: x}]\n"),
            "p.yml:1:14: error: 'a b' is no id of a step\n    hint: letters, digits, - and _");
  EXPECT_EQ(only_complaint("steps: [{id: '', run: x}]\n"),
            "p.yml:1:14: error: '' is no id of a step\n    hint: letters, digits, - and _");
}

TEST(BrokenStep, HasWordsInTheirRanges) {
  EXPECT_EQ(only_complaint("steps: [{run: a, retry: {attempts: 0, factor: 0.5, delay: x}}]\n"),
            "p.yml:1:36: error: 'attempts': must be from 1 to 1000\n"
            "p.yml:1:47: error: 'factor': must be a number from 1 to 1000\n"
            "p.yml:1:59: error: 'delay' must be a duration, not 'x'\n"
            "    hint: a number and a unit, as in 500ms, 10s, 5m, 2h or 30d");
  EXPECT_EQ(only_complaint("steps: [{run: a, retry: 3}]\n"), "p.yml:1:25: error: 'retry' must be a mapping, not '3'");
  EXPECT_EQ(only_complaint("steps: [{run: a, timeout: 0s}]\n"),
            "p.yml:1:27: error: 'timeout': must be longer than nothing");
  EXPECT_EQ(only_complaint("steps: [{run: a, continue-on-error: yes}]\n"),
            "p.yml:1:37: error: 'continue_on_error' must be true or false, not 'yes'");
  EXPECT_EQ(
      only_complaint("steps: [{run: a, continue-on-error: \"true\"}]\n"),
      "p.yml:1:37: error: 'continue_on_error' must be true or false, not 'true'\n    hint: write it without quotes");
  EXPECT_EQ(only_complaint("steps: [{run: a, shell: 'bash {0}'}]\n"),
            "p.yml:1:25: error: '{0}' has no meaning in `shell`: the command is given behind -c\n"
            "    hint: as in shell: bash -e");
  EXPECT_EQ(only_complaint("steps: [{run: a, env: {A-B: x}}]\n"),
            "p.yml:1:24: error: 'A-B' is no name of an environment variable\n    hint: letters, digits and _, as in "
            "LOG_LEVEL");
}

TEST(BrokenStep, NeverLetsAValueBecomeCode) {
  const std::string refusal =
      "error: an expression cannot stand in a command: its value would become code\n"
      "    hint: give it to the command by `env:` and write \"$NAME\"";
  for (const std::string word : {"rollback", "verify", "probe", "shell"}) {
    EXPECT_EQ(only_complaint("steps: [{run: a, " + word + ": \"echo ${{ run.id }}\"}]\n"),
              "p.yml:1:" + std::to_string(20 + word.size()) + ": " + refusal);
  }
  EXPECT_EQ(only_complaint("steps: [{uses: restart, with: {command: \"echo ${{ run.id }}\"}}]\n"),
            "p.yml:1:41: " + refusal);
  EXPECT_EQ(only_complaint("steps: [{run: [bash, -c, \"echo ${{ run.id }}\"]}]\n"), "p.yml:1:26: " + refusal);
  EXPECT_EQ(only_complaint("hooks: {on-failure: \"a ${{ run.id }}\"}\n" + steps), "p.yml:1:21: " + refusal);
}

TEST(BrokenExpression, IsToldAtItsPlace) {
  const auto value = [](const std::string& text) {
    return only_complaint("vars: {app: x}\nsteps:\n- run: a\n  env:\n    A: " + text + "\n");
  };
  EXPECT_EQ(value("x ${{ vars.ap }}"), "p.yml:5:10: error: there is no 'vars.ap'\n    hint: did you mean 'vars.app'?");
  EXPECT_EQ(value("\"x ${{ vars.ap }}\""),
            "p.yml:5:11: error: there is no 'vars.ap'\n    hint: did you mean 'vars.app'?");
  EXPECT_EQ(value("${{ secrets.PASSWORD }}"),
            "p.yml:5:8: error: there is no 'secrets.PASSWORD'\n    hint: declare it under secrets:");
  EXPECT_EQ(value("${{ github.sha }}"),
            "p.yml:5:8: error: there is no 'github.sha'\n"
            "    hint: what GitHub Actions knows comes by --var and is declared under vars:");
  EXPECT_EQ(value("${{ steps.a.outputs.b }}"),
            "p.yml:5:8: error: 'steps.a.outputs.b': outputs of steps are not in this version");
  EXPECT_EQ(value("${{ vars.app == 'x' }}"),
            "p.yml:5:8: error: 'vars.app == 'x'' is not a name: operators are not in this version\n"
            "    hint: an expression reads one name, as in ${{ vars.app }}");
  EXPECT_EQ(value("${{ }}"),
            "p.yml:5:8: error: an expression is empty\n    hint: an expression reads one name, as in ${{ vars.app }}");
  EXPECT_EQ(value("${{ vars.app }"), "p.yml:5:8: error: an expression is not closed\n    hint: write ${{ … }}");
}

TEST(BrokenExpression, IsToldForEachOfSeveralInOneText) {
  EXPECT_EQ(only_complaint("lock: ${{ vars.a }}-${{ vars.b }}\n" + steps),
            "p.yml:1:7: error: there is no 'vars.a'\n    hint: declare it under vars:\n"
            "p.yml:1:21: error: there is no 'vars.b'\n    hint: declare it under vars:");
}

TEST(BrokenVariables, AreTold) {
  EXPECT_EQ(only_complaint("vars: [a]\nlock: ${{ vars.a }}\n" + steps),
            "p.yml:1:7: error: vars must be a mapping\n    hint: as in vars: {app: /srv/app}");
  EXPECT_EQ(only_complaint("vars:\n  a: [x]\n  b:\n  c: ${{ run.id }}\nlock: ${{ vars.a }}\n" + steps),
            "p.yml:2:6: error: the variable 'a' must be a text\n"
            "p.yml:3:3: error: the variable 'b' must be a text\n    hint: an empty text is written \"\"\n"
            "p.yml:4:6: error: a variable cannot hold an expression\n    hint: write the value, or use --var");
}

TEST(BrokenVariables, OnTheCommandLineAreTold) {
  Project project;
  project.request.vars = {{"relaese", "2"}, {"zzz", "x"}};
  EXPECT_EQ(project.complaints("vars: {release: 1}\n" + steps),
            "invalid\n"
            "p.yml: error: --var relaese: the document has no variable 'relaese'\n    hint: did you mean 'release'?\n"
            "p.yml: error: --var zzz: the document has no variable 'zzz'\n    hint: declare it under vars:\n");
}

TEST(BrokenHooks, AreTold) {
  EXPECT_EQ(only_complaint("hooks: hooks/x\n" + steps),
            "p.yml:1:8: error: hooks must be a mapping\n    hint: as in hooks: {on_failure: hooks/page}");
  EXPECT_EQ(only_complaint("hooks: {on_failed: x, zzzzz: y, before-warn: z}\nsteps: [{id: warm, run: a}]\n"),
            "p.yml:1:9: error: there is no event 'on_failed'\n    hint: did you mean 'on-failure'?\n"
            "p.yml:1:23: error: there is no event 'zzzzz'\n"
            "    hint: events are before-ID and after-ID of a step, after-rollback, after-run, after-step, "
            "before-rollback, before-run, before-step, on-failure and on-success\n"
            "p.yml:1:33: error: there is no event 'before-warn'\n    hint: did you mean 'before-warm'?");
  EXPECT_EQ(only_complaint("hooks: {on_failure: , after_run: {timeout: 5s}, before_run: [{command: a, timout: 1s}]}\n" +
                           steps),
            "p.yml:1:9: error: 'on_failure' has no value\n"
            "p.yml:1:34: error: the key 'command' is missing in a hook\n"
            "p.yml:1:75: error: unknown key 'timout' in a hook\n    hint: did you mean 'timeout'?");
}

TEST(BrokenDatabase, IsToldWithoutItsPassword) {
  EXPECT_EQ(
      complaints_about("database: {url: \"app:x@db\", urll: \"mysql://app:hunter22@db/books\"}\n" + steps),
      "invalid\n"
      "p.yml:1:17: error: 'url': the database URL has no scheme\n"
      "    database: {url: \"app:x@db\", urll: \"mysql://app:***@db/books\"}\n                    ^\n"
      "p.yml:1:29: error: unknown key 'urll' in database\n"
      "    database: {url: \"app:x@db\", urll: \"mysql://app:***@db/books\"}\n                                ^\n"
      "    hint: did you mean 'url'?\n"
      "p.yml:1:35: warning[password]: a password stands in the document\n"
      "    database: {url: \"app:x@db\", urll: \"mysql://app:***@db/books\"}\n                                      ^\n"
      "    hint: name it under secrets: and write \"${{ secrets.NAME }}\"\n");
  EXPECT_EQ(complaints_about("database: {url: mysql://app:hunter22@db/books: x}\n").find("hunter22"),
            std::string::npos);
}

TEST(BrokenDatabase, InTheEnvironmentIsToldByItsName) {
  Project project;
  project.request.environment["DATABASE_URL"] = "nonsense";
  EXPECT_EQ(project.complaints(steps), "invalid\nDATABASE_URL: error: 'url': the database URL has no scheme\n");
}

TEST(BrokenSettings, OfTheHeadAreToldInTheirFile) {
  Project project;
  project.folder.write("etc/deployer.yml", "# mine\nbackups: {dir: x}\n");
  EXPECT_EQ(project.complaints("nam: x\n" + steps),
            "invalid\n"
            "etc/deployer.yml:2:11: error: unknown key 'dir' in backups\n    backups: {dir: x}\n              ^\n"
            "p.yml:1:1: error: unknown key 'nam' in a pipeline\n    nam: x\n    ^\n    hint: did you mean 'name'?\n");
}

TEST(LargeDocument, IsRefused) {
  Project project;
  const std::string text = steps + std::string(1024 * 1024, '#');
  EXPECT_EQ(project.complaints(text), "invalid\np.yml: error: the file has 1048599 bytes; at most 1 MiB are read\n");
}

TEST(MissingDocument, IsAnErrorThatNamesIt) {
  Project project;
  project.request.file = project.folder / "gone.yml";
  try {
    project.load(steps);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::not_found);
    EXPECT_NE(error.message.find("gone.yml"), std::string::npos);
  }
}

TEST(BrokenDocument, TouchesNothing) {
  Project project;
  project.complaints("steps: [{run: touch " + (project.folder / "made").string() + ", zzz: 1}]\n");
  project.complaints("steps: [{run: touch " + (project.folder / "made").string() + "}]\n");
  EXPECT_EQ(project.files.list(project.folder.path()), std::vector<std::string>{"p.yml"});
}

}  // namespace
}  // namespace deployer
