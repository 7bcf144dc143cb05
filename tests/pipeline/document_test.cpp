// Documents that are good, and what they become.
#include <gtest/gtest.h>
#include <unistd.h>

#include "pipeline/project.h"

namespace deployer {
namespace {

using test::Project;

/// Without what the settings say of checks and waits.
Json without_limits(Json database) {
  for (const char* key : {"checks", "rehearse_limit", "lock_wait", "lock_wait_timeout", "statement_timeout"}) {
    EXPECT_EQ(database.erase(key), 1U) << key;
  }
  return database;
}

TEST(Document, BecomesAPipeline) {
  Project project;
  project.request.environment["TOKEN"] = "token-from-outside";
  const Pipeline pipeline = project.load(R"(name: production
description: Book library, production
vars: {app: /srv/book-library, keep: 30d}
env: {LOG_LEVEL: INFO, APP: "${{ vars.app }}/current"}
inherit_env: [SSH_AGENT]
secrets: [TOKEN]
database: {url: "sqlite:///${{ vars.app }}.db", migrations: sql}
backups: {directory: "${{ vars.app }}/backups"}
lock: production
timeout: 30m
on_failure: stop
steps:
  - uses: restart
    with: {systemd: book-library, command: [echo, "${{ secrets.TOKEN }}"]}
    env: {WHO: "${{ run.id }} ${{ pipeline.name }}"}
    working-directory: deploy
    shell: bash -e
    timeout: 30s
    retry: {attempts: 5, delay: 1s, factor: 1.5, max_delay: 10s}
    continue-on-error: true
    rollback: ./undo
    verify: ./verify
    probe: [test, -e, done]
    hooks: {after_step: hooks/told}
  - {name: Warm the cache, run: curl -fsS http://localhost/ >/dev/null, rollback: none}
)");
  EXPECT_EQ(pipeline.name, "production");
  EXPECT_EQ(pipeline.description, "Book library, production");
  EXPECT_EQ(pipeline.vars, (std::map<std::string, std::string>{{"app", "/srv/book-library"}, {"keep", "30d"}}));
  EXPECT_EQ(pipeline.env,
            (std::map<std::string, std::string>{{"LOG_LEVEL", "INFO"}, {"APP", "/srv/book-library/current"}}));
  EXPECT_EQ(pipeline.inherit_env, std::vector<std::string>{"SSH_AGENT"});
  EXPECT_EQ(without_limits(pipeline.database).dump(),
            R"({"url":"sqlite:////srv/book-library.db","migrations":"sql","history_table":"deployer_migrations"})");
  EXPECT_EQ(pipeline.database_origin, "document");
  EXPECT_EQ(pipeline.backups.dump(),
            R"({"directory":"/srv/book-library/backups","retention":{"keep_within":2592000000}})");
  EXPECT_EQ(pipeline.lock, "production");
  EXPECT_EQ(pipeline.timeout, std::chrono::minutes(30));
  EXPECT_EQ(pipeline.on_failure, OnFailure::stop);
  EXPECT_TRUE(pipeline.warnings.empty());

  ASSERT_EQ(pipeline.steps.size(), 2U);
  const Step& restart = pipeline.steps[0];
  EXPECT_EQ(restart.id, "restart");
  EXPECT_EQ(restart.name, "restart");
  EXPECT_EQ(restart.uses, "restart");
  EXPECT_EQ(restart.inputs.dump(),
            R"({"systemd":["book-library"],"command":["echo","token-from-outside"],"ready_within":30000})");
  EXPECT_EQ(restart.env.at("WHO"), "20261124T020000000-abcdef production");
  EXPECT_EQ(restart.working_directory, project.folder / "deploy");
  EXPECT_EQ(restart.shell, (std::vector<std::string>{"bash", "-e"}));
  EXPECT_EQ(restart.timeout, std::chrono::seconds(30));
  EXPECT_EQ(restart.retry.attempts, 5);
  EXPECT_EQ(restart.retry.delay, std::chrono::seconds(1));
  EXPECT_DOUBLE_EQ(restart.retry.factor, 1.5);
  EXPECT_EQ(restart.retry.max_delay, std::chrono::seconds(10));
  EXPECT_TRUE(restart.continue_on_error);
  EXPECT_EQ(restart.rollback->command.shell_text, "./undo");
  EXPECT_EQ(restart.verify->shell_text, "./verify");
  EXPECT_EQ(restart.probe->argv, (std::vector<std::string>{"test", "-e", "done"}));
  EXPECT_EQ(restart.hooks.at("after-step").at(0).command.shell_text, "hooks/told");
  EXPECT_EQ(restart.at, (Location{(project.folder / "p.yml").string(), 13, 5}));

  const Step& warm = pipeline.steps[1];
  EXPECT_EQ(warm.id, "warm-the-cache");
  EXPECT_EQ(warm.name, "Warm the cache");
  EXPECT_EQ(warm.uses, "run");
  EXPECT_EQ(warm.run.shell_text, "curl -fsS http://localhost/ >/dev/null");
  EXPECT_TRUE(warm.rollback->none);
  EXPECT_EQ(warm.shell, (std::vector<std::string>{"bash", "--noprofile", "--norc", "-eo", "pipefail"}));
  EXPECT_EQ(warm.working_directory, project.folder / "");
  EXPECT_EQ(warm.retry.attempts, 1);
}

TEST(Document, IsCalledAsItsFileWhereItHasNoName) {
  Project project;
  const Pipeline pipeline = project.load("steps: [{run: 'true'}]\n");
  EXPECT_EQ(pipeline.name, "p");
  EXPECT_EQ(pipeline.on_failure, OnFailure::rollback);
  EXPECT_EQ(without_limits(pipeline.database).dump(),
            R"({"migrations":"migrations","history_table":"deployer_migrations"})");
  EXPECT_EQ(pipeline.database_origin, "");
  EXPECT_EQ(pipeline.backups.dump(), R"({"directory":"backups","retention":{"keep_within":2592000000}})");
  EXPECT_EQ(pipeline.timeout, std::nullopt);
}

TEST(Document, KeepsItsFilesAsTheyWereRead) {
  Project project;
  const std::string text = "steps: [{run: 'true'}]\n";
  project.folder.write("etc/deployer.yml", "lock_timeout: 5s\n");
  const Pipeline pipeline = project.load(text);
  ASSERT_EQ(pipeline.sources.size(), 2U);
  EXPECT_EQ(pipeline.sources[0].file, (project.folder / "p.yml").string());
  EXPECT_EQ(pipeline.sources[0].text, text);
  EXPECT_EQ(pipeline.sources[0].digest.size(), 64U);
  EXPECT_EQ(pipeline.sources[1].file, (project.folder / "etc/deployer.yml").string());
}

TEST(Document, IsRebuiltFromTheTextThatTheJournalKept) {
  Project project;
  project.request.sources = {{(project.folder / "p.yml").string(), "name: kept\nsteps: [{run: 'true'}]\n", "digest"}};
  const Pipeline pipeline = project.load("name: changed since\nsteps: []\n");
  EXPECT_EQ(pipeline.name, "kept");
  EXPECT_EQ(pipeline.sources[0].digest, "digest");
}

TEST(Document, MayHaveBothSpellingsOfADash) {
  Project project;
  const Pipeline pipeline = project.load(
      "vars: {my-var: x}\nsteps: [{run: 'true', continue_on_error: true, env: {A: \"${{ vars.my_var }}\"}}]\n");
  EXPECT_TRUE(pipeline.steps[0].continue_on_error);
  EXPECT_EQ(pipeline.steps[0].env.at("A"), "x");
}

std::string ids(Project& project, const std::string& steps) {
  std::string out;
  for (const Step& step : project.load("steps:\n" + steps).steps) out += step.id + " ";
  return out;
}

TEST(StepIds, AreTheIdElseTheActionElseTheNameElseTheNumber) {
  Project project;
  EXPECT_EQ(ids(project,
                "- {id: A_1, uses: migrate}\n- {uses: migrate, name: Move it}\n"
                "- {run: a, name: Say Hello!}\n- {run: b}\n- {run: c, name: '***'}\n"),
            "A_1 migrate say-hello step-4 step-5 ");
}

TEST(StepIds, GetANumberWhereTheyAreTaken) {
  Project project;
  EXPECT_EQ(ids(project, "- {uses: migrate}\n- {uses: migrate}\n- {id: migrate-2, run: a}\n- {uses: migrate}\n"),
            "migrate migrate-3 migrate-2 migrate-4 ");
}

TEST(Hooks, ComeAsACommandAListOfWordsOrAListOfHooks) {
  Project project;
  const Hooks hooks = project
                          .load(R"(hooks:
  on_failure: hooks/page-oncall
  before-run: [hooks/check, --fast]
  after_warm: {command: hooks/warmed, timeout: 5s, required: true}
  after-run:
    - {command: a}
    - {command: [b, c]}
steps: [{id: warm, run: 'true'}]
)")
                          .hooks;
  EXPECT_EQ(hooks.at("on-failure").at(0).command.shell_text, "hooks/page-oncall");
  EXPECT_EQ(hooks.at("on-failure").at(0).timeout, std::chrono::seconds(60));
  EXPECT_FALSE(hooks.at("on-failure").at(0).required);
  EXPECT_EQ(hooks.at("before-run").at(0).command.argv, (std::vector<std::string>{"hooks/check", "--fast"}));
  EXPECT_EQ(hooks.at("after-warm").at(0).timeout, std::chrono::seconds(5));
  EXPECT_TRUE(hooks.at("after-warm").at(0).required);
  EXPECT_EQ(hooks.at("after-run").at(1).command.argv, (std::vector<std::string>{"b", "c"}));
}

TEST(Expressions, ReadVariablesEnvironmentRunPipelineAndHost) {
  Project project;
  project.request.vars = {{"b", "given"}};
  const Pipeline pipeline = project.load(R"(name: "deploy ${{ vars.a }}"
vars: {a: one, b: two}
env: {X: "${{vars.a}}-${{ vars.b }}"}
lock: ${{ env.X }}
steps:
  - run: 'true'
    env:
      R: ${{ run.started_at }}
      P: ${{ pipeline.name }}
      H: ${{ host.name }}
      TEXT: costs $5, not ${X} or {{ y }}
)");
  EXPECT_EQ(pipeline.name, "deploy one");
  EXPECT_EQ(pipeline.lock, "one-given");
  EXPECT_EQ(pipeline.steps[0].env.at("R"), "2026-11-24T02:00:00.000Z");
  EXPECT_EQ(pipeline.steps[0].env.at("P"), "deploy one");
  std::string host(256, '\0');
  ASSERT_EQ(gethostname(host.data(), host.size() - 1), 0);
  EXPECT_EQ(pipeline.steps[0].env.at("H"), std::string(host.c_str()));
  EXPECT_EQ(pipeline.steps[0].env.at("TEXT"), "costs $5, not ${X} or {{ y }}");
}

TEST(Database, IsTheFlagThenTheEnvironmentThenTheDocumentThenTheSettings) {
  Project project;
  project.folder.write("etc/deployer.yml", "database: {url: sqlite:///settings.db, migrations: sql}\n");
  const std::string plain = "steps: [{run: 'true'}]\n";
  const std::string own = "database: {url: sqlite:///document.db}\n" + plain;

  Pipeline pipeline = project.load(plain);
  EXPECT_EQ(pipeline.database["url"], "sqlite:///settings.db");
  EXPECT_EQ(pipeline.database["migrations"], "sql");
  EXPECT_EQ(pipeline.database_origin, "settings");

  pipeline = project.load(own);
  EXPECT_EQ(pipeline.database["url"], "sqlite:///document.db");
  EXPECT_EQ(pipeline.database["migrations"], "sql");
  EXPECT_EQ(pipeline.database_origin, "document");

  project.request.environment["DATABASE_URL"] = "sqlite:///environment.db";
  pipeline = project.load(own);
  EXPECT_EQ(pipeline.database["url"], "sqlite:///environment.db");
  EXPECT_EQ(pipeline.database_origin, "environment");

  project.request.database = "sqlite:///flag.db";
  pipeline = project.load(own);
  EXPECT_EQ(pipeline.database["url"], "sqlite:///flag.db");
  EXPECT_EQ(pipeline.database_origin, "flag");
}

TEST(Head, IsTakenFromTheSettingsKeyByKey) {
  Project project;
  project.folder.write("etc/deployer.yml",
                       "vars: {a: settings, b: settings}\nenv: {LEVEL: debug}\nlock: shared\ntimeout: 5m\n");
  const Pipeline pipeline = project.load("vars: {b: document}\ntimeout: 1m\nsteps: [{run: 'true'}]\n");
  EXPECT_EQ(pipeline.vars.at("a"), "settings");
  EXPECT_EQ(pipeline.vars.at("b"), "document");
  EXPECT_EQ(pipeline.env.at("LEVEL"), "debug");
  EXPECT_EQ(pipeline.lock, "shared");
  EXPECT_EQ(pipeline.timeout, std::chrono::minutes(1));
}

TEST(Warnings, NameAPasswordThatStandsInTheDocument) {
  Project project;
  EXPECT_EQ(project.warnings("database: {url: \"mysql://app:hunter22@db/books\"}\nenv: {SMTP_PASSWORD: swordfish}\n"
                             "steps: [{run: 'true'}]\n"),
            "p.yml:1:17: warning[password]: a password stands in the document\n"
            "    database: {url: \"mysql://app:hunter22@db/books\"}\n                    ^\n"
            "    hint: name it under secrets: and write \"${{ secrets.NAME }}\"\n"
            "p.yml:2:22: warning[password]: a password stands in the document\n"
            "    env: {SMTP_PASSWORD: swordfish}\n                         ^\n"
            "    hint: name it under secrets: and write \"${{ secrets.NAME }}\"\n");
  EXPECT_EQ(project.redactor.clean("hunter22 swordfish"), "*** ***");
}

TEST(Warnings, DoNotNameWhatIsNoPassword) {
  Project project;
  project.request.environment["PW"] = "hunter22";
  EXPECT_EQ(project.warnings("secrets: [PW]\nvars: {u: http://localhost:8080/a@b, password_file: /run/secret}\n"
                             "env: {A: \"mysql://u:${{ secrets.PW }}@db/x\", API_TOKEN: \"${{ secrets.PW }}\"}\n"
                             "steps: [{run: 'true'}]\n"),
            "");
}

}  // namespace
}  // namespace deployer
