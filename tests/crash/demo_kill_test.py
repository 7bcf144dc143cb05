"""The runner of a deployment with all eight actions is killed at every effect and journal write, before and after.

A part of the points in the gate; all of them with DEPLOYER_CRASH_ALL=1. The counts are printed.
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import KillTest, succeeding  # noqa: E402


class DemoKill(KillTest):
    def test_a_run_that_would_succeed(self):
        self.kill_at_some(succeeding, 10)
        self.assertGreater(self.outcomes["succeeded"], 0)
        self.assertGreater(self.outcomes["rolled_back"], 0)


if __name__ == "__main__":
    unittest.main()
