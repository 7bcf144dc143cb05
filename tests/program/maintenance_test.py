"""Maintenance that ends with its run, whatever becomes of the runner; and the checks before an upgrade."""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import some  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project, wait_for  # noqa: E402


class MaintenanceCase(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)

    def pipeline(self, steps):
        self.project.write("pipelines/deploy.yml", json.dumps({"name": "deploy", "steps": steps}))

    def deploy(self, status, **env):
        done = self.project.run("run", "deploy.yml", env=env)
        self.assertEqual(done.status, status, done)
        return done

    def kill_at_some_points(self, most, check):
        """The run killed at some of its points; after each, recovered, it has ended and `check(where)` holds."""
        trace = self.project.path("trace")
        before = self.project.run("run", "deploy.yml", env={"DEPLOYER_FAULT_TRACE": str(trace)})
        names = trace.read_text().splitlines()
        check(f"nowhere: {before}")
        tried = some(range(1, len(names) + 1), most)
        statuses = set()
        for point in tried:
            where = f"after a kill at {point} ({names[point - 1]})"
            self.assertEqual(self.deploy(-9, DEPLOYER_FAULT_KILL=str(point)).status, -9)
            recovered = self.project.run("recover")
            self.assertEqual(recovered.status, 0, f"{where}: {recovered}")
            statuses.add(self.project.last()["status"])
            check(where)
        print(f"{self.id()}: killed at {len(tried)} of {len(names)} points: {sorted(statuses)}", file=sys.stderr)
        return statuses

    def under(self, text, fails):
        step = {"name": "work", "run": text, "rollback": text}
        return [step, {"name": "fails", "run": "exit 1"}] if fails else [step]

class Maintenance(MaintenanceCase):
    def test_a_file_is_gone_after_a_kill_at_any_point_of_a_run_that_succeeds(self):
        self.pipeline([{"uses": "maintenance", "with": {"file": "flag"}}, *self.under("test -e flag", False)])
        statuses = self.kill_at_some_points(8, lambda where: self.assertIsNone(self.project.read("flag"), where))
        self.assertEqual(statuses, {"succeeded", "rolled_back"})

    def test_a_file_is_gone_after_a_kill_at_any_point_of_a_run_that_fails(self):
        self.pipeline([{"uses": "maintenance", "with": {"file": "flag"}}, *self.under("test -e flag", True)])
        statuses = self.kill_at_some_points(8, lambda where: self.assertIsNone(self.project.read("flag"), where))
        self.assertEqual(statuses, {"rolled_back"})

    def test_a_command_is_told_off_after_a_kill_at_any_point(self):
        self.pipeline([{"uses": "maintenance", "with": {"command": "echo $DEPLOYER_MAINTENANCE > now"}},
                       *self.under("grep on now", True)])
        self.kill_at_some_points(8, lambda where: self.assertIn(self.project.read("now"), (None, "off\n"), where))

    def test_it_may_not_fail_and_be_passed_over(self):
        self.pipeline([{"uses": "maintenance", "with": {"file": "flag"}, "continue-on-error": True}])
        refused = self.deploy(2)
        self.assertIn("continue", refused.err)


class OnAServer(MaintenanceCase):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDb()
        cls.addClassCleanup(cls.server.__exit__)

    def setUp(self):
        super().setUp()
        self.server.sql("DROP DATABASE IF EXISTS books; CREATE DATABASE books; SET GLOBAL read_only = 0")
        self.project.env["DATABASE_URL"] = self.server.url("books")

    def read_only(self):
        return self.server.sql("SELECT @@global.read_only").strip()

    def test_read_only_has_ended_after_a_kill_at_any_point(self):
        look = (f"test $(mariadb --no-defaults -uroot --socket={self.server.socket} --batch --skip-column-names "
                "-e 'SELECT @@global.read_only') = 1")
        self.pipeline([{"uses": "maintenance", "with": {"database": "read_only"}}, *self.under(look, False)])
        self.kill_at_some_points(6, lambda where: self.assertEqual(self.read_only(), "0", where))

    def test_read_only_has_ended_where_the_server_died_with_the_runner(self):
        self.pipeline([{"uses": "maintenance", "with": {"database": "read_only"}},
                       {"name": "dies", "run": f"kill -9 {self.server.process.pid}; kill -9 $PPID; sleep 1"}])
        self.deploy(-9)
        self.server.kill()
        self.server.start()
        recovered = self.project.run("recover")
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual((self.read_only(), self.project.last()["status"]), ("0", "rolled_back"))

    def test_the_checks_name_the_session_that_blocks(self):
        self.server.sql("CREATE TABLE books.books (id INT PRIMARY KEY)")
        self.project.write("migrations/1_pages.sql",
                           "-- revision: 1\n-- revises:\n-- Pages\n\n-- migrate:up\n"
                           "ALTER TABLE books ADD pages INT;\n\n-- migrate:down\nALTER TABLE books DROP pages;\n")
        good = self.project.run("preflight")
        self.assertEqual(good.status, 0, good)
        self.assertIn("ok       table_integrity   the touched tables are whole\n", good.out)
        with subprocess.Popen(["mariadb", "--no-defaults", "-uroot", f"--socket={self.server.socket}", "--unbuffered",
                               "--batch", "--skip-column-names", "books"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as holder:
            holder.stdin.write("BEGIN; SELECT * FROM books; SELECT CONNECTION_ID();\n")
            holder.stdin.flush()
            connection = holder.stdout.readline().strip()
            limit = {"DEPLOYER_CHECKS_LONG_TRANSACTION": "0s"}
            told = wait_for(lambda: (lambda done: done if done.status == 6 else None)(
                self.project.run("migrate", "preflight", "--json", env=limit)))
            holder.stdin.close()
        answer = told.json()
        self.assertFalse(answer["ok"])
        found = next(item for item in answer["items"] if item["check"] == "long_transaction")
        self.assertEqual(found["status"], "error")
        self.assertIn(f"connection {connection} (root@localhost, ", found["message"])
        self.assertIn(f"KILL {connection}", found["hint"])


if __name__ == "__main__":
    unittest.main()
