"""`deployer run` with commands: order, rollback, retry, outputs, secrets, documents that are wrong."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.program import Project, wait_for  # noqa: E402

THREE_STEPS = """
name: three
steps:
  - {id: one, run: "echo one >> log", rollback: "echo undo-one >> log"}
  - {id: two, run: "echo two >> log", rollback: "echo undo-two >> log"}
  - {id: three, run: "echo three >> log; exit 7", rollback: "echo undo-three >> log"}
"""


class Run(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)

    def test_steps_run_in_order(self):
        self.project.write("p.yml", "steps:\n  - run: echo one >> log\n  - run: echo two >> log\n")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.project.read("log"), "one\ntwo\n")
        self.assertEqual(self.project.last()["status"], "succeeded")

    def test_when_the_third_of_three_fails_all_are_undone_in_reverse(self):
        self.project.write("p.yml", THREE_STEPS)
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.project.read("log").split(),
                         ["one", "two", "three", "undo-three", "undo-two", "undo-one"])
        shown = self.project.last()
        self.assertEqual(shown["status"], "rolled_back")
        self.assertEqual(shown["exit_status"], 1)
        self.assertEqual([step["status"] for step in shown["steps"]], ["undone", "undone", "failed"])
        self.assertEqual([step["undo"] for step in shown["steps"]], ["its rollback command"] * 3)
        self.assertIn("exited with status 7", shown["steps"][2]["error"])

    def test_an_undo_that_fails_is_exit_3_with_a_runbook(self):
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'true', rollback: 'echo no way >&2; exit 9'}\n"
                                    "  - {id: b, run: 'false'}\n")
        done = self.project.run("run", "p.yml", timeout=90)
        self.assertEqual(done.status, 3, done)
        shown = self.project.last()
        self.assertEqual(shown["status"], "rollback_failed")
        self.assertTrue(any("no way" in line for line in shown["runbook"]), shown)
        again = self.project.run("run", "p.yml")
        self.assertEqual(again.status, 4, again)
        self.assertIn(shown["id"], again.err)

    def test_a_typo_is_exit_2_at_its_place_with_a_suggestion_and_makes_no_state_folder(self):
        self.project.write("p.yml", "steps:\n  - rnu: echo hello\n")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 2, done)
        self.assertIn("p.yml:2:5: error:", done.err)
        self.assertIn("did you mean 'run'", done.err)
        self.assertFalse(self.project.state.exists())

    def test_a_failed_attempt_is_undone_before_the_next(self):
        self.project.write("p.yml", """
steps:
  - id: flaky
    run: "echo try >> log; test $(grep -c try log) -ge 3"
    rollback: "echo undo >> log"
    retry: {attempts: 3, delay: 10ms}
""")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.project.read("log").split(), ["try", "undo", "try", "undo", "try"])

    def test_continue_on_error_goes_on_and_is_undone(self):
        self.project.write("p.yml", """
steps:
  - {id: a, run: "echo a >> log; exit 1", rollback: "echo undo-a >> log", continue-on-error: true}
  - {id: b, run: "echo b >> log"}
""")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.project.read("log").split(), ["a", "undo-a", "b"])
        self.assertEqual(self.project.last()["warnings"], 1)

    def test_a_time_out_ends_the_whole_tree_also_a_grandchild_that_ignores_term(self):
        self.project.write("p.yml", """
steps:
  - id: slow
    timeout: 1s
    run: "(trap '' TERM; setsid bash -c 'trap \\"\\" TERM; while true; do sleep 1; done') & while true; do sleep 1; done"
    rollback: "echo undone >> log"
""")
        done = self.project.run("run", "p.yml", timeout=60)
        self.assertEqual(done.status, 1, done)
        self.assertIn("timed out", self.project.last()["steps"][0]["error"])
        self.assertEqual(self.project.read("log"), "undone\n")
        self.assertEqual(self.project.processes(), [])

    def test_what_a_step_left_in_the_background_ends_with_the_run(self):
        self.project.write("p.yml", "steps:\n  - run: 'sleep 600 & echo $! > pid'\n"
                                    "  - run: 'kill -0 $(cat pid) && echo alive > seen'\n")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.project.read("seen"), "alive\n")
        self.assertEqual(self.project.processes(), [])

    def test_outputs_are_kept(self):
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo version=7 >> $DEPLOYER_OUTPUT'}\n")
        self.assertEqual(self.project.run("run", "p.yml").status, 0)
        self.assertEqual(self.project.last()["steps"][0]["outputs"], {"version": "7"})

    def test_json_output_is_one_event_a_line_and_nothing_else(self):
        self.project.write("p.yml", THREE_STEPS)
        done = self.project.run("run", "p.yml", "--output", "json")
        kinds = [event["event"] for event in done.events()]
        self.assertEqual(kinds[0], "run_started")
        self.assertEqual(kinds[-1], "run_finished")
        for wanted in ("step_started", "step_finished", "rollback_started", "undo_started", "undo_finished",
                       "rollback_finished"):
            self.assertIn(wanted, kinds)

    def test_ids_sort_by_time_and_last_is_the_newest(self):
        self.project.write("p.yml", "steps:\n  - run: 'true'\n")
        for _ in range(3):
            self.assertEqual(self.project.run("run", "p.yml").status, 0)
        ids = [run["id"] for run in self.project.runs()]
        self.assertEqual(ids, sorted(ids, reverse=True))
        self.assertEqual(self.project.last()["id"], ids[0])

    def test_logs_hold_what_the_steps_printed(self):
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo to-out; echo to-err >&2'}\n")
        self.project.run("run", "p.yml")
        logs = self.project.run("runs", "logs", "last", "a").out
        self.assertIn("to-out", logs)
        self.assertIn("to-err", logs)

    def test_no_rollback_leaves_what_was_done_and_is_exit_3(self):
        self.project.write("p.yml", THREE_STEPS)
        done = self.project.run("run", "p.yml", "--no-rollback")
        self.assertEqual(done.status, 3, done)
        self.assertEqual(self.project.read("log").split(), ["one", "two", "three"])
        self.assertEqual(self.project.last()["status"], "failed")

    def test_term_rolls_back_and_is_exit_143(self):
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo a >> log', rollback: 'echo undo-a >> log'}\n"
                                    "  - {id: b, run: 'touch ready; while true; do sleep 1; done'}\n")
        running = self.project.start("run", "p.yml")
        wait_for(self.project.path("ready").exists)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
        self.assertEqual(running.returncode, 143)
        self.assertEqual(self.project.read("log").split(), ["a", "undo-a"])
        self.assertEqual(self.project.processes(), [])

    def test_two_runs_of_one_pipeline_meet_at_the_lock(self):
        self.project.write("p.yml", "steps:\n  - run: 'touch ready; while ! test -e go; do sleep 0.05; done'\n")
        running = self.project.start("run", "p.yml")
        wait_for(self.project.path("ready").exists)
        locks = self.project.run("lock", "list", "--json").json()["items"]
        self.assertEqual([lock["alive"] for lock in locks], [True])
        second = self.project.run("run", "p.yml")
        self.assertEqual(second.status, 4, second)
        self.assertIn(locks[0]["run"], second.err)
        self.project.write("go", "")
        running.communicate(timeout=30)
        self.assertEqual(running.returncode, 0)
        self.assertEqual(self.project.run("lock", "list", "--json").json()["items"], [])

    def test_who_waits_for_the_lock_gets_it(self):
        self.project.write("p.yml", "steps:\n  - run: 'touch ready; while ! test -e go; do sleep 0.05; done'\n")
        first = self.project.start("run", "p.yml")
        wait_for(self.project.path("ready").exists)
        second = self.project.start("run", "p.yml", "--lock-timeout", "30s")
        self.project.write("go", "")
        for running in (first, second):
            running.communicate(timeout=30)
            self.assertEqual(running.returncode, 0)

    def test_hooks_by_convention_are_told_what_happens(self):
        self.project.write("hooks/before-run", "#!/bin/sh\necho before $DEPLOYER_PIPELINE >> log\n", 0o755)
        self.project.write("hooks/on-failure.d/10-tell", "#!/bin/sh\ncat > told.json\n", 0o755)
        self.project.write("p.yml", "name: p\nsteps:\n  - {id: a, run: 'echo a >> log; exit 3'}\n")
        self.assertEqual(self.project.run("run", "p.yml").status, 1)
        self.assertEqual(self.project.read("log"), "before p\na\n")
        told = json.loads(self.project.read("told.json"))
        self.assertEqual((told["event"], told["status"]), ("on-failure", "rolled_back"))
        self.assertIn("exited with status 3", told["error"])

    def test_a_failing_before_hook_fails_its_step_and_a_failing_after_hook_is_a_warning(self):
        self.project.write("hooks/after-a", "#!/bin/sh\nexit 1\n", 0o755)
        self.project.write("hooks/before-b", "#!/bin/sh\nexit 1\n", 0o755)
        self.project.write("p.yml", "steps:\n  - {id: a, run: 'echo a >> log', rollback: 'echo undo-a >> log'}\n"
                                    "  - {id: b, run: 'echo b >> log'}\n")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 1, done)
        self.assertEqual(self.project.read("log").split(), ["a", "undo-a"])
        self.assertEqual(self.project.last()["warnings"], 1)

    def test_a_hook_that_is_not_executable_is_exit_2(self):
        self.project.write("hooks/before-run", "#!/bin/sh\n")
        self.project.write("p.yml", "steps:\n  - run: 'touch done'\n")
        done = self.project.run("run", "p.yml")
        self.assertEqual(done.status, 2, done)
        self.assertIn("hint: chmod +x", done.err)
        self.assertIsNone(self.project.read("done"))

    def test_stdout_that_cannot_be_written_stops_no_run(self):
        self.project.write("p.yml", "steps:\n  - run: 'echo one; echo a >> log'\n  - run: 'echo b >> log'\n")
        with open("/dev/full", "w") as full:
            done = subprocess.run([os.environ["DEPLOYER_PROGRAM"], "run", "p.yml"], cwd=self.project.folder,
                                  env=self.project.environment(), stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.project.read("log").split(), ["a", "b"])


SECRET = 'p@ss"wo rd%7'


class Secrets(unittest.TestCase):
    def test_a_planted_secret_is_in_no_sink(self):
        with Project() as project:
            project.env["TOKEN"] = SECRET
            project.write("hooks/on-failure", "#!/bin/sh\necho hook says $TOKEN\necho $TOKEN >&2; exit 1\n", 0o755)
            project.write("p.yml", """
secrets: [TOKEN]
env: {TOKEN: "${{ secrets.TOKEN }}"}
steps:
  - id: a
    run: |
      printf '%s' "$TOKEN" | head -c 5; sleep 0.1; printf '%s' "$TOKEN" | tail -c +6; echo
      printf '%s' "$TOKEN" | base64
      printf 'x%s' "$TOKEN" | base64
      echo "token=$TOKEN" >> $DEPLOYER_OUTPUT
      echo "fails with $TOKEN" >&2
      exit 1
    rollback: "echo rolling back with $TOKEN"
""")
            for output in ("plain", "json"):
                done = project.run("run", "p.yml", "--output", output, "--log-level", "trace")
                self.assertEqual(done.status, 1, done)
                seen = done.out + done.err
                for words in (["runs", "show", "last", "--json"], ["runs", "logs", "last"], ["runs", "show", "last"]):
                    result = project.run(*words)
                    seen += result.out + result.err
                for form in (SECRET, SECRET[:8], json.dumps(SECRET)[1:-1], "p%40ss%22wo%20rd%257", "cEBzcyJ3byByZCU3",
                             "BAc3MicG8gcmQ"):
                    self.assertNotIn(form, seen)
            for path in project.state.rglob("*"):
                if path.is_file():
                    self.assertNotIn(SECRET.encode(), path.read_bytes(), path)
                    self.assertNotIn(json.dumps(SECRET)[1:-1].encode(), path.read_bytes(), path)


class Recover(unittest.TestCase):
    """Runs that were killed, and what has changed since."""

    STEPS = """
steps:
  - {id: a, run: 'echo a >> log', rollback: 'echo undo-a $TOKEN >> log'}
  - {id: b, run: 'touch ready; while true; do sleep 0.1; done'}
"""

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)

    def kill_in_the_middle(self, project, document, *words, env=None):
        project.write("p.yml", document)
        running = project.start(*words, "run", "p.yml", env=env)
        wait_for(project.path("ready").exists)
        running.kill()
        running.communicate(timeout=30)

    def test_a_secret_that_is_gone_is_exit_3_and_named_and_is_waited_for(self):
        document = "secrets: [TOKEN]\nenv: {TOKEN: '${{ secrets.TOKEN }}'}\n" + self.STEPS
        self.kill_in_the_middle(self.project, document, env={"TOKEN": "hunter22"})
        without = self.project.run("recover")
        self.assertEqual(without.status, 3, without)
        self.assertIn("the secret 'TOKEN' is not in the environment", without.out + without.err)
        self.assertEqual(self.project.read("log"), "a\n")
        again = self.project.run("recover", env={"TOKEN": "hunter22"})
        self.assertEqual(again.status, 0, again)
        self.assertEqual(self.project.read("log"), "a\nundo-a hunter22\n")

    def test_one_project_that_is_gone_does_not_keep_the_others_from_being_recovered(self):
        other = Project()
        self.addCleanup(other.__exit__)
        other.state = self.project.state
        self.kill_in_the_middle(self.project, "name: here\n" + self.STEPS)
        self.kill_in_the_middle(other, "name: gone\n" + self.STEPS)
        moved = other.folder.rename(str(other.folder) + "-moved")
        try:
            recovered = self.project.run("recover", "--all")
            self.assertEqual(recovered.status, 3, recovered)
            self.assertIn("is not there any more: " + str(other.folder), recovered.out)
            self.assertEqual(self.project.read("log"), "a\nundo-a\n")
        finally:
            moved.rename(other.folder)
        self.assertEqual(self.project.run("recover", "--all").status, 0)
        self.assertEqual(other.read("log"), "a\nundo-a\n")

    def test_the_database_flag_of_one_run_is_not_taken_for_that_of_the_next(self):
        for number in ("one", "two"):
            self.kill_in_the_middle(self.project, f"name: {number}\n" + self.STEPS, "--database",
                                    f"sqlite:///{number}.db")
            self.project.path("ready").unlink()
        recovered = self.project.run("recover")
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual(self.project.read("log"), "a\na\nundo-a\nundo-a\n")

    def test_a_folder_whose_name_holds_a_secret_is_found_where_recover_runs(self):
        document = "secrets: [TOKEN]\n" + self.STEPS
        secret = {"TOKEN": self.project.folder.name}
        self.kill_in_the_middle(self.project, document, env=secret)
        recovered = self.project.run("recover", env=secret)
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual(self.project.read("log"), "a\nundo-a\n")

    def test_a_var_that_held_a_secret_is_named(self):
        document = "secrets: [TOKEN]\nvars: {place: x}\n" + self.STEPS
        self.project.write("p.yml", document)
        running = self.project.start("run", "p.yml", "--var", "place=in-hunter22", env={"TOKEN": "hunter22"})
        wait_for(self.project.path("ready").exists)
        running.kill()
        running.communicate(timeout=30)
        recovered = self.project.run("recover", env={"TOKEN": "hunter22"})
        self.assertEqual(recovered.status, 3, recovered)
        self.assertIn("--var place with a secret in it", recovered.out)


if __name__ == "__main__":
    unittest.main()
