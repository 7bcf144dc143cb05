"""A run on a database server is killed with SIGKILL at its points, and its checkout and state folder are thrown away.
Another checkout then brings it to one of its two ends from the copy of its journal, or is killed at that, and a third
one does. A part of the points in the gate; all of them with DEPLOYER_CRASH_ALL=1. The counts are printed."""
import collections
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import some  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project  # noqa: E402

STEP = """  - id: NAME
    run: mariadb --no-defaults -uroot -S "$SOCKET" books -e "REPLACE INTO made VALUES ('NAME')"
    rollback: mariadb --no-defaults -uroot -S "$SOCKET" books -e "DELETE FROM made WHERE what = 'NAME'"
"""
NAMES = ["first", "second"]


class ThrownAwayKill(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(MariaDb())
        self.server.sql("CREATE DATABASE books; CREATE TABLE books.made (what VARCHAR(20) PRIMARY KEY)")
        self.outcomes = collections.Counter()

    def checkout(self, last):
        project = Project()
        project.env["DATABASE_URL"] = self.server.url("books")
        project.write("books.yml", f"name: books\nenv: {{SOCKET: '{self.server.socket}'}}\nsteps:\n"
                      + "".join(STEP.replace("NAME", name) for name in NAMES) + last)
        return project

    def made(self):
        return self.server.sql("SELECT what FROM made ORDER BY what", "books").split()

    def points(self, last, words=("run", "books.yml")):
        with self.checkout(last) as project:
            trace = project.path("trace")
            project.run(*words, env={"DEPLOYER_FAULT_TRACE": str(trace)})
            self.server.sql("DELETE FROM made", "books")
            return trace.read_text().splitlines()

    def die(self, last, point, words=("run", "books.yml")):
        """A checkout whose process was killed, and which is gone."""
        with self.checkout(last) as project:
            killed = project.run(*words, env={"DEPLOYER_FAULT_KILL": str(point)})
            self.assertEqual(killed.status, -9, f"point {point}: {killed}")

    def recover(self, last, where):
        with self.checkout(last) as project:
            done = project.run("recover")
            self.assertEqual(done.status, 0, f"{where}: {done}")
            runs = project.runs()
            status = runs[0]["status"] if runs else "nothing to recover"
            self.outcomes[status] += 1
            if status == "nothing to recover":  # it had made nothing yet, or had come to its end
                self.assertIn(self.made(), ([], NAMES), where)
            else:
                self.assertEqual(self.made(), NAMES if status == "succeeded" else [], where)
            self.assertEqual(project.run("recover").out, "nothing to recover\n", where)
            self.assertEqual(project.run("lock", "list").out, "no locks are held\n", where)
        self.server.sql("DELETE FROM made", "books")

    def kill_at_some(self, last, most):
        names = self.points(last)
        tried = some(range(1, len(names) + 1), most)
        for point in tried:
            self.die(last, point)
            self.recover(last, f"killed at {point} ({names[point - 1]})")
        print(f"{self.id().rpartition('.')[2]}: killed at {len(tried)} of {len(names)} points: {dict(self.outcomes)}",
              file=sys.stderr)

    def test_a_run_that_succeeds(self):
        self.kill_at_some("", 6)

    def test_a_run_that_goes_back(self):
        self.kill_at_some("  - {id: break, run: exit 1}\n", 6)

    def test_a_recovery(self):
        at = self.points("").index("journal.after effect_done") + 1
        self.die("", at)
        names = self.points("", ("recover",))
        tried = some(range(1, len(names) + 1), 4)
        for point in tried:
            self.die("", at)
            self.die("", point, ("recover",))
            self.recover("", f"recovery killed at {point} ({names[point - 1]})")
        print(f"killed at {len(tried)} of {len(names)} points: {dict(self.outcomes)}", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
