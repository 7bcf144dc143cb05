"""A run that restarts a unit, killed with SIGKILL at the points around it, and what `deployer recover` makes of it."""
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import some  # noqa: E402
from support.program import wait_for  # noqa: E402
from support.systemd_services import SystemdTest  # noqa: E402


class Killed(SystemdTest):
    def test_the_old_code_runs_after_a_kill_at_any_point_around_the_restart(self):
        """The run fails behind the restart, so that its points are those of both directions."""
        self.start()
        document = self.services.document({"run": "exit 1"})
        trace = self.services.path("trace")
        done = self.services.deploy(document, env={"DEPLOYER_FAULT_TRACE": str(trace)})
        self.assertEqual(done.status, 1, done)
        names = trace.read_text().splitlines()
        first = names.index("effect.before restart app")
        points = [number for number in range(first, len(names) + 1) if not names[number - 1].startswith("journal")]
        tried = some(points, 5)
        for point in tried:
            where = f"killed at {point} ({names[point - 1]})"
            with self.subTest(where):
                _, _, before = self.services.running()
                killed = self.services.deploy(document, env={"DEPLOYER_FAULT_KILL": str(point)})
                self.assertEqual(killed.status, -9, killed)
                recovered = self.services.run("recover")
                self.assertEqual(recovered.status, 0, recovered)
                shown = self.services.last()
                self.assertEqual((shown["status"], shown["verified"]), ("rolled_back", True), recovered)
                state, _, invocation = self.services.running()
                self.assertEqual((state, self.services.started()[-1]), ("active", "1"))
                self.assertEqual(self.services.run("recover").out, "nothing to recover\n")
                if names[point - 1] == "effect.before restart app":
                    self.assertEqual(invocation, before)  # it was never touched
        print(f"killed at {len(tried)} of {len(points)} points", file=sys.stderr)

    def test_a_kill_while_the_new_code_gets_ready(self):
        """systemd goes on starting the unit while nobody waits for it, and while it is recovered."""
        self.start()
        self.services.release("touch here; sleep 1000")
        running = self.services.launch(self.services.document(ready_within="60s"))
        wait_for(self.services.path("here").exists)
        os.kill(self.machine.inner(running), signal.SIGKILL)
        running.communicate(timeout=30)
        self.assertEqual(running.returncode, -9)
        recovered = self.services.run("recover")
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual(self.services.last()["verified"], True)
        self.assertOldRuns()


if __name__ == "__main__":
    unittest.main()
