"""The runner is killed with SIGKILL at every point: before and after every write of the journal and every effect. After
`deployer recover` the world is as it was before the run or as after it, the lock is free, no process is left, and the
journal says what happened.

A part of the points in the gate; all of them with DEPLOYER_CRASH_ALL=1. The counts are printed.
"""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.program import Project  # noqa: E402

ALL = os.environ.get("DEPLOYER_CRASH_ALL") == "1"

PIPELINE = """
name: crash
steps:
  - id: first
    run: "touch made-1; (setsid sleep 600 &); sleep 600 & echo one"
    rollback: "rm -f made-1"
  - id: second
    run: "echo two > made-2"
    rollback: "rm -f made-2"
  - id: third
    run: "touch made-3; FAIL"
    rollback: "rm -f made-3"
"""


def pipeline(fails):
    return PIPELINE.replace("FAIL", "exit 5" if fails else "true")


def some(points, most):
    """All points, or in the gate at most so many, spread evenly and always with the first and the last."""
    if ALL or len(points) <= most:
        return points
    step = (len(points) - 1) / (most - 1)
    return sorted({points[round(i * step)] for i in range(most)})


class KillEverywhere(unittest.TestCase):
    def project(self, fails):
        project = Project()
        self.addCleanup(project.__exit__)
        project.write("hooks/before-run", "#!/bin/sh\nexit 0\n", 0o755)
        project.write("crash.yml", pipeline(fails))
        return project

    def points(self, project, *words):
        trace = project.path(".trace")
        trace.unlink(missing_ok=True)
        project.run(*words, env={"DEPLOYER_FAULT_TRACE": str(trace)})
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    def world(self, project):
        return sorted(path.name for path in project.folder.glob("made-*"))

    def check_settled(self, project, point, outcomes):
        world = self.world(project)
        self.assertIn(world, ([], ["made-1", "made-2", "made-3"]), f"half done after a kill at point {point}")
        self.assertEqual(project.processes(), [], f"a process is left after a kill at point {point}")
        self.assertEqual(project.run("lock", "list", "--json").json()["items"], [])
        runs = project.runs()
        if runs:
            wanted = "succeeded" if world else "rolled_back"
            self.assertEqual(runs[0]["status"], wanted, f"point {point}")
            outcomes[wanted] = outcomes.get(wanted, 0) + 1
        else:
            self.assertEqual(world, [])
            outcomes["not begun"] = outcomes.get("not begun", 0) + 1

    def kill_in_run(self, fails):
        count = self.points(self.project(fails), "run", "crash.yml")
        outcomes = {}
        tried = some(list(range(1, count + 1)), 14)
        for point in tried:
            with self.project(fails) as project:
                killed = project.run("run", "crash.yml", env={"DEPLOYER_FAULT_KILL": str(point)})
                self.assertEqual(killed.status, -9, killed)
                recovered = project.run("recover")
                self.assertEqual(recovered.status, 0, f"point {point}: {recovered}")
                self.check_settled(project, point, outcomes)
        print(f"killed at {len(tried)} of {count} points: {outcomes}", file=sys.stderr)

    def test_a_run_that_would_succeed(self):
        self.kill_in_run(fails=False)

    def test_a_run_that_fails_and_is_rolled_back(self):
        self.kill_in_run(fails=True)

    def test_the_next_run_recovers_first(self):
        count = self.points(self.project(False), "run", "crash.yml")
        with self.project(False) as project:
            project.run("run", "crash.yml", env={"DEPLOYER_FAULT_KILL": str(count // 2)})
            done = project.run("run", "crash.yml")
            self.assertEqual(done.status, 0, done)
            self.assertEqual([run["status"] for run in project.runs()], ["succeeded", "rolled_back"])

    def test_recovery_itself_is_killed_and_done_again(self):
        count = self.points(self.project(True), "run", "crash.yml")
        outcomes = {}
        tried = total = 0
        for point in some(list(range(3, count)), 3):
            with self.project(True) as project:
                project.run("run", "crash.yml", env={"DEPLOYER_FAULT_KILL": str(point)})
                in_recovery = self.points(project, "recover")
            total += in_recovery
            for second in some(list(range(1, in_recovery + 1)), 5):
                with self.project(True) as project:
                    project.run("run", "crash.yml", env={"DEPLOYER_FAULT_KILL": str(point)})
                    killed = project.run("recover", env={"DEPLOYER_FAULT_KILL": str(second)})
                    self.assertEqual(killed.status, -9, killed)
                    recovered = project.run("recover")
                    self.assertEqual(recovered.status, 0, f"points {point}, {second}: {recovered}")
                    self.check_settled(project, (point, second), outcomes)
                    tried += 1
        print(f"recovery killed at {tried} of {total} points: {outcomes}", file=sys.stderr)

    def test_recover_with_nothing_to_do_is_exit_0(self):
        with self.project(False) as project:
            self.assertEqual(project.run("recover").status, 0)
            self.assertFalse(project.state.exists())


if __name__ == "__main__":
    unittest.main()
