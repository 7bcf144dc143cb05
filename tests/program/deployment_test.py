"""Deployments of the book library beyond one step that fails: the first ever, time-outs, secrets, two at once."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EMPTY, LibraryTest, healthy  # noqa: E402
from support.program import wait_for  # noqa: E402

SECRET = 'S3cret/"with all+kinds'
# What base64 makes of the secret's bytes at each of the three offsets, without the letters that its neighbours decide.
BASE64 = ["UzNjcmV0LyJ3aXRoIGFsbCtraW5k", "MzY3JldC8id2l0aCBhbGwra2luZH", "TM2NyZXQvIndpdGggYWxsK2tpbmRz"]


class Deployment(LibraryTest):
    def test_the_first_deployment_ever_fails_and_leaves_nothing_and_the_next_succeeds(self):
        document = self.library.document(3)
        document["steps"][6]["with"]["within"] = "3s"
        shown = self.fails(document, EMPTY)
        self.assertEqual((shown["revision_before"], shown["way_back"]), (None, "down"))
        self.assertIsNone(self.library.read("service.pid"))
        self.deploy(self.library.document(2))
        self.assertEqual(self.library.health(), healthy(2))

    def test_again_at_once_there_is_nothing_to_do(self):
        self.deploy(self.library.document(2))
        before = self.library.world()
        again = self.deploy(self.library.document(2))
        self.assertIn("nothing to do", again.out)
        self.assertEqual(self.library.world(), before)

    def test_a_service_that_was_stopped_stays_stopped_after_a_rollback(self):
        self.deploy(self.library.document(1))
        self.library.end_leftovers()
        wait_for(lambda: self.library.health() is None)
        before = self.library.world()
        document = self.library.document(2)
        document["steps"].append({"id": "smoke", "run": "exit 1"})
        self.fails(document, before)
        self.assertEqual(self.library.processes("DEPLOYER_SERVICE"), [])

    def test_a_time_out_takes_back_all_though_a_grandchild_ignores_term(self):
        self.deploy(self.library.document(1))
        before = self.library.world()
        deaf = "trap '' TERM; touch deaf; while true; do sleep 1; done"
        document = self.library.document(2)
        document["steps"][4]["with"] = {
            "command": f"./install 2.0.0; setsid bash -c \"{deaf}\" & while true; do sleep 1; done"}
        document["steps"][4]["timeout"] = "1s"
        shown = self.fails(document, before)
        self.assertTrue(self.library.path("deaf").exists())
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        self.assertEqual(failed["id"], "dependencies")
        self.assertIn("timed out", failed["error"])

    def test_a_password_is_in_no_sink(self):
        self.deploy(self.library.document(1))
        before = self.library.world()
        self.library.env["TOKEN"] = SECRET
        for name in ("before-restart", "on-failure"):
            self.library.write(f"hooks/{name}", "#!/bin/sh\necho hook: $TOKEN; echo and $TOKEN >&2\nexit 1\n", 0o755)
        document = self.library.document(2)
        document["secrets"] = ["TOKEN"]
        document["env"]["TOKEN"] = "${{ secrets.TOKEN }}"
        document["steps"][4]["with"] = {
            "command": "./install 2.0.0; echo \"with $TOKEN\"; printf '%s' \"$TOKEN\" | base64 >&2"}
        for changed, output in ((document, "plain"), (self.failing_health(document), "json")):
            self.library.write("library.yml", json.dumps(changed, indent=1))
            seen = self.library.run("run", "library.yml", "--log-level", "trace", "--output", output)
            self.assertEqual(seen.status, 1, seen)
            self.assertIn("***", seen.out)
            self.assertEqual(self.library.world(), before)
            texts = [seen]
            for words in (["runs", "show", "last", "--json"], ["runs", "show", "last"], ["runs", "logs", "last"]):
                texts.append(self.library.run(*words))
            for text in texts:
                for form in [SECRET, json.dumps(SECRET)[1:-1], *BASE64]:
                    self.assertNotIn(form, text.out + text.err)
            for form in [SECRET, json.dumps(SECRET)[1:-1], *BASE64]:
                self.assertEqual(self.library.files_with(form), [])
            self.library.path("hooks/before-restart").unlink(missing_ok=True)

    def failing_health(self, document):
        """Without the hook before it, the service starts with the secret in its environment, and an error shows it."""
        changed = json.loads(json.dumps(document))
        changed["steps"][6]["with"] = {"command": "echo \"refused: $TOKEN\" >&2; exit 1", "within": "500ms"}
        return changed

    def test_two_at_once_meet_at_the_lock_and_who_waits_finds_nothing_to_do(self):
        document = self.library.document(2)
        document["steps"].insert(1, {"id": "hold", "run": "touch held; while ! test -e go; do sleep 0.05; done"})
        self.library.write("library.yml", json.dumps(document))
        first = self.library.start("run", "library.yml")
        wait_for(self.library.path("held").exists)
        second = self.library.run("run", "library.yml")
        self.assertEqual(second.status, 4, second)
        [lock] = self.library.run("lock", "list", "--json").json()["items"]
        self.assertIn(lock["run"], second.err)
        waiting = self.library.start("run", "library.yml", "--lock-timeout", "60s")
        wait_for(lambda: len(self.library.run("lock", "list", "--json").json()["items"]) == 1)
        self.library.write("go", "")
        for running in (first, waiting):
            out, err = running.communicate(timeout=60)
            self.assertEqual(running.returncode, 0, out + err)
        self.assertIn("nothing to do", out)
        self.assertEqual([run["status"] for run in self.library.runs()], ["succeeded", "succeeded"])
        self.assertEqual(self.library.health(), healthy(2))
        self.assertEqual(len(self.library.processes("DEPLOYER_SERVICE")), 1)


if __name__ == "__main__":
    unittest.main()
