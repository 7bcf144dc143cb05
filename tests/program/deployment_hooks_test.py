"""Hooks around a deployment of the book library that fail, or never end."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import LibraryTest, healthy  # noqa: E402


class DeploymentHooks(LibraryTest):
    def test_a_failing_before_hook_takes_the_deployment_back(self):
        self.deploy(self.library.document(1))
        before = self.library.world()
        self.library.write("hooks/before-health", "#!/bin/sh\necho not today >&2\nexit 3\n", 0o755)
        shown = self.fails(self.library.document(2), before)
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        self.assertEqual(failed["id"], "health")
        self.assertIn("before-health", failed["error"])
        self.assertIn("not today", failed["error"])

    def test_failing_after_hooks_and_hooks_of_the_end_are_warnings(self):
        for name in ("after-migrate", "on-success", "after-run"):
            self.library.write(f"hooks/{name}", "#!/bin/sh\nexit 1\n", 0o755)
        self.deploy(self.library.document(1))
        shown = self.library.last()
        self.assertEqual((shown["status"], shown["warnings"]), ("succeeded", 3))
        self.assertEqual(self.library.health(), healthy(1))

    def test_hooks_that_fail_during_a_rollback_do_not_stop_it(self):
        self.deploy(self.library.document(1))
        before = self.library.world()
        for name in ("before-rollback", "after-rollback", "on-failure", "after-run"):
            self.library.write(f"hooks/{name}", "#!/bin/sh\nexit 1\n", 0o755)
        document = self.library.document(2)
        document["steps"].append({"id": "smoke", "run": "exit 1"})
        self.assertEqual(self.fails(document, before)["warnings"], 4)

    def test_a_hook_that_never_ends_is_ended(self):
        self.deploy(self.library.document(1))
        before = self.library.world()
        document = self.library.document(2)
        document["hooks"] = {"before-health": [{"command": ["sleep", "600"], "timeout": "500ms"}]}
        shown = self.fails(document, before)
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        self.assertIn("timed out", failed["error"])


if __name__ == "__main__":
    unittest.main()
