"""As demo_kill_test.py, for a run that fails at a health check: killed on its way forward and on its way back."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import KillTest, failing  # noqa: E402


class DemoKillFailing(KillTest):
    def test_a_run_that_fails_and_is_rolled_back(self):
        self.kill_at_some(failing, 7)
        self.assertEqual(self.outcomes["succeeded"], 0)

    def test_what_was_undone_before_the_death_is_proved_all_the_same(self):
        names = self.points_of_run(failing)
        self.kill_run(failing, names.index("settle.before migrate") + 1)
        recovered = self.library.run("recover")
        self.assertEqual(recovered.status, 0, recovered)
        self.assertIn("verified: healthy, as before", recovered.out)
        self.check_settled("the last undo")


if __name__ == "__main__":
    unittest.main()
