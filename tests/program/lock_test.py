"""One at a time, whoever asks: other checkouts, other state folders, other users."""
import os
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.program import Project  # noqa: E402

PIPELINE = """
database: {url: "sqlite:///data.db"}
steps:
  - {id: a, run: "echo a >> log", rollback: "echo undo-a >> log"}
  - {id: b, run: "echo b >> log", rollback: "echo undo-b >> log"}
"""


class AnotherStateFolder(unittest.TestCase):
    def test_what_died_on_a_database_is_not_built_upon_from_another_state_folder(self):
        with Project() as project:
            project.write("p.yml", PIPELINE)
            sqlite3.connect(project.path("data.db")).close()
            trace = project.path("trace")
            other = {"DEPLOYER_STATE": str(project.path("other"))}
            project.run("run", "p.yml", env={"DEPLOYER_FAULT_TRACE": str(trace)})
            points = trace.read_text().splitlines()
            middle = max(i for i, name in enumerate(points, 1) if name == "effect.after command")
            project.path("log").unlink()
            killed = project.run("run", "p.yml", env={"DEPLOYER_FAULT_KILL": str(middle)})
            self.assertEqual(killed.status, -9, killed)
            dead = project.runs()[0]["id"]

            refused = project.run("run", "p.yml", env=other)
            self.assertEqual(refused.status, 4, refused)
            self.assertIn(dead, refused.err)
            self.assertIn(str(project.state), refused.err)
            self.assertEqual(project.read("log").split(), ["a", "b"])

            self.assertEqual(project.run("recover", "--all").status, 0)
            self.assertEqual(project.read("log").split(), ["a", "b", "undo-b", "undo-a"])
            self.assertEqual(project.run("run", "p.yml", env=other).status, 0)


if __name__ == "__main__":
    unittest.main()
