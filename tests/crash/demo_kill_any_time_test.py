"""A deployment is killed at any instant, and not at a point; the first one ever is; and a next run recovers."""
import json
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.kill_points import ALL, KillTest, failing, succeeding  # noqa: E402


class DemoKillAnyTime(KillTest):
    def test_at_any_instant(self):
        """Not at a point, but whenever it happens: also within an effect."""
        self.points_of_run(failing)
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        count = 100 if ALL else 3
        for _ in range(count):
            wait = chance.uniform(0.05, 3)
            self.library.write("library.yml", json.dumps(failing(self.library)))
            running = self.library.start("run", "library.yml")
            time.sleep(wait)
            running.kill()
            running.communicate()
            self.recover(f"{wait:.3f} s (seed {seed})")  # where it had ended before, there is nothing to do
        self.report(f"killed at {count} instants (seed {seed})")

    def test_the_first_deployment_ever(self):
        self.kill_at_some(succeeding, 4, first=True)

    def test_the_next_run_recovers_first(self):
        names = self.points_of_run(succeeding)
        self.kill_run(succeeding, names.index("effect.after start book-library") + 1)
        done = self.library.deploy(succeeding(self.library))
        self.assertEqual(done.status, 0, done)
        self.assertEqual([run["status"] for run in self.library.runs()], ["succeeded", "rolled_back", "succeeded"])
        self.assertTrue(self.is_done(self.library.world()))


if __name__ == "__main__":
    unittest.main()
