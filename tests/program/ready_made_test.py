"""The pipelines that come with deployer: each is good as it stands, and does what it says."""
import datetime
import json
import pathlib
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import ROOT, Project  # noqa: E402


class ReadyMade(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        shutil.copytree(ROOT / "pipelines", self.project.path("pipelines"))

    def test_every_one_is_good(self):
        files = sorted(path.name for path in (ROOT / "pipelines").glob("*.yml"))
        self.assertIn("nightly-backup.yml", files)
        done = self.project.run("validate", *files)
        self.assertEqual((done.status, done.err), (0, ""), done)
        self.assertEqual(len(done.out.splitlines()), len(files))

    def quiet(self, pipeline):
        """As the comment in the file has it for cron."""
        done = self.project.run("--database", "file:database-url", "run", pipeline, "--quiet")
        self.assertEqual((done.status, done.out, done.err), (0, "", ""), done)

    def backups(self):
        return self.project.run("--database", "file:database-url", "backup", "list", "--json").json()["items"]

    def grow_older(self, days):
        """Every backup so far was made so many days earlier."""
        for manifest in self.project.path("backups").glob("*.json"):
            told = json.loads(manifest.read_text())
            made = datetime.datetime.fromisoformat(told["created_at"].replace("Z", "+00:00"))
            told["created_at"] = (made - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
            manifest.write_text(json.dumps(told))

    def keep_the_rules(self):
        for _ in range(4):
            self.quiet("nightly-backup.yml")
            self.grow_older(100)
        self.quiet("nightly-backup.yml")
        made = self.backups()
        self.assertEqual(len(made), 5)
        for backup in made:
            self.assertEqual(backup["tags"], ["nightly"])
            self.assertIsNotNone(backup["drilled_at"])
        self.quiet("retention.yml")
        self.assertEqual([b["name"] for b in self.backups()], [b["name"] for b in made], "a month each: all are kept")
        for _ in range(2):
            self.quiet("nightly-backup.yml")
        self.grow_older(40)
        self.quiet("nightly-backup.yml")
        self.quiet("retention.yml")
        self.assertLess(len(self.backups()), 8, "of the three of one day two are in no rule's week or month")

    def test_nightly_backup_and_retention_keep_the_rules_on_sqlite(self):
        database = sqlite3.connect(self.project.path("library.db"))
        database.executescript("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT);"
                               "INSERT INTO books (title) VALUES ('Dune');")
        database.close()
        self.project.write("database-url", "sqlite:///library.db\n", 0o600)
        self.keep_the_rules()

    def test_nightly_backup_and_retention_work_on_mariadb(self):
        with MariaDb() as server:
            server.sql("CREATE DATABASE books; CREATE TABLE books.books (id INT PRIMARY KEY, title VARCHAR(40));"
                       "INSERT INTO books.books VALUES (1, 'Dune')")
            self.project.write("database-url", server.url("books") + "\n", 0o600)
            before = server.content("books")
            self.quiet("nightly-backup.yml")
            self.grow_older(1000)
            self.quiet("nightly-backup.yml")
            self.quiet("retention.yml")
            self.assertEqual([(b["engine"], b["tags"], b["drilled_at"] is None) for b in self.backups()],
                             [("mariadb", ["nightly"], False)] * 2, "the last three are kept, however old")
            self.assertEqual(server.content("books"), before)

    def test_a_night_that_fails_says_why(self):
        self.project.write("database-url", "sqlite:///library.db\n", 0o600)
        self.project.write("library.db", "this is no database " * 100)
        done = self.project.run("--database", "file:database-url", "run", "nightly-backup.yml", "--quiet")
        self.assertNotEqual(done.status, 0, done)
        self.assertIn("file is not a database", done.out + done.err)
        self.assertEqual(self.project.read("library.db"), "this is no database " * 100)


if __name__ == "__main__":
    unittest.main()
