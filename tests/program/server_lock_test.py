"""Two runners meet at the lock of a database server: other checkouts, state folders, users, pid namespaces."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import program  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project, wait_for  # noqa: E402

# A step that waits for a file `go` in its own checkout, and one that leaves its name in the database.
PIPELINE = """
name: books
env: {SOCKET: "%s"}
steps:
  - {id: hold, run: "touch held; while [ ! -e go ]; do sleep 0.02; done"}
  - id: write
    run: mariadb --no-defaults -uroot -S "$SOCKET" books -e "INSERT INTO log (what) VALUES ('$WHO')"
    env: {WHO: "${{ vars.who }}"}
    rollback: mariadb --no-defaults -uroot -S "$SOCKET" books -e "DELETE FROM log WHERE what = '$WHO'"
vars: {who: nobody}
"""
LEASE_IS_OVER = "UPDATE deployer_lock SET lease = '2026-01-01T00:00:00Z'"


class Runner(Project):
    """A checkout with a state folder of its own."""

    def __init__(self, server):
        super().__init__()
        self.env["DATABASE_URL"] = server.url("books")
        self.write("books.yml", PIPELINE % server.socket)

    def hold(self, who):
        started = self.start("run", "books.yml", "--var", f"who={who}")
        wait_for(lambda: self.path("held").exists())
        return started

    def go(self):
        self.write("go", "")

    def finish(self, started):
        out, err = started.communicate(timeout=60)
        return started.returncode, out, err


class TwoRunners(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(MariaDb())
        self.server.sql("CREATE DATABASE books; CREATE TABLE books.log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT)")
        self.first = self.enterContext(Runner(self.server))
        self.second = self.enterContext(Runner(self.server))

    def written(self):
        return self.server.sql("SELECT what FROM log ORDER BY id", "books").split()

    def assert_locked_by(self, result, run):
        self.assertEqual(result.status, 4, result)
        self.assertIn(f"run {run} on ", result.err)
        self.assertIn(" holds the lock of ", result.err)
        self.assertIn("; the server is doing: ", result.err)

    def test_the_second_is_refused_with_the_name_of_the_first_or_waits_for_it(self):
        held = self.first.hold("first")
        run = self.first.runs()[0]["id"]
        self.second.go()
        self.assert_locked_by(self.second.run("run", "books.yml"), run)

        locks = self.second.run("lock", "list", "--json").json()["items"]
        self.assertEqual([(lock["run"], lock["alive"]) for lock in locks], [(run, True)])
        self.assertEqual(locks[0]["journal"], str(next(self.first.state.glob("*/journal.db")).parent))
        own = self.first.run("lock", "list", "--json").json()["items"]
        self.assertEqual([lock["run"] for lock in own], [run])

        waiting = self.second.start("run", "books.yml", "--var", "who=second", "--lock-timeout", "60s")
        self.assertEqual(waiting.stderr.readline(), f"waiting for run {run} to end\n")
        self.first.go()
        self.assertEqual(self.first.finish(held)[0], 0)
        self.assertEqual(self.second.finish(waiting)[0], 0)
        self.assertEqual(self.written(), ["first", "second"])
        self.assertEqual(self.second.run("lock", "list").out, "no locks are held\n")

    def test_the_run_of_one_that_was_killed_is_taken_back_by_the_other_first(self):
        trace = self.first.path("trace")
        self.first.go()
        self.first.run("run", "books.yml", env={"DEPLOYER_FAULT_TRACE": str(trace)})
        self.server.sql("DELETE FROM log", "books")
        points = trace.read_text().splitlines()
        last = max(i for i, name in enumerate(points, 1) if name == "effect.after command")
        killed = self.first.run("run", "books.yml", "--var", "who=first", env={"DEPLOYER_FAULT_KILL": str(last)})
        self.assertEqual(killed.status, -9, killed)
        self.assertEqual(self.written(), ["first"])
        dead = self.first.runs()[0]["id"]

        self.second.go()
        done = self.second.run("run", "books.yml", "--var", "who=second")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.written(), ["second"])
        statuses = {run["id"]: run["status"] for run in self.second.runs()}
        self.assertEqual(statuses.pop(dead), "rolled_back")
        self.assertEqual(list(statuses.values()), ["succeeded"])

        # The first, which slept meanwhile, hears of it and undoes nothing a second time.
        self.assertEqual(self.first.run("run", "books.yml", "--var", "who=third").status, 0)
        self.assertEqual(self.written(), ["second", "third"])
        self.assertEqual({run["id"]: run["status"] for run in self.first.runs()}[dead], "rolled_back")

    @unittest.skipUnless(os.geteuid() == 0, "another user needs root")
    def test_two_users_meet(self):
        # The program may lie where others may not go.
        with tempfile.TemporaryDirectory(prefix="deployer-program-") as folder:
            pathlib.Path(folder).chmod(0o755)
            copy = shutil.copy(program.PROGRAM, folder)
            for path in [self.second.folder, *self.second.folder.rglob("*")]:
                shutil.chown(path, "nobody", "nogroup")
            self.second.prefix = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "sh", "-c",
                                  f"shift; exec {copy} \"$@\"", "sh"]
            held = self.first.hold("first")
            run = self.first.runs()[0]["id"]
            self.assert_locked_by(self.second.run("run", "books.yml"), run)
            held.kill()
            held.communicate()
            self.second.go()
            done = self.second.run("run", "books.yml", "--var", "who=second")
            self.assertEqual(done.status, 0, done)
            self.assertEqual(self.written(), ["second"])

    @unittest.skipUnless(os.geteuid() == 0, "another pid namespace needs root")
    def test_pids_decide_nothing_across_namespaces(self):
        apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self.second.prefix = apart
        held = self.first.hold("first")
        run = self.first.runs()[0]["id"]
        self.assert_locked_by(self.second.run("run", "books.yml"), run)
        self.first.go()
        self.assertEqual(self.first.finish(held)[0], 0)

        # And the other way: nobody outside can tell whether it lives, so its lease does.
        held = self.second.hold("second")
        run = self.second.runs()[0]["id"]
        held.send_signal(signal.SIGKILL)
        held.communicate()
        wait_for(lambda: not self.second.processes())
        self.assert_locked_by_lease(run)
        self.server.sql(LEASE_IS_OVER, "books")
        done = self.first.run("run", "books.yml", "--var", "who=third")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.written(), ["first", "third"])

    def assert_locked_by_lease(self, run):
        result = self.first.run("run", "books.yml")
        self.assertEqual(result.status, 4, result)
        self.assertIn(f"run {run} on ", result.err)

    def test_a_server_that_cannot_be_reached_is_an_error_before_the_run_has_an_id(self):
        self.server.kill()
        failed = self.first.run("run", "books.yml")
        self.assertEqual(failed.status, 1, failed)
        self.assertIn("cannot connect to ", failed.err)
        self.assertEqual(self.first.runs(), [])

    def test_a_server_that_comes_up_is_waited_for_as_the_connectivity_step_would(self):
        self.server.kill()
        self.first.write("wait.yml", "name: books\nsteps:\n  - {uses: connectivity, with: {database: true}, timeout: 60s}\n")
        waiting = self.first.start("run", "wait.yml")
        self.assertIsNone(waiting.poll())
        self.server.start()
        status, out, err = self.first.finish(waiting)
        self.assertEqual(status, 0, out + err)


if __name__ == "__main__":
    unittest.main()
