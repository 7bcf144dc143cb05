"""The runner, the server, or both are killed with SIGKILL while a MariaDB is migrated: at points, and inside statements.
After `deployer recover` schema and rows are as before the run or as after it, whatever another client wrote is there,
the lock is free, and the journal says what happened.

A part of the kills in the gate; all of them with DEPLOYER_CRASH_ALL=1. The counts are printed.
"""
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import some  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.program import PROGRAM, Project  # noqa: E402

ALL = os.environ.get("DEPLOYER_CRASH_ALL") == "1"

SCHEMA = """
CREATE TABLE p (id INT NOT NULL, v INT, PRIMARY KEY (id)) PARTITION BY RANGE (id)
  (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE swap (id INT NOT NULL, v INT, PRIMARY KEY (id));
CREATE TABLE one (id INT PRIMARY KEY, f FLOAT);
CREATE TABLE two (id INT PRIMARY KEY, f FLOAT);
CREATE TABLE full_one (id INT PRIMARY KEY);
CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE parent (id INT PRIMARY KEY);
CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);
CREATE TABLE log (n INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20));
CREATE TABLE visits (id INT AUTO_INCREMENT PRIMARY KEY, page VARCHAR(20));
CREATE TRIGGER parent_gone AFTER DELETE ON parent FOR EACH ROW INSERT INTO log (what) VALUES ('gone');
CREATE TABLE d1 (id INT PRIMARY KEY); CREATE TABLE d2 (id INT PRIMARY KEY); CREATE TABLE d3 (id INT PRIMARY KEY);
INSERT INTO p VALUES (1, 1), (200, 2); INSERT INTO swap VALUES (5, 5);
INSERT INTO one VALUES (1, 0.1); INSERT INTO two VALUES (2, 3.3333333);
INSERT INTO full_one VALUES (1), (2); INSERT INTO m VALUES (1);
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2); INSERT INTO d1 VALUES (1);
"""

REVISION = """-- revision: r1
-- migrate:up
ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE swap;
RENAME TABLE one TO tmp, two TO one, tmp TO two;
TRUNCATE TABLE full_one;
CREATE OR REPLACE TABLE full_one (id INT PRIMARY KEY, y INT);
INSERT INTO full_one VALUES (7, 7);
DELETE FROM parent WHERE id = 1;
DROP TABLE d1, d2, d3;
ALTER TABLE p PARTITION BY HASH (id) PARTITIONS 3;
ALTER TABLE m ADD y INT;
UPDATE one SET f = f * 3;
ALTER TABLE two ADD UNIQUE KEY f (f);
"""

SECOND = """-- revision: r2
-- revises: r1
-- migrate:up
ALTER TABLE one ADD note VARCHAR(20);
-- migrate:down
ALTER TABLE one DROP note;
"""

PIPELINE = """
name: crash
steps:
  - uses: backup
  - uses: migrate
    with: {rehearse: false}
  - id: last
    run: "LAST"
"""


class MariaDbKill(unittest.TestCase):
    def setUp(self):
        self.server = MariaDb("--log-bin", "--binlog-format=ROW", "--server-id=1")
        self.addCleanup(self.server.__exit__)
        self.number = 0
        self.outcomes = collections.Counter()
        self.after = None

    def begin(self, last="true"):
        """A new schema and a project of its own; what was there before is kept to compare."""
        self.number += 1
        self.schema = f"crash_{self.number}"
        self.server.sql(f"CREATE DATABASE {self.schema}")
        self.server.sql(SCHEMA, self.schema)
        project = Project()
        self.addCleanup(project.__exit__)
        project.write("migrations/r1.sql", REVISION)
        project.write("migrations/r2.sql", SECOND)
        project.write("crash.yml", PIPELINE.replace("LAST", last))
        project.write("etc/deployer.yml", "rollback_wait: 60s\n")
        self.database = ("--database", self.server.url(self.schema))
        self.before = self.content()
        return project

    def content(self):
        content = self.server.content(self.schema)
        content["rows"].pop("visits")
        # Numbers that were given out are never given out again: a restore keeps the larger counter.
        content["tables"] = {name: re.sub(r" AUTO_INCREMENT=\d+", "", text) for name, text in content["tables"].items()}
        return content

    def words(self, *more):
        return (*self.database, *more)

    def trace(self, last):
        project = self.begin(last)
        file = project.path(".trace")
        project.run(*self.words("--yes", "run", "crash.yml"), env={"DEPLOYER_FAULT_TRACE": str(file)})
        if last == "true":
            self.after = self.content()
        return file.read_text().splitlines()

    def check_settled(self, project, where):
        recovered = project.run(*self.words("recover"))
        self.assertEqual(recovered.status, 0, f"{where}: {recovered}")
        content = self.content()
        runs = project.runs()
        status = runs[0]["status"] if runs else "not begun"
        wanted = self.after if status == "succeeded" else self.before
        self.assertEqual(content, wanted, f"{where}, which ended {status}")
        self.assertIn(status, ("succeeded", "rolled_back", "not begun"), where)
        self.outcomes[status] += 1

    def write_visit(self):
        self.server.sql("INSERT INTO visits (page) VALUES ('/')", self.schema)

    def report(self, what, tried, of=None):
        print(f"{what} killed {tried} times{f' of {of}' if of else ''}: {dict(self.outcomes)}", file=sys.stderr)

    def kill_runner_at_points(self, last, most):
        if self.after is None:
            self.trace("true")
        points = self.trace(last)
        chosen = some(range(1, len(points) + 1), most)
        for point in chosen:
            project = self.begin(last)
            killed = project.run(*self.words("--yes", "run", "crash.yml"), env={"DEPLOYER_FAULT_KILL": str(point)})
            self.assertEqual(killed.status, -9, f"point {point} ({points[point - 1]}): {killed}")
            self.write_visit()
            self.check_settled(project, f"point {point} ({points[point - 1]})")
            self.assertEqual(self.server.sql("SELECT COUNT(*) FROM visits", self.schema).strip(), "1")
        self.report("the runner was", len(chosen), len(points))

    def test_the_runner_at_points_of_a_run_that_would_succeed(self):
        self.kill_runner_at_points("true", 6)

    def test_the_runner_at_points_of_a_run_that_fails(self):
        self.kill_runner_at_points("exit 1", 6)

    def killed_at_random(self, trials, kill_runner, kill_server):
        self.trace("true")
        seed = int(time.time())
        instants = random.Random(seed)
        for trial in range(trials):
            project = self.begin("exit 1" if trial % 2 else "true")
            trace = project.path(".trace")
            said = project.path(".said")
            with open(said, "w", encoding="utf-8") as out:
                runner = subprocess.Popen([PROGRAM, *self.words("--yes", "run", "crash.yml")], cwd=project.folder,
                                          env=project.environment({"DEPLOYER_FAULT_TRACE": str(trace)}),
                                          stdout=out, stderr=out)
            self.wait_for(lambda: runner.poll() is not None or "migrate." in
                          (trace.read_text() if trace.exists() else ""))
            time.sleep(instants.uniform(0, 0.4))
            if kill_server:
                self.server.kill()
            if kill_runner:
                runner.kill()
            if kill_server:
                self.server.start()
            status = runner.wait(timeout=120)
            self.assertIn(status, (-9, 0, 1), f"seed {seed}, trial {trial}: {said.read_text()}")
            self.check_settled(project, f"seed {seed}, trial {trial}")
        self.report("the runner" if not kill_server else "both were" if kill_runner else "the server was", trials)

    def wait_for(self, state):
        end = time.monotonic() + 60
        while not state():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.002)

    def test_the_runner_inside_statements(self):
        self.killed_at_random(60 if ALL else 3, True, False)

    def test_the_server(self):
        self.killed_at_random(40 if ALL else 2, False, True)

    def test_both(self):
        self.killed_at_random(40 if ALL else 2, True, True)


if __name__ == "__main__":
    unittest.main()
