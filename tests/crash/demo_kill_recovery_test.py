"""The recovery of a killed deployment is killed itself, and done again."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import ALL, KillTest, some, spread, succeeding  # noqa: E402


class DemoKillRecovery(KillTest):
    def test_recovery_itself_is_killed_and_done_again(self):
        names = self.points_of_run(succeeding)
        begun = names.index("journal.after effect_intended") + 1
        tried = total = 0
        for point in spread(range(begun, names.index("journal.after run_succeeded")), 6)[0 if ALL else 5:]:
            self.kill_run(succeeding, point)
            in_recovery = self.trace(lambda env: self.library.run("recover", env=env))
            self.check_settled(point)
            total += len(in_recovery)
            for second in some(range(1, len(in_recovery) + 1), 5):
                self.kill_run(succeeding, point)
                killed = self.library.run("recover", env={"DEPLOYER_FAULT_KILL": str(second)})
                self.assertEqual(killed.status, -9, f"points {point}, {second}: {killed}")
                self.recover(f"{point} ({names[point - 1]}) and {second} ({in_recovery[second - 1]})")
                tried += 1
        self.report(f"recovery killed at {tried} of {total} points")


if __name__ == "__main__":
    unittest.main()
