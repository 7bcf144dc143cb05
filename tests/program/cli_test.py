"""The command line as a script and an impatient user meet it: refusals, exit statuses, descriptors, terminals."""
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.program import PROGRAM, Project, wait_for  # noqa: E402

BOOKS = """-- revision: 001
-- revises:
-- Add books

-- migrate:up
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT);
-- migrate:down
DROP TABLE books;
"""


class Cli(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        self.project.env["DATABASE_URL"] = "sqlite:///books.db"

    def refused(self, *words, says, status=2, env=None):
        done = self.project.run(*words, env=env)
        self.assertEqual(done.status, status, done)
        self.assertEqual(done.out, "", done)
        self.assertIn(says, done.err)
        return done

    def nothing_was_touched(self):
        self.assertFalse(self.project.state.exists())
        self.assertFalse(self.project.path("books.db").exists())
        self.assertFalse(self.project.path("books.db.deployer-lock").exists())
        self.assertFalse(self.project.path("backups").exists())

    def raw(self, *words, **options):
        """Bytes on descriptors as the test wants them."""
        return subprocess.run([PROGRAM, *words], cwd=self.project.folder, env=self.project.environment(), timeout=60,
                              **options)


class Refusals(Cli):
    def test_flags_of_a_later_version_are_refused_by_name_also_with_their_value(self):
        self.project.write("p.yml", "steps:\n  - run: 'touch done'\n")
        for flag in (["--dry-run"], ["--plan", "f"], ["--junit", "f"], ["--junit=f"], ["--env", "prod"], ["--detach"]):
            name = flag[0].split("=")[0]
            self.refused("run", "p.yml", *flag, says=f"error: 'deployer run {name}' is not in this version\n")
        for words, flag in ((["status"], "--exit-code"), (["create", "x"], "--autogenerate"),
                            (["backup", "list"], "--max-age"),
                            (["runs", "logs", "last"], "--follow")):
            self.refused(*words, flag, "x", says=f" {flag}' is not in this version\n")
        for word in ("tty", "github", "gitlab", "junit"):
            for command in (["run", "p.yml"], ["status"], ["upgrade"]):
                self.refused(*command, "--output", word, says=f"error: --output {word} is not in this version\n")
        self.nothing_was_touched()

    def test_words_that_make_no_sense_are_refused_with_what_would(self):
        for words, says in (
                (["status", "--jsno"], "error: unknown flag '--jsno'\nhint: did you mean '--json'?"),
                (["status", "extra"], "error: unexpected argument 'extra'\nhint: deployer help migrate status"),
                (["run", "a.yml", "b.yml"], "error: unexpected argument 'b.yml'\nhint: deployer help run"),
                (["run"], "error: 'deployer run' needs PIPELINE\nhint: deployer help run"),
                (["revision"], "error: 'deployer migrate revision' needs -m\n"),
                (["run", "a.yml", "--var"], "error: --var needs a value\n"),
                (["run", "--var", "--yes", "a.yml"], "error: --var needs a value\n"),
                (["run", "a.yml", "--var", "x"], "error: --var x is not NAME=VALUE\n"),
                (["run", "a.yml", "--lock-timeout", "5"], "error: --lock-timeout must be a duration, not '5'\n"),
                (["runs", "list", "--limit", "0"], "error: --limit: at least 1 is needed\n"),
                (["status", "--database", ""], "error: --database is empty\n"),
                (["status", "--output", "jsn"], "error: there is no output 'jsn'\nhint: did you mean 'json'?"),
                (["status", "--log-level", "loud"], "error: 'loud' is not a log level\n"),
                (["-C", "nowhere", "status"], "error: -C nowhere: there is no such folder\n"),
                (["--config", "nowhere.yml", "status"], "nowhere.yml does not exist\n")):
            self.refused(*words, says=says)
        self.nothing_was_touched()

    def test_json_tells_of_an_error_on_stdout_and_the_text_goes_to_stderr(self):
        for words in (["statsu", "--json"], ["status", "--jsno", "--json"], ["runs", "show", "x", "--json"]):
            done = self.project.run(*words)
            self.assertEqual(done.status, 2, done)
            self.assertEqual(sorted(done.json()["error"]), ["diagnostics", "hint", "kind", "message"])
            self.assertIn("error: " + done.json()["error"]["message"], done.err)

    def test_what_a_document_must_not_have_yet_is_refused_by_name_in_one_go(self):
        self.project.write("p.yml", """
include: other.yml
schedule: [{cron: "0 3 * * *"}]
notify: [{webhook: "http://x"}]
hosts: [a]
steps:
  - {run: "touch done", needs: [], if: "success()", hosts: [a]}
""")
        done = self.refused("run", "p.yml", says="'needs' of a step is not in this version")
        for word in ("include", "schedule", "notify", "hosts"):
            self.assertIn(f"'{word}' of a pipeline is not in this version", done.err)
        for word in ("if", "hosts"):
            self.assertIn(f"'{word}' of a step is not in this version", done.err)
        self.nothing_was_touched()

    def test_bad_input_is_exit_2_and_touches_nothing(self):
        steps = "steps: [{run: 'touch done'}, {uses: backup}]\n"
        self.project.write("env", "TOKEN=abcdef\n", 0o644)
        self.project.write("env.yml", "env_file: env\n" + steps)
        self.refused("run", "env.yml", says="can be read by others\n")
        self.project.write("secret.yml", "secrets: [{name: T, file: nowhere}, GONE]\n" + steps)
        done = self.refused("run", "secret.yml", says="the secret 'T' cannot be read")
        self.assertIn("the secret 'GONE' is not in the environment", done.err)
        self.project.write("url.yml", "database: {url: 'sqlite:/books.db'}\n" + steps)
        self.refused("run", "url.yml", says="the database URL does not begin with a scheme and ://",
                     env={"DATABASE_URL": ""})
        self.project.write("var.yml", "env: {A: '${{ vars.gone }}'}\n" + steps)
        self.refused("run", "var.yml", says="there is no 'vars.gone'")
        self.project.write("hook.yml", "hooks: {before_run: ./not-executable}\n" + steps)
        self.project.write("not-executable", "#!/bin/sh\n")
        self.refused("run", "hook.yml", says="is not executable\n")
        done = self.project.run("validate", "hook.yml")
        self.assertEqual((done.status, "is not executable" in done.out), (2, True), done)
        self.project.write("migrate.yml", "steps: [{uses: migrate}]\n")
        self.project.write("migrations/bad.sql", "CREATE TABLE x (y);\n")
        self.refused("run", "migrate.yml", says="the header has no revision")
        self.refused("upgrade", says="the header has no revision")
        self.refused("status", says="the header has no revision")
        self.nothing_was_touched()
        self.assertFalse(self.project.path("done").exists())

    def test_settings_that_are_wrong_are_told_in_one_go(self):
        self.project.write("etc/deployer.yml", "lock_timout: 5s\nserver: {listen: x}\nbackup_enabled: 'true'\n")
        for words in (["status"], ["config", "show"], ["upgrade"]):
            done = self.refused(*words, says="unknown key 'lock_timout' in the settings")
            self.assertIn("hint: did you mean 'lock_timeout'?", done.err)
            self.assertIn("'server' is not in this version", done.err)
            self.assertIn("'backup_enabled' must be true or false, not 'true'", done.err)
        self.refused("status", says="error: DEPLOYER_LOCK_TIMEOUT must be a duration, not '5'",
                     env={"DEPLOYER_LOCK_TIMEOUT": "5"})
        self.nothing_was_touched()

    def test_what_cannot_be_read_is_a_mistake_too(self):
        if os.getuid() != 0:
            self.project.write("p.yml", "steps: [{run: 'true'}]\n", 0o000)
            self.refused("run", "p.yml", says="Permission denied")
            return
        self.project.folder.chmod(0o755)
        self.project.write("p.yml", "steps: [{run: 'true'}]\n", 0o600)
        # A copy: where the program was built need not be open to others.
        program = shutil.copy(PROGRAM, self.project.path("deployer"))
        done = subprocess.run([program, "run", "p.yml"], cwd=self.project.folder, env=self.project.environment(),
                              capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("p.yml: Permission denied", done.stderr)


class Databases(Cli):
    def test_a_database_that_is_not_there_is_not_backed_up(self):
        self.project.env["DATABASE_URL"] = "sqlite:///mistyped.db"
        done = self.project.run("backup")
        self.assertNotEqual(done.status, 0, done)
        self.assertIn("mistyped.db", done.err)
        self.assertFalse(self.project.path("mistyped.db").exists())
        self.assertFalse(self.project.path("backups").exists())

    def test_a_password_in_argv_is_warned_of_overwritten_and_never_repeated(self):
        self.project.write("p.yml", "steps: [{uses: connectivity, with: {database: true}, timeout: 60s}]\n")
        waiting = self.project.start("run", "p.yml", "--database", "mysql://app:s3cret@127.0.0.1:1/books")
        arguments = pathlib.Path(f"/proc/{waiting.pid}/cmdline")
        wait_for(lambda: b"--database\0mysql://xxxxxxxxxx@127.0.0.1:1/books\0" in arguments.read_bytes())
        wait_for(lambda: len(os.listdir(f"/proc/{waiting.pid}/task")) > 1)  # the one that takes signals
        waiting.terminate()
        self.assertIn("warning: a password on a command line is seen by every user", waiting.communicate()[1])
        self.assertEqual(waiting.returncode, 143)
        for words in (["status", "mysql://app:s3cret@h/d"], ["status", "--database", "mysql://app:s3cret@h/d?x=y"],
                      ["status", "--database", "postgres://app:s3cret@h/d"],
                      ["status", "--database", "mysql://app:s3cret@127.0.0.1:1/d"]):
            for extra in ([], ["--json"]):
                done = self.project.run(*words, *extra)
                self.assertNotIn("s3cret", done.out + done.err)
                self.assertIn(done.status, (1, 2), done)
        done = self.project.run("status", "--database", "mysql://app@127.0.0.1:1/d")
        self.assertNotIn("warning", done.err)
        self.assertEqual(done.status, 1, done)

    def test_a_url_may_come_from_a_variable_or_a_file(self):
        self.project.write("migrations/001.sql", BOOKS)
        self.project.write("url", "sqlite:///other.db\n")
        self.assertEqual(self.project.run("upgrade", "--database", "file:url").status, 0)
        self.assertTrue(self.project.path("other.db").exists())
        done = self.project.run("current", "--database", "env:OTHER", env={"OTHER": "sqlite:///other.db"})
        self.assertEqual(done.out, "001 (head)\n", done)
        for url, says in (("env:GONE", "--database env:GONE: the environment does not have it"),
                          ("env:", "--database env:: the environment does not have it"),
                          ("file:gone", "No such file or directory"), ("file:migrations", "Is a directory")):
            self.refused("status", "--database", url, says=says)

    def test_questions_make_nothing(self):
        self.project.write("migrations/001.sql", BOOKS)
        for words in (["status"], ["current"], ["heads"], ["history"], ["backup", "list"], ["runs", "list"],
                      ["lock", "list"], ["config", "show"], ["upgrade", "--dry-run"], ["upgrade", "--sql"],
                      ["validate", "p.yml"]):
            self.project.write("p.yml", "steps: [{uses: backup}]\n")
            done = self.project.run(*words)
            self.assertEqual(done.status, 0, done)
            self.assertEqual(self.project.run(*words, "--json").status, 0)
        self.nothing_was_touched()
        self.assertEqual(self.project.run("runs").out, "no runs yet\n")
        self.assertEqual(self.project.run("lock").out, "no locks are held\n")
        self.assertEqual(self.project.run("runs", "list", "--json").json(), {"items": []})
        self.assertEqual(self.project.run("lock", "list", "--json").json(), {"items": []})


class Output(Cli):
    def setUp(self):
        super().setUp()
        self.project.write("migrations/001.sql", BOOKS)
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo hello'}\n")

    def test_what_changes_something_is_silent_with_quiet(self):
        for words in (["upgrade"], ["upgrade"], ["backup", "--path", "b.sqlite.zst"], ["restore", "b.sqlite.zst", "--yes"],
                      ["downgrade", "base"], ["run", "p.yml"], ["recover"], ["create", "Add x"],
                      ["revision", "-m", "Add y"], ["validate", "p.yml"]):
            done = self.project.run(*words, "--quiet")
            self.assertEqual((done.status, done.out, done.err), (0, "", ""), (words, done))
        self.assertNotEqual(self.project.run("status", "--quiet").out, "")

    def test_quiet_is_not_silent_on_failure(self):
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo hello; exit 3'}\n")
        done = self.project.run("run", "p.yml", "--quiet")
        self.assertEqual(done.status, 1, done)
        self.assertIn("hello", done.out)

    def test_run_json_is_the_document_of_the_run_alone(self):
        done = self.project.run("run", "p.yml", "--json")
        self.assertEqual(done.status, 0, done)
        shown = self.project.last()
        self.assertEqual(done.json(), shown)
        for key in ("id", "pipeline", "status", "verified", "lost", "warnings", "started_at", "finished_at",
                    "exit_status", "revision_before", "revision_after", "backup", "way_back", "steps", "runbook"):
            self.assertIn(key, shown)
        for key in ("id", "uses", "status", "started_at", "duration_ms", "attempts", "error", "outputs", "undo"):
            self.assertIn(key, shown["steps"][0])

    def test_upgrade_json_has_the_shape_that_others_read(self):
        keys = ["applied", "backup", "duration_ms", "from", "message", "rollback_attempted", "rollback_success", "run",
                "success", "to", "way_back"]
        done = self.project.run("upgrade", "--json").json()
        self.assertEqual(sorted(done), keys)
        self.assertEqual((done["success"], done["from"], done["to"], done["applied"], done["way_back"]),
                         (True, None, "001", ["001"], "down"))
        again = self.project.run("upgrade", "--json").json()
        self.assertEqual(sorted(again), keys)
        self.assertEqual((again["success"], again["message"], again["applied"], again["run"]),
                         (True, "nothing to do", [], None))

    def test_output_json_is_events_and_nothing_else(self):
        for words in (["upgrade"], ["upgrade"], ["backup"], ["recover"], ["run", "p.yml"]):
            done = self.project.run(*words, "--output", "json")
            self.assertEqual(done.status, 0, done)
            for event in done.events():
                self.assertIn("event", event)
        done = self.project.run("status", "--output", "json")
        self.assertEqual(done.json()["current_revision"], "001")

    def test_runs_show_is_aligned_and_config_show_has_durations_in_words(self):
        self.project.run("upgrade")
        head = self.project.run("runs", "show", "last").out.split("\n\n")[0].splitlines()
        self.assertEqual([line[:17] for line in head], [f"{name:<17}" for name in (
            "run", "pipeline", "status", "started", "finished", "revision before", "revision after", "backup")])
        self.assertTrue(all(line[17] != " " for line in head), head)
        self.project.write("etc/deployer.yml", "lock_timeout: 90s\nsecrets: [GONE]\n"
                                               "env: {URL: 'mysql://app:s3cret@h/d', A: '${{ secrets.GONE }}'}\n")
        done = self.project.run("config", "show")
        self.assertEqual(done.status, 0, done)
        rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}
        self.assertEqual(rows["lock_timeout"], ["90s", "etc/deployer.yml:1"])
        self.assertEqual(rows["rollback_wait"], ["10m", "default"])
        self.assertEqual(rows["env.URL"], ["mysql://app:***@h/d", "etc/deployer.yml:3"])
        items = {item["key"]: item["value"] for item in self.project.run("config", "show", "--json").json()["items"]}
        self.assertEqual(items["lock_timeout"], 90000)
        self.assertNotIn("s3cret", json.dumps(items))

    def test_restore_of_what_is_not_there_is_no_run(self):
        self.project.run("upgrade")
        before = self.project.runs()
        self.refused("restore", "gone", "--yes", says="error: there is no backup gone in ")
        self.assertEqual(self.project.runs(), before)

    def test_behind_two_dashes_everything_is_an_argument(self):
        done = self.project.run("create", "--", "--help")
        self.assertEqual(done.status, 0, done)
        self.assertIn("\n-- --help\n", pathlib.Path(done.out.strip()).read_text())
        self.assertEqual(self.project.run("upgrade", "001").status, 0)
        self.assertEqual(self.project.run("downgrade", "--", "-1").status, 0)

    def test_colours_are_for_terminals_that_want_them(self):
        for env, colored in (({}, False), ({"CLICOLOR_FORCE": "1"}, True), ({"CLICOLOR_FORCE": "0"}, False),
                             ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False)):
            done = self.project.run("run", "p.yml", env=env)
            self.assertEqual("\x1b[" in done.out, colored, (env, done))
        for env, colored in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)):
            ours, theirs = pty.openpty()
            subprocess.run([PROGRAM, "run", "p.yml"], cwd=self.project.folder, env=self.project.environment(env),
                           stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, timeout=60, check=True)
            os.close(theirs)
            shown = b""
            try:
                while piece := os.read(ours, 4096):
                    shown += piece
            except OSError:
                pass
            os.close(ours)
            self.assertEqual(b"\x1b[" in shown, colored, (env, shown))

    def test_logs_of_one_step_are_found_by_its_name(self):
        self.project.run("run", "p.yml")
        self.assertIn("hello", self.project.run("runs", "logs", "last", "a").out)
        self.refused("runs", "logs", "last", "b", says="has no log of a step 'b'")


class Descriptors(Cli):
    def setUp(self):
        super().setUp()
        self.project.write("migrations/001.sql", BOOKS)
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'cat; echo x >> log'}\n")

    def test_an_answer_that_cannot_be_written_is_exit_1(self):
        with open("/dev/full", "w") as full:
            for words in (["status"], ["status", "--json"], ["--version"], ["help"]):
                done = self.raw(*words, stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 1, done)
                self.assertEqual(done.stderr, "error: cannot write to standard output: No space left on device\n")

    def test_the_exit_status_of_what_was_done_stays_when_it_cannot_be_told(self):
        with open("/dev/full", "w") as full:
            for words in (["upgrade", "--json"], ["backup"], ["run", "p.yml", "--json"], ["create", "x"]):
                done = self.raw(*words, stdout=full, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(done.stderr, "warning: cannot write to standard output: No space left on device\n")
            done = self.raw("statsu", "--json", stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 2, done)

    def test_a_reader_that_has_seen_enough_is_no_error(self):
        reading, writing = os.pipe()
        os.close(reading)
        for words in (["status"], ["run", "p.yml"], ["upgrade", "--json"]):
            done = self.raw(*words, stdout=writing, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        os.close(writing)

    def test_closed_descriptors_are_dev_null_and_no_file_gets_their_number(self):
        for closed in ("0<&-", "1>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"):
            self.project.path("log").unlink(missing_ok=True)
            shell = f'"$0" run p.yml {closed}'
            done = self.raw_shell(shell)
            self.assertEqual(done.returncode, 0, (closed, done))
            self.assertEqual(self.project.read("log"), "x\n")
        self.assertEqual(self.raw_shell('"$0" status 1>&-').returncode, 0)
        self.assertEqual(self.raw_shell('"$0" statsu 2>&-').returncode, 2)
        self.assertEqual(self.raw_shell('"$0" upgrade 0<&- 1>&- 2>&-').returncode, 0)
        self.assertEqual(self.project.run("current").out, "001 (head)\n")

    def raw_shell(self, shell):
        return subprocess.run(["sh", "-c", shell, PROGRAM], cwd=self.project.folder, env=self.project.environment(),
                              capture_output=True, text=True, timeout=60)

    def test_a_working_folder_that_is_gone_is_told(self):
        done = self.raw_shell('mkdir gone; cd gone; rmdir ../gone; "$0" status')
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("error: cannot tell the working folder: No such file or directory\n", done.stderr)
        self.assertEqual(self.raw_shell('mkdir gone; cd gone; rmdir ../gone; "$0" --version').returncode, 0)


class Folders(Cli):
    def setUp(self):
        super().setUp()
        self.project.write("etc/deployer.yml", "lock_timeout: 1s\n")
        self.project.write("pipelines/p.yml", "steps:\n  - {id: a, run: 'pwd > where'}\n")
        self.project.write("migrations/001.sql", BOOKS)
        self.project.write("sub/own.yml", "steps:\n  - {id: a, run: 'pwd > where'}\n")
        self.project.write("sub/settings.yml", "lock_timeout: 7s\n")

    def in_sub(self, *words):
        done = subprocess.run([PROGRAM, *words], cwd=self.project.path("sub"), env=self.project.environment(),
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def test_the_project_is_the_nearest_parent_with_settings(self):
        self.assertIn("Head Revision: 001", self.in_sub("status"))
        for word in ("p.yml", "p", "../pipelines/p.yml", "pipelines/p.yml", "own.yml", "./own.yml"):
            self.project.path("where").unlink(missing_ok=True)
            self.in_sub("run", word)
            self.assertEqual(self.project.read("where"), f"{self.project.folder.resolve()}\n", word)

    def test_paths_on_the_command_line_are_of_the_folder_one_stands_in(self):
        self.assertIn("7s", self.in_sub("--config", "settings.yml", "config", "show"))
        self.in_sub("upgrade")
        self.in_sub("backup", "--path", "b.sqlite.zst")
        self.assertTrue(self.project.path("sub/b.sqlite.zst").exists())
        self.in_sub("restore", "./b.sqlite.zst", "--yes")

    def test_capital_c_is_as_if_one_stood_there(self):
        self.project.write("sub/url", "sqlite:///other.db\n")
        done = self.project.run("-C", "sub", "--database", "file:url", "--config", "settings.yml", "config", "show")
        self.assertEqual(done.status, 0, done)
        self.assertIn("sqlite:///other.db", done.out)
        self.assertIn("7s", done.out)
        # The project is that folder itself, whatever stands above it.
        self.assertIn("Head Revision: None", self.project.run("-C", "sub", "status").out)
        self.assertIn("Head Revision: 001", self.in_sub("-C", "..", "status"))


class Terminal(Cli):
    def setUp(self):
        super().setUp()
        self.project.write("migrations/001.sql", BOOKS)
        self.assertEqual(self.project.run("upgrade").status, 0)
        self.assertEqual(self.project.run("backup", "--path", "b.sqlite.zst").status, 0)

    def on_a_terminal(self, *words, answer, stdout=None):
        """Runs it with a terminal on 0 and 2, answers when it asks; its exit status and what the terminal showed."""
        ours, theirs = pty.openpty()
        running = subprocess.Popen([PROGRAM, *words], cwd=self.project.folder, env=self.project.environment(),
                                   stdin=theirs, stdout=stdout or subprocess.DEVNULL, stderr=theirs,
                                   start_new_session=True)
        os.close(theirs)
        shown = b""
        asked = False
        end = time.monotonic() + 30
        while running.poll() is None or select.select([ours], [], [], 0)[0]:
            self.assertLess(time.monotonic(), end, shown)
            if not select.select([ours], [], [], 0.05)[0]:
                continue
            try:
                piece = os.read(ours, 4096)
            except OSError:
                break
            shown += piece
            if b"[y/N]" in shown and not asked:
                asked = True
                if callable(answer):
                    answer(running)
                else:
                    os.write(ours, answer)
        running.wait(timeout=30)
        os.close(ours)
        return running.returncode, shown.decode()

    def test_a_confirmation_is_asked_there(self):
        question = "this replaces the content of the database by "
        for answer, status in ((b"y\n", 0), (b"YES\n", 0), (b"n\n", 5), (b"\n", 5), (b"maybe\n", 5), (b"\x04", 5)):
            done, shown = self.on_a_terminal("restore", "b.sqlite.zst", answer=answer)
            self.assertEqual(done, status, (answer, shown))
            self.assertIn(question, shown)

    def test_without_a_terminal_it_is_a_refusal_and_yes_answers_it(self):
        self.refused("restore", "b.sqlite.zst", says="hint: --yes answers it\n", status=5)
        self.assertEqual(self.project.run("restore", "b.sqlite.zst", "--yes").status, 0)

    def test_a_signal_while_it_asks_is_128_and_its_number(self):
        status, shown = self.on_a_terminal("restore", "b.sqlite.zst",
                                           answer=lambda running: running.send_signal(signal.SIGINT))
        self.assertEqual(status, 130, shown)

    def test_who_only_looks_is_ended_by_a_signal_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"mysql://app@127.0.0.1:{silent.getsockname()[1]}/books"
            running = self.project.start("status", env={"DATABASE_URL": url})
            connection, _ = silent.accept()
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=5)
            connection.close()
        self.assertEqual(running.returncode, -signal.SIGINT)

    def test_a_signal_before_there_is_a_run_is_128_and_its_number(self):
        self.project.write("p.yml", "secrets: [{name: T, command: 'touch asked; sleep 60'}]\nsteps: [{run: 'true'}]\n")
        running = self.project.start("run", "p.yml")
        wait_for(self.project.path("asked").exists)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
        self.assertEqual(running.returncode, 143)


if __name__ == "__main__":
    unittest.main()
