"""The documentation is true: its documents load, its commands run, its links lead somewhere, and it names everything.

A page's blocks make a project in a folder of their own, from top to bottom:
  ```yaml                 a document with `steps:` must be good for `deployer validate`
  ```yaml invalid         it must be refused
  ```yaml file=PATH       is written into the project (any language; mode=755 for a hook)
  ```sh run               must end with status 0, ```sh run exit=3 with status 3
  ```text output          what the block before it printed; … stands for anything
  ```json output          the same as JSON: exactly these keys, "…" stands for any value
  ```sql mariadb          is given to a real MariaDB server of the page's own, as its administrator; DATABASE_URL then
                          names the first schema and the first user that the page has made, and `mariadb` reaches it
Blocks without these words are only read.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import PROGRAM, ROOT, Project  # noqa: E402

PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
                ROOT / "examples" / "book-library" / "README.md", *(ROOT / "docs").rglob("*.md")])
ACTION_SOURCES = {
    "validate": ["validate.cpp"], "connectivity": ["connectivity.cpp"], "backup": ["backup.cpp"],
    "migrate": ["migrate/migrate.cpp"], "restore": ["restore_backup.cpp"], "prune": ["prune.cpp"],
    "dependencies": ["dependencies.cpp"], "release": ["release/release.cpp"], "sql": ["sql.cpp"],
    "health_check": ["health_check/health_check.cpp", "http_expectation.cpp"],
    "http": ["http.cpp", "http_expectation.cpp"],
    "maintenance": ["maintenance/maintenance.cpp", "maintenance/file.cpp", "maintenance/command.cpp",
                    "maintenance/read_only.cpp"],
    "restart": ["restart/restart.cpp", "restart/systemd.cpp", "restart/daemon.cpp", "restart/command.cpp"],
}
DECLARED = re.compile(r'declare_input\(\s*"([a-z_]+)"|\.name = "([a-z_]+)"')


def text_of(name):
    return (ROOT / name).read_text()


class Block:
    """A fenced block of a page."""

    def __init__(self, page, line, info, text):
        words = info.split()
        self.where = f"{page.relative_to(ROOT)}:{line}"
        self.language = words[0] if words else ""
        self.words = [word for word in words[1:] if "=" not in word]
        self.values = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        self.text = text

    def is_document(self):
        return self.language == "yaml" and re.search(r"^steps:", self.text, re.M) is not None


def blocks_of(page):
    blocks, fence, lines = [], None, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence, lines = (number, line[3:]), []
        elif fence is not None and line.rstrip() == "```":
            blocks.append(Block(page, *fence, "\n".join(lines) + "\n"))
            fence = None
        elif fence is not None:
            lines.append(line)
    assert fence is None, f"{page}:{fence[0]}: the block is not closed"
    return blocks


def text_matches(expected, printed):
    parts = []
    for line in expected.splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.rstrip().split("…")) + r"[ \t]*\n")
    return re.fullmatch("".join(parts), printed) is not None


def json_difference(expected, given, place="it"):
    """Where the JSON is not as expected; nothing where it is."""
    if isinstance(expected, str) and expected == "…":
        return None
    if isinstance(expected, dict) and isinstance(given, dict):
        if expected.keys() != given.keys():
            return f"{place} has the keys {sorted(given)}, the page says {sorted(expected)}"
        found = (json_difference(value, given[key], f"{place}.{key}") for key, value in expected.items())
        return next((one for one in found if one), None)
    if isinstance(expected, list) and isinstance(given, list):
        if expected and expected[-1] == "…":
            expected, given = expected[:-1], given[:len(expected) - 1]
        if len(expected) != len(given):
            return f"{place} has {len(given)} items, the page says {len(expected)}"
        found = (json_difference(*pair, f"{place}[]") for pair in zip(expected, given))
        return next((one for one in found if one), None)
    return None if expected == given else f"{place} is {given!r}, the page says {expected!r}"


class Walk:
    """One page, from its first block to its last, in a project of its own."""

    def __init__(self, test, project):
        self.test, self.project, self.printed, self.server = test, project, "", None
        folder = project.path(".bin")
        folder.mkdir()
        (folder / "deployer").symlink_to(PROGRAM)
        project.env["PATH"] = f"{folder}:{os.environ['PATH']}"

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        if self.server:
            self.server.__exit__()

    def take(self, block):
        if "file" in block.values:
            self.project.write(block.values["file"], block.text, int(block.values.get("mode", "644"), 8))
        if block.is_document():
            self.validate(block)
        if "run" in block.words:
            self.run(block)
        if "output" in block.words:
            self.compare(block)
        if "mariadb" in block.words:
            self.administer(block)

    def validate(self, block):
        name = block.values.get("file", "pipelines/block-of-the-page.yml")
        if "file" not in block.values:
            self.project.write(name, block.text)
        done = self.project.run("validate", name)
        self.test.assertEqual(done.status, 2 if "invalid" in block.words else 0, f"{block.where}\n{done}")
        if "file" not in block.values:
            self.project.path(name).unlink()
        self.printed = done.out

    def run(self, block):
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", block.text], cwd=self.project.folder, text=True,
                              env=self.project.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        wanted = int(block.values.get("exit", "0"))
        self.test.assertEqual(done.returncode, wanted, f"{block.where}\n{done.stdout}")
        self.printed = done.stdout

    def administer(self, block):
        """The block's SQL on the server."""
        if not self.server:
            self.server = MariaDb("--log-bin", "--binlog-format=ROW")
            self.project.write(".bin/mariadb", f'#!/bin/sh\nexec {shutil.which("mariadb")} --no-defaults --user=root '
                               f'--socket={self.server.socket} --batch --skip-column-names "$@"\n', 0o755)
        self.server.sql(block.text)
        schema = re.search(r"CREATE DATABASE `?(\w+)", block.text)
        user = re.search(r"CREATE USER '(\w+)'@'[^']*' IDENTIFIED BY '([^']*)'", block.text)
        if schema and user and "DATABASE_URL" not in self.project.env:
            self.project.env["DATABASE_URL"] = self.server.url(schema[1], user[1], user[2])

    def compare(self, block):
        if block.language == "json":
            difference = json_difference(json.loads(block.text), json.loads(self.printed))
            self.test.assertIsNone(difference, f"{block.where}: {difference}\n{self.printed}")
            return
        self.test.assertTrue(text_matches(block.text, self.printed),
                             f"{block.where}: the page says\n{block.text}and it printed\n{self.printed}")


class Examples(unittest.TestCase):
    """Every page's blocks do what the page says; a test a page."""


def add_page(page):
    def walk_page(self):
        with Project() as project, Walk(self, project) as walk:
            for block in blocks_of(page):
                walk.take(block)

    name = re.sub(r"\W", "_", page.relative_to(ROOT).as_posix().lower())
    setattr(Examples, f"test_{name}", walk_page)


for each_page in PAGES:
    add_page(each_page)


def anchors_of(page):
    anchors, in_block = set(), False
    for line in page.read_text().splitlines():
        in_block = in_block != line.startswith("```")
        if not in_block and line.startswith("#"):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip())
            anchors.add(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"))
    return anchors


class Links(unittest.TestCase):
    def test_every_relative_link_leads_to_a_file_and_a_heading(self):
        wrong = []
        for page in PAGES:
            prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
            for link in re.findall(r"\]\(([^)\s]+)\)", prose):
                if re.match(r"[a-z]+:", link):
                    continue
                name, _, anchor = link.partition("#")
                target = (page.parent / name).resolve() if name else page
                if not target.exists():
                    wrong.append(f"{page.relative_to(ROOT)}: {link}: there is no such file")
                elif anchor and anchor not in anchors_of(target):
                    wrong.append(f"{page.relative_to(ROOT)}: {link}: there is no such heading")
        self.assertEqual(wrong, [])

    def test_every_page_of_docs_begins_with_what_it_is_for(self):
        for page in (ROOT / "docs").glob("*.md"):
            lines = [line for line in page.read_text().splitlines() if line]
            self.assertTrue(lines[0].startswith("# "), page)
            self.assertRegex(lines[1], r"^[A-Z]", f"{page.name} has no sentence under its title")

    def test_the_readme_leads_to_every_page_of_docs(self):
        linked = set(re.findall(r"docs/([a-z-]+\.md)", text_of("README.md")))
        self.assertEqual({page.name for page in (ROOT / "docs").glob("*.md")} - linked, set())

    def test_the_architecture_names_every_room(self):
        page = text_of("ARCHITECTURE.md")
        rooms = [folder.name for folder in (ROOT / "src").iterdir() if folder.is_dir()]
        self.assertEqual([room for room in rooms if f"| `{room}/` |" not in page], [])

    def test_the_scripts_that_the_readme_names_exist(self):
        for block in blocks_of(ROOT / "README.md"):
            for path in re.findall(r"\b(?:packaging|tests|examples|pipelines)/[\w./-]+", block.text):
                if block.language == "sh":
                    self.assertTrue((ROOT / path).exists(), f"{block.where}: {path}")


class Complete(unittest.TestCase):
    """What the program has stands in the documentation, and the other way round."""

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)

    told = {}

    def commands(self):
        """Each command with its help, asked once."""
        found = self.told
        if found:
            return found
        listed = self.project.run("help").out.split("commands:\n")[1].split("\nflags of")[0]
        for line in listed.splitlines():
            if re.match(r"  [a-z]", line):
                word = re.match(r"  ([a-z-]+(?: [a-z-]+)?)(?:  |$)", line)[1]
                found[word] = self.project.run("help", *word.split()).out
        self.assertIn("runs show", found)
        return found

    def words_of_cpp(self, file, function):
        """The quoted words of a list in a source."""
        body = text_of(file).split(function)[1]
        words = re.findall(r'"([a-z0-9_. -]+)"', body.split("}")[0])
        self.assertTrue(words, f"{function} in {file} lists nothing")
        return words

    def test_every_command_flag_and_second_name_stands_in_the_page_of_the_command_line(self):
        page = text_of("docs/command-line.md")
        missing = []
        for word, told in {**self.commands(), "": self.project.run("help").out}.items():
            also = re.search(r"^also: (.*)$", told, re.M)
            names = ["deployer " + word] if word else []
            names += also[1].split(", ") if also else []
            flags = [flag for flag in re.findall(r"^  (--?[a-zA-Z-]+)", told, re.M)]
            missing += [name for name in names if f"`{name}" not in page]
            missing += [f"{word}: {flag}" for flag in flags if not re.search(rf"`[^`]*{flag}\b", page)]
        self.assertEqual(missing, [])

    def test_every_command_that_is_not_there_yet_is_named(self):
        page = text_of("docs/command-line.md").split("## Not in this version")[1]
        words = self.words_of_cpp("src/operations/table.cpp", "later_operations() {")
        words += re.findall(r'"(--[a-z-]+)"', text_of("src/operations/table.cpp"))
        self.assertEqual([word for word in words if f"`{word}`" not in page], [])

    def test_no_page_tells_of_a_command_that_does_not_exist(self):
        known = {"help", "COMMAND", "WORD"}
        for word, told in self.commands().items():
            known.update((word, f"{word.split()[0]} "))  # `deployer migrate WORD`
            also = re.search(r"^also: (.*)$", told, re.M)
            known.update(name[len("deployer "):] for name in (also[1].split(", ") if also else []))
        wrong = []
        for page in PAGES:
            text = page.read_text()
            code = re.findall(r"`([^`\n]+)`", text)
            code += [block.text for block in blocks_of(page) if block.language == "sh"]
            for piece in code:
                for first, second in re.findall(r"(?:^|[;&|(\s])deployer ([a-zA-Z-]+)(?: ([a-z]+))?", piece):
                    if first not in known and f"{first} {second}" not in known and not first.startswith("-"):
                        wrong.append(f"{page.relative_to(ROOT)}: deployer {first} {second}")
        self.assertEqual(wrong, [])

    def section(self, action):
        found = re.search(rf"^## `{action}`$(.*?)(?=^## |\Z)", text_of("docs/actions.md"), re.M | re.S)
        self.assertIsNotNone(found, f"docs/actions.md has no section of {action}")
        return found[1]

    def documented_keys(self, action):
        """The keys of the section's tables: `KEY`, or `SECTION.KEY`."""
        return re.findall(r"^\| `([a-z_.]+)` \|", self.section(action), re.M)

    def test_every_action_and_each_of_its_keys_stands_in_the_page_of_the_actions(self):
        self.project.write("p.yml", "steps:\n  - {uses: none/at-all}\n")
        listed = re.search(r"actions are ([a-z_, ]+)", self.project.run("validate", "p.yml").out)[1]
        actions = re.split(r", | and ", listed)
        self.assertEqual(set(actions), set(ACTION_SOURCES))
        retention = re.findall(r'"(keep_[a-z]+)"', text_of("src/backups/retention.cpp"))
        for action, sources in ACTION_SOURCES.items():
            declared = [a or b for source in sources for a, b in DECLARED.findall(text_of(f"src/actions/{source}"))]
            if action == "prune":
                declared += retention
            page = self.section(action)
            missing = [key for key in declared if not re.search(rf"`(?:[a-z_]+\.)?{key}`", page)]
            self.assertEqual(missing, [], f"keys of {action} that docs/actions.md has not")

    def test_the_program_knows_every_key_that_the_page_of_the_actions_gives(self):
        for action in ACTION_SOURCES:
            keys = {}
            for key in self.documented_keys(action):
                section, _, member = key.rpartition(".")
                if section:
                    keys[section] = keys.get(section, "") + f"{member}: 1, "
                else:
                    keys.setdefault(key, "")
            with_keys = ", ".join(f"{key}: {{{members}}}" if members else f"{key}: 1" for key, members in keys.items())
            self.project.write("p.yml", f"steps:\n  - uses: {action}\n    with: {{{with_keys}}}\n")
            done = self.project.run("validate", "p.yml")
            self.assertNotIn("unknown key", done.out, action)

    def test_actions_and_keys_that_are_not_there_yet_are_named(self):
        page = text_of("docs/pipelines.md").split("## Not in this version")[1]
        words = self.words_of_cpp("src/actions/table.cpp", "later_words = {")
        words += self.words_of_cpp("src/pipeline/document.cpp", "later_head_words() {")
        words += self.words_of_cpp("src/pipeline/document_steps.cpp", "later_step_words() {")
        self.assertEqual([word for word in words if f"`{word}`" not in page], [])

    def test_every_key_of_a_document_and_of_a_step_stands_in_the_page_of_the_pipelines(self):
        page = text_of("docs/pipelines.md")
        for file in ("src/pipeline/document.cpp", "src/pipeline/document_steps.cpp"):
            keys = re.findall(r'(?:document_key|time_limit_key)\("([a-z_]+)"|\{\.name = "([a-z_]+)"', text_of(file))
            names = {a or b for a, b in keys} - {"command", "required"}  # of a hook: its page has them
            self.assertEqual([key for key in sorted(names) if not re.search(rf"`{key.replace('_', '[-_]')}\b", page)],
                             [], file)

    def test_every_setting_stands_with_its_default_and_its_variable_in_the_page_of_the_settings(self):
        """Each variable is set to the default that the page gives, and must change nothing."""
        page = text_of("docs/settings.md")
        rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", page, re.M))
        shown = {item["key"]: item for item in self.project.run("config", "show", "--json").json()["items"]}
        settings = {key for key, item in shown.items() if item["origin"] in ("default", "DEPLOYER_STATE")
                    and not key.startswith(("database.", "backups."))}  # head keys of documents
        self.assertEqual(set(rows), settings)
        env = {"DEPLOYER_" + key.upper().replace(".", "_"): value for key, value in rows.items() if key != "state"}
        again = self.project.run("config", "show", "--json", env=env)
        self.assertEqual(again.status, 0, again)
        for item in again.json()["items"]:
            if item["key"] in rows and item["key"] != "state":
                self.assertEqual(item["value"], shown[item["key"]]["value"], f"the default of {item['key']}")
                self.assertIn(item["origin"], env)

    def test_settings_of_later_versions_and_shared_keys_are_named(self):
        page = text_of("docs/settings.md")
        words = self.words_of_cpp("src/pipeline/settings.cpp", "later_settings() {")
        words += self.words_of_cpp("src/pipeline/settings.cpp", "shared_head_keys() {")
        self.assertEqual([word for word in words if f"`{word}`" not in page], [])

    def test_every_exit_status_stands_in_its_page(self):
        page = text_of("docs/exit-statuses.md")
        statuses = set(re.findall(r'\{ErrorKind::\w+, "\w+", (\d+), \d+\}', text_of("src/base/error.cpp")))
        self.assertGreater(len(statuses), 5)
        for status in sorted(statuses | {"0", r"128\+N"}):
            self.assertRegex(page, rf"(?m)^\| {status} \| ")

    def test_every_event_of_hooks_stands_in_its_page(self):
        events = self.words_of_cpp("src/pipeline/document.cpp", "run_event_names() {")
        self.assertEqual([event for event in events if f"`{event}`" not in text_of("docs/hooks.md")], [])

    def test_every_word_of_a_database_url_stands_in_the_page_of_the_command_line(self):
        words = re.findall(r'^    \{"([a-z_]+)", ', text_of("src/database/url.cpp"), re.M)
        self.assertIn("unix_socket", words)
        self.assertEqual([word for word in words if f"`{word}`" not in text_of("docs/command-line.md")], [])


if __name__ == "__main__":
    unittest.main()
