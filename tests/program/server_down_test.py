"""A database server that goes down in the midst of a run: its rollback waits for it, and recover goes on from there."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project  # noqa: E402

MIGRATION = """-- revision: 001
-- Add books

-- migrate:up
CREATE TABLE books (id INT PRIMARY KEY);
-- migrate:down
DROP TABLE books;
"""


class ServerDown(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(MariaDb())
        self.server.sql("CREATE DATABASE books")
        self.project = self.enterContext(Project())
        self.project.env["DATABASE_URL"] = self.server.url("books")
        self.project.write("migrations/001.sql", MIGRATION)
        self.project.write("books.yml", "name: books\nsteps:\n  - {uses: migrate}\n"
                           f"  - {{id: break, run: 'kill -9 {self.server.process.pid}; exit 1'}}\n")

    def tables(self):
        return [name for name in self.server.sql("SHOW TABLES", "books").split() if not name.startswith("deployer_")]

    def test_back_in_time_is_an_ordinary_rollback(self):
        running = self.project.start("run", "books.yml")
        self.server.process.wait(timeout=60)
        self.server.start()
        out, err = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 1, out + err)
        run = self.project.last()
        self.assertEqual((run["status"], run["verified"], run["way_back"]), ("rolled_back", True, "down"))
        self.assertEqual(self.tables(), [])

    def test_one_that_stays_away_leaves_the_run_interrupted_and_recover_goes_on(self):
        failed = self.project.run("run", "books.yml", env={"DEPLOYER_ROLLBACK_WAIT": "1s"})
        self.assertEqual(failed.status, 3, failed)
        run = self.project.last()
        self.assertEqual((run["status"], run["exit_status"]), ("interrupted", 3))
        self.assertEqual(run["runbook"][-1], "to go on with the rollback: deployer recover")
        away = self.project.run("recover", env={"DEPLOYER_ROLLBACK_WAIT": "1s"})
        self.assertEqual(away.status, 3, away)

        self.server.kill()
        self.server.start()
        self.assertEqual(self.tables(), ["books"])
        refused = self.project.run("run", "books.yml")
        self.assertEqual(refused.status, 4, refused)
        self.assertIn(run["id"], refused.err)
        recovered = self.project.run("recover")
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual(self.project.last()["status"], "rolled_back")
        self.assertEqual(self.tables(), [])


if __name__ == "__main__":
    unittest.main()
