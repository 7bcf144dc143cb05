"""The runner may be thrown away: what it left is taken back from the copy of its journal in the database."""
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project  # noqa: E402

PIPELINE = """
name: books
env: {SOCKET: "%s"}
steps:
  - id: first
    run: mariadb --no-defaults -uroot -S "$SOCKET" books -e "INSERT INTO log (what) VALUES ('first')"
    rollback: mariadb --no-defaults -uroot -S "$SOCKET" books -e "INSERT INTO log (what) VALUES ('undo-first')"
  - id: second
    run: mariadb --no-defaults -uroot -S "$SOCKET" books -e "INSERT INTO log (what) VALUES ('second')"
    rollback: ./undo.sh
"""
UNDO = """#!/bin/sh
mariadb --no-defaults -uroot -S "$SOCKET" books -e "INSERT INTO log (what) VALUES ('undo-second')"
"""


class Checkout(Project):
    def __init__(self, server):
        super().__init__()
        self.env["DATABASE_URL"] = server.url("books")
        self.write("books.yml", PIPELINE % server.socket)
        self.write("undo.sh", UNDO, mode=0o755)


class Runners(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(MariaDb())
        self.server.sql("CREATE DATABASE books; CREATE TABLE books.log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT)")
        self.first = self.enterContext(Checkout(self.server))
        self.other = self.enterContext(Checkout(self.server))

    def written(self):
        return self.server.sql("SELECT what FROM log ORDER BY id", "books").split()

    def die(self, point="effect.after command"):
        """Kills the first runner at the last point of this name; the id of its run."""
        trace = self.first.path("trace")
        self.assertEqual(self.first.run("run", "books.yml", env={"DEPLOYER_FAULT_TRACE": str(trace)}).status, 0)
        self.server.sql("DELETE FROM log", "books")
        points = trace.read_text().splitlines()
        at = max(i for i, name in enumerate(points, 1) if name == point)
        killed = self.first.run("run", "books.yml", env={"DEPLOYER_FAULT_KILL": str(at)})
        self.assertEqual(killed.status, -9, killed)
        return self.first.runs()[0]["id"]

    def throw_away(self):
        shutil.rmtree(self.first.folder)

    def status_of(self, project, run):
        return {found["id"]: found["status"] for found in project.runs()}.get(run)


class ThrownAwayRunner(Runners):
    def test_another_checkout_takes_back_the_run_whose_folders_are_gone(self):
        run = self.die()
        self.throw_away()
        done = self.other.run("recover")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.written(), ["first", "second", "undo-second", "undo-first"])
        self.assertEqual(self.status_of(self.other, run), "rolled_back")
        self.assertEqual(self.other.run("recover").out, "nothing to recover\n")

    def test_the_next_run_does_the_same_first(self):
        self.die()
        self.throw_away()
        done = self.other.run("run", "books.yml")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.written(), ["first", "second", "undo-second", "undo-first", "first", "second"])

    def test_an_effect_is_in_the_copy_before_it_happens(self):
        self.die("journal.copied effect_intended")  # copied, and not yet in the journal of the runner
        self.throw_away()
        self.assertEqual(self.other.run("recover").status, 0)
        # Nobody can tell whether a command happened without a `probe`: its rollback runs in any case.
        self.assertEqual(self.written(), ["first", "undo-second", "undo-first"])

    def test_a_run_whose_success_was_journalled_goes_forward(self):
        run = self.die("journal.after run_succeeded")
        self.throw_away()
        self.assertEqual(self.other.run("recover").status, 0)
        self.assertEqual(self.written(), ["first", "second"])
        self.assertEqual(self.status_of(self.other, run), "succeeded")

    def test_the_recovery_may_die_and_be_thrown_away_too(self):
        run = self.die()
        self.throw_away()
        died = self.other.run("recover", env={"DEPLOYER_FAULT_KILL": "12"})
        self.assertEqual(died.status, -9, died)
        with Checkout(self.server) as third:
            self.assertEqual(third.run("recover").status, 0)
            self.assertEqual(self.status_of(third, run), "rolled_back")
        self.assertEqual(self.written()[-1], "undo-first")

    def test_a_copy_that_cannot_be_written_stops_a_step_before_it_begins(self):
        self.first.write("books.yml", (PIPELINE % self.server.socket).replace(
            "  - id: second", "  - {id: break, run: 'mariadb --no-defaults -uroot -S \"$SOCKET\" books -e "
            "\"RENAME TABLE deployer_journal TO aside\"'}\n  - id: second"))
        failed = self.first.run("run", "books.yml")
        self.assertEqual(failed.status, 1, failed)
        self.assertEqual(self.written(), ["first", "undo-first"])
        self.assertIn("the journal cannot be copied into the database", failed.out + failed.err)

    def test_a_needed_file_that_is_not_in_the_other_checkout_is_named(self):
        self.die()
        self.throw_away()
        self.other.path("undo.sh").unlink()
        left = self.other.run("recover")
        self.assertEqual(left.status, 3, left)
        self.assertIn("./undo.sh", left.out)
        self.other.write("undo.sh", UNDO, mode=0o755)
        self.assertEqual(self.other.run("recover").status, 0)
        self.assertEqual(self.written(), ["first", "second", "undo-first", "undo-second"])

    def test_a_server_that_is_down_stops_no_rollback_and_hears_of_it_later(self):
        self.first.write("books.yml", "name: books\nsteps:\n  - {id: note, run: touch note, rollback: rm note}\n"
                         f"  - {{id: break, run: 'kill -9 {self.server.process.pid}; exit 1'}}\n")
        failed = self.first.run("run", "books.yml")
        self.assertEqual(failed.status, 1, failed)
        self.assertIsNone(self.first.read("note"))
        run = self.first.last()
        self.assertEqual(run["status"], "rolled_back", run)

        self.server.kill()
        self.server.start()
        self.first.write("books.yml", PIPELINE % self.server.socket)
        self.assertEqual(self.first.run("run", "books.yml").status, 0)
        self.assertEqual(self.other.run("recover").out, "nothing to recover\n")

    def test_secrets_are_in_no_row(self):
        self.first.env["SECRET_KEY"] = "geheim99-und-lang"
        self.first.write("books.yml", (PIPELINE % self.server.socket).replace(
            "steps:", "secrets: [SECRET_KEY]\nsteps:\n  - {id: use, run: 'echo geheim99-und-lang'}", 1))
        self.assertEqual(self.first.run("run", "books.yml").status, 0)
        self.assertNotIn("geheim99", self.server.sql("SELECT * FROM deployer_journal", "books"))
        self.assertNotEqual(self.server.sql("SELECT * FROM deployer_journal", "books"), "")


@unittest.skipUnless(os.geteuid() == 0, "another name of the machine needs root")
class AnotherMachine(Runners):
    """The same from a machine of another name: files and services of the first are out of reach."""

    def setUp(self):
        super().setUp()
        self.other.prefix = ["unshare", "--uts", "sh", "-c", "hostname ci-8 && exec \"$@\"", "sh"]
        self.here = os.uname().nodename

    def test_what_is_out_of_reach_is_named_and_undone_where_it_is(self):
        run = self.die()
        left = self.other.run("recover")
        self.assertEqual(left.status, 3, left)
        self.assertIn(f"it is on {self.here}, where the run worked", left.out)
        self.assertIn(f"on {self.here}: deployer recover", left.out)
        self.assertEqual(self.written(), ["first", "second"])
        refused = self.other.run("run", "books.yml")
        self.assertEqual(refused.status, 4, refused)
        self.assertIn(run, refused.err)

        self.assertEqual(self.first.run("recover").status, 0)
        self.assertEqual(self.written(), ["first", "second", "undo-second", "undo-first"])
        self.assertEqual(self.other.run("run", "books.yml").status, 0)
        self.assertEqual(self.status_of(self.other, run), "rolled_back")

    def test_what_is_in_the_database_is_undone_from_anywhere(self):
        migration = ("-- revision: 001\n-- Add books\n\n-- migrate:up\nCREATE TABLE books (id INT PRIMARY KEY);\n"
                     "-- migrate:down\nDROP TABLE books;\n")
        self.first.write("migrations/001.sql", migration)  # the other checkout does not even have it
        self.first.write("books.yml", "name: books\nsteps:\n  - {uses: migrate}\n  - {id: die, run: 'kill -9 $PPID'}\n")
        self.assertEqual(self.first.run("run", "books.yml").status, -9)
        self.assertIn("books", self.server.sql("SHOW TABLES", "books").split())
        self.throw_away()
        left = self.other.run("recover")
        self.assertEqual(left.status, 3, left)
        self.assertNotIn("books", self.server.sql("SHOW TABLES", "books").split())
        self.assertIn(f"die: 'command' could not be undone: it is on {self.here}", left.out.replace("\n    ", " "))
        self.assertEqual(self.other.run("recover", "--yes").status, 0)

    def test_a_person_may_give_up_what_is_on_a_machine_that_is_gone_for_good(self):
        self.die()
        self.throw_away()
        self.assertEqual(self.other.run("recover").status, 3)
        accepted = self.other.run("recover", "--yes")
        self.assertEqual(accepted.status, 0, accepted)
        self.assertEqual(self.written(), ["first", "second"])
        self.assertEqual(self.other.run("run", "books.yml").status, 0)


if __name__ == "__main__":
    unittest.main()
