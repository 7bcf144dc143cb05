"""Migrations of a real MariaDB in a pipeline with a backup: what fails goes back, with the rows that others wrote."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project  # noqa: E402

PIPELINE = """
name: books
steps:
  - uses: backup
  - uses: migrate
  - id: last
    run: |
      LAST
"""

WRITE_BOOK = "mariadb --no-defaults -uroot -S SOCKET SCHEMA -e \"INSERT INTO books (title) VALUES ('late')\"; exit 1"
WRITE_AUTHOR = ("mariadb --no-defaults -uroot -S SOCKET SCHEMA -e \"INSERT INTO authors (name) VALUES ('late'); "
                "INSERT INTO visits (page) VALUES ('/late')\"; exit 1")

SCHEMA = """
CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), rating FLOAT);
CREATE TABLE books (id INT PRIMARY KEY AUTO_INCREMENT, author INT, title VARCHAR(50), FOREIGN KEY (author)
  REFERENCES authors (id) ON DELETE CASCADE);
CREATE TABLE visits (id INT PRIMARY KEY AUTO_INCREMENT, page VARCHAR(20));
INSERT INTO authors (name, rating) VALUES ('Le Guin', 0.1), ('Lem', 3.3333333);
INSERT INTO books (author, title) VALUES (1, 'The Dispossessed'), (2, 'Solaris');
INSERT INTO visits (page) VALUES ('/');
"""


def revision(revises, up, down):
    head = f"-- revises: {revises}\n" if revises else ""
    below = f"-- migrate:down\n{down}\n" if down is not None else ""
    return f"{head}-- migrate:up\n{up}\n{below}"


class MariaDbMigrations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDb("--log-bin", "--binlog-format=ROW", "--server-id=1")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def project(self, revisions, last="true", pipeline=PIPELINE):
        name = f"t{self.id().rsplit('.', 1)[1][5:40]}"
        self.schema = name
        self.server.sql(f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`")
        self.server.sql(SCHEMA, name)
        project = Project()
        self.addCleanup(project.__exit__)
        before = ""
        for number, (up, down) in enumerate(revisions, 1):
            text = f"-- revision: r{number}\n" + revision(before, up, down)
            project.write(f"migrations/r{number}.sql", text)
            before = f"r{number}"
        last = last.replace("SOCKET", str(self.server.socket)).replace("SCHEMA", name)
        project.write("books.yml", pipeline.replace("LAST", last))
        self.database = ("--database", self.server.url(name))
        return project

    def run_pipeline(self, project, *more, **options):
        return project.run(*self.database, "run", "books.yml", *more, **options)

    def content(self):
        return self.server.content(self.schema)

    def facts(self, project):
        return project.run("runs", "show", "last", "--json").json()

    def test_applies_them_and_says_so(self):
        project = self.project([("CREATE TABLE shelves (id INT); ALTER TABLE books ADD shelf INT;",
                                 "ALTER TABLE books DROP shelf; DROP TABLE shelves;"),
                                ("INSERT INTO shelves VALUES (1); UPDATE books SET shelf = 1;",
                                 "UPDATE books SET shelf = NULL; DELETE FROM shelves;")])
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.server.sql("SELECT shelf FROM books", self.schema), "1\n1\n")
        status = project.run(*self.database, "migrate", "status")
        self.assertIn("Up to Date: True", status.out)

    def test_complete_revisions_go_back_by_their_down_sections_and_keep_what_others_wrote(self):
        project = self.project([("ALTER TABLE books ADD shelf INT DEFAULT 7;", "ALTER TABLE books DROP shelf;"),
                                ("CREATE TABLE shelves (id INT);", "DROP TABLE shelves;")],
                               last=WRITE_BOOK)
        before = self.content()
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 1, done)
        after = self.content()
        self.assertEqual(after["tables"].keys(), before["tables"].keys())
        self.assertIn("late", "".join(after["rows"]["books"]))
        self.assertEqual(self.facts(project)["way_back"], "down")

    def test_a_revision_that_stops_half_way_is_restored(self):
        project = self.project([("ALTER TABLE books ADD shelf INT; DELETE FROM authors WHERE id = 1; "
                                 "ALTER TABLE books ADD CONSTRAINT c CHECK (shelf IS NOT NULL);", None)],
                               pipeline=PIPELINE.replace("uses: migrate", "uses: migrate\n    with: {rehearse: false}"))
        before = self.content()
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.content(), before)
        self.assertEqual(self.facts(project)["way_back"], "restore")
        self.assertIn("migrations/r1.sql:3", done.out + done.err)

    def test_what_the_rehearsal_finds_failing_touches_nothing(self):
        project = self.project([("ALTER TABLE books ADD shelf INT; ALTER TABLE nothing ADD x INT;", "")])
        before = self.content()
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.content(), before)
        self.assertEqual(project.run(*self.database, "current").out.strip(), "")

    def test_a_lossy_down_is_not_used(self):
        project = self.project([("ALTER TABLE authors DROP rating;", "ALTER TABLE authors ADD rating FLOAT;")],
                               last="exit 1")
        before = self.content()
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.content(), before)
        self.assertEqual(self.facts(project)["way_back"], "restore")

    def test_rows_of_others_are_not_lost_by_a_restore(self):
        project = self.project([("ALTER TABLE authors DROP rating;", "ALTER TABLE authors ADD rating FLOAT;")],
                               last=WRITE_AUTHOR)
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 3, done)
        self.assertIn("a restore would lose rows that others have written since the backup: authors (at least 1)",
                      done.out + done.err)
        self.assertIn("deployer recover --yes", done.out + done.err)
        self.assertIn("late", self.server.sql("SELECT name FROM authors", self.schema))
        accepted = project.run(*self.database, "recover", "--yes")
        self.assertEqual(accepted.status, 3, accepted)
        self.assertNotIn("late", self.server.sql("SELECT name FROM authors", self.schema))
        self.assertIn("/late", self.server.sql("SELECT page FROM visits", self.schema),
                      "a table that the revision does not touch keeps its rows")

    def test_with_writes_frozen_a_restore_goes_through_without_a_binary_log(self):
        project = self.project([("ALTER TABLE authors DROP rating;", "ALTER TABLE authors ADD rating FLOAT;")],
                               last="exit 1",
                               pipeline=PIPELINE.replace("steps:\n", "steps:\n  - uses: maintenance\n"
                                                         "    with: {database: read_only}\n"))
        before = self.content()
        done = self.run_pipeline(project)
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.content(), before)
        self.assertEqual(self.server.sql("SELECT @@read_only").strip(), "0")


if __name__ == "__main__":
    unittest.main()
