"""`restart` of units of a real systemd: what counts as ready, what fails, and what runs after the rollback."""
import json
import pathlib
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EXAMPLE, free_port  # noqa: E402
from support.program import PROGRAM, wait_for  # noqa: E402
from support.systemd_services import NOTIFY, READY, SIMPLE, STAYS, SystemdTest  # noqa: E402

FORKING = "Type=forking\nPIDFile=/run/app-forking.pid"
FORKS = 'sleep 1000 & echo $! >/run/app-forking.pid'
ONESHOT = "Type=oneshot"
STAYING_ONESHOT = "Type=oneshot\nRemainAfterExit=yes"


class Restart(SystemdTest):
    def test_a_unit_runs_the_new_code(self):
        self.start()
        self.succeeds(self.services.document())
        self.assertOldRuns(["1", "2"])

    def test_a_service_of_each_type_that_did_not_run_is_started_and_waited_for_until_it_is_ready(self):
        kinds = {"app-notify": (NOTIFY, "sleep 0.3; touch readied; " + READY), "app-forking": (FORKING, FORKS),
                 "app-oneshot": (ONESHOT, "sleep 0.3; touch worked"), "app-staying": (STAYING_ONESHOT, "true")}
        for name, (text, does) in kinds.items():
            self.services.code(name, does, name)
            self.services.unit(text, name, name)
        self.succeeds({"name": "app", "steps": [
            {"uses": "restart", "with": {"systemd": list(kinds), "ready_within": "10s"}},
            {"run": "test -e readied && test -e worked"}]})
        self.assertEqual([self.services.running(name)[0] for name in kinds],
                         ["active", "active", "inactive", "active"])
        self.assertEqual(self.services.started(), list(kinds))

    def test_a_start_that_fails_is_told_with_its_last_words_and_the_old_code_runs_again(self):
        self.start()
        self.services.env["TOKEN"] = "S3cret-of-the-unit"
        self.services.release("echo 'no database for S3cret-of-the-unit' >&2; exit 3")
        document = self.services.document()
        document["secrets"] = ["TOKEN"]
        self.assertEqual(self.fails(document), "app failed (failed, exit-code 3): release 2 starts\n"
                         "no database for ***TOKEN*** (hint: more: journalctl --unit app.service)")
        self.assertOldRuns()

    def test_a_unit_that_crashes_each_second_and_is_started_again_is_found_out(self):
        self.services.unit(SIMPLE + "\nRestart=on-failure\nRestartSec=100ms")
        self.services.code(1, STAYS)
        self.start()
        self.services.release("sleep 1; echo crashed; exit 1")
        error = self.fails(self.services.document(ready_within="30s"))
        self.assertRegex(error, r"^app does not stay up: systemd started it again 3 times \(.*\): release 2 starts\n")
        self.assertIn("crashed", error)
        self.assertOldRuns(["1", "2", "2", "2", "2", "1"])

    def test_a_unit_that_systemd_has_given_up_is_started_on_the_old_code(self):
        self.services.unit(NOTIFY + "\nRestart=on-failure\nRestartSec=1ms")
        self.start()
        self.services.release("exit 1")
        self.fails(self.services.document())
        self.assertEqual(self.services.running()[0], "active")
        self.assertEqual(self.services.started()[-1], "1")

    def test_a_unit_that_is_never_ready_ends_with_the_time_for_it(self):
        self.start()
        self.services.release(STAYS)
        error = self.fails(self.services.document(ready_within="1500ms"))
        self.assertEqual(error, "app was not ready within 1500ms (activating, start): release 2 starts "
                         "(hint: more: journalctl --unit app.service)")
        self.assertOldRuns()

    def test_a_service_that_ends_at_once_without_an_error_has_not_started(self):
        self.services.unit(SIMPLE)
        self.services.code(1, STAYS)
        self.start()
        self.services.release("exit 0")
        self.assertEqual(self.fails(self.services.document()), "app does not run after its start "
                         "(inactive, dead): release 2 starts (hint: more: journalctl --unit app.service)")
        self.assertOldRuns()

    def test_a_condition_that_is_not_met_has_not_started_it(self):
        self.start()
        self.machine.write("/etc/systemd/system/app.service.d/only.conf", "[Unit]\nConditionPathExists=/not/there\n")
        self.machine.must("systemctl", "daemon-reload")
        self.assertIn("app does not run after its start (inactive, dead): ", self.fails_for_good())

    def fails_for_good(self):
        """A run whose service cannot come back either: a person must look."""
        done = self.services.deploy(self.services.document())
        self.assertEqual(done.status, 3, done)
        self.machine.must("rm", "-r", "/etc/systemd/system/app.service.d")
        self.machine.must("systemctl", "daemon-reload")
        self.assertEqual(self.services.run("recover").status, 0)
        self.assertOldRuns(["1", "1"])
        return "\n".join(step["error"] or "" for step in self.services.last()["steps"])

    def test_what_was_stopped_or_had_failed_does_not_run_afterwards(self):
        self.services.code("crash", "exit 1", "crash")
        self.services.unit(NOTIFY, "app-crash", "crash")
        self.machine.call("systemctl", "start", "app-crash")
        wait_for(lambda: self.services.running("app-crash")[0] == "failed")
        self.services.code("crash", READY, "crash")
        self.fails(self.services.document({"run": "exit 1"}, units=["app", "app-crash"]))
        self.assertEqual([self.services.running(unit)[0] for unit in ("app", "app-crash")], ["inactive", "inactive"])
        self.assertEqual(self.services.started(), ["crash", "2", "crash"])

    def test_a_unit_that_is_missing_or_masked_or_broken_fails_its_step_and_the_others_are_as_before(self):
        self.start()
        self.machine.must("ln", "-s", "/dev/null", "/etc/systemd/system/app-masked.service")
        self.machine.write("/etc/systemd/system/app-broken.service", "[Service]\nType=simple\n")
        self.machine.must("systemctl", "daemon-reload")
        refused = {"app-missing": "systemd has no unit app-missing",
                   "app-masked": "the unit app-masked is masked (hint: systemctl unmask app-masked)",
                   "app-broken": "systemd cannot read the unit app-broken (bad-setting) "
                                 "(hint: systemd-analyze verify app-broken)"}
        for unit, error in refused.items():
            done = self.services.deploy({"name": "app", "steps": [{"uses": "restart", "with": {"systemd": unit}}]})
            self.assertEqual((done.status, self.services.last()["steps"][0]["error"]), (1, error), done)
        self.assertEqual(self.fails(self.services.document(units=["app", "app-missing"])), refused["app-missing"])
        self.assertOldRuns()

    def test_a_unit_file_that_the_run_changes_is_read_again_in_both_directions(self):
        self.start()
        self.services.code(2, READY, "other")
        file = "/etc/systemd/system/app.service"
        done = self.fails({"name": "app", "steps": [
            {"run": f"cp {file} kept; sed -i s,/code,/other, {file}", "rollback": f"cp kept {file}"},
            {"uses": "restart", "with": {"systemd": "app"}}, {"run": "exit 7"}]})
        self.assertIn("7", done)
        self.assertOldRuns()
        self.assertEqual(self.machine.show("app", "NeedDaemonReload"), "no")


class Rollback(SystemdTest):
    def test_a_health_check_that_fails_after_a_good_restart_brings_the_old_code_back(self):
        self.start()
        error = self.fails(self.services.document(
            {"uses": "health_check", "with": {"command": "test $(tail -n 1 started) = 1", "within": "200ms"}}))
        self.assertIn("not healthy within 200ms", error)
        self.assertOldRuns()

    def test_a_unit_is_stopped_while_the_schema_beneath_it_is_changed_and_while_that_is_undone(self):
        self.start()
        self.services.write("migrations/0001_books.sql", "-- revision: 0001\n-- migrate:up\n"
                            "CREATE TABLE books (id INTEGER);\n-- migrate:down\nDROP TABLE books;\n")
        document = self.services.document({"run": "exit 1"})
        document["database"] = {"url": "sqlite:///app.db", "migrations": "migrations"}
        document["steps"].insert(0, {"uses": "migrate", "with": {"while_stopped": ["app"]}})
        document["steps"].insert(1, {"run": "true", "rollback": "systemctl is-active app >seen || true"})
        self.fails(document)
        self.assertEqual(self.services.read("seen"), "inactive\n")
        # Started again behind the migration, then by the restart, and once at the end of the rollback.
        self.assertOldRuns(["1", "1", "2", "1"])

    def test_a_unit_that_the_run_did_not_reach_is_not_touched(self):
        self.start()
        before = self.services.running()
        document = self.services.document()
        document["steps"].insert(1, {"run": "exit 1"})
        self.fails(document)
        self.assertEqual(self.services.running(), before)

    def test_a_failed_attempt_is_taken_back_before_the_next(self):
        self.start()
        self.services.release("test -e tried && " + READY.replace(";", " &&") + "; touch tried; exit 1")
        document = self.services.document()
        document["steps"][1]["retry"] = {"attempts": 2}
        self.succeeds(document)
        self.assertEqual(self.services.running()[0], "active")
        self.assertEqual(self.services.started(), ["1", "2", "2", "2"])

    def test_a_user_who_may_not_restart_it_is_told_so(self):
        self.start()
        before = self.services.running()
        self.machine.must("cp", PROGRAM, "/usr/local/bin/deployer")
        self.machine.must("chown", "-R", "65534", self.services.folder)
        words = self.machine.words(self.services.folder, user=65534)
        self.services.prefix = [*words[:-1], words[-1].replace('"$0"', "/usr/local/bin/deployer")]
        document = {"name": "app", "steps": [{"uses": "restart", "with": {"systemd": "app"}}]}
        error = self.fails(document)
        self.assertEqual(error, "systemctl restart app exited with status 1: Failed to restart app.service: "
                         "Interactive authentication required.\nSee system logs and 'systemctl status app.service' "
                         "for details. "
                         "(hint: run deployer as root, or let its user manage the unit (polkit))")
        self.assertEqual(self.services.running(), before)


class BookLibrary(SystemdTest):
    """The example as its unit has it: in /srv, with a user of its own, and a link to the release."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.machine.must("sh", "-c", f"""
            mkdir -p /srv && cp -r {EXAMPLE} /srv/book-library && cd /srv/book-library && ln -sfn releases/1 current
            id book-library >/dev/null 2>&1 || useradd --system book-library
            mkdir -p data lib && cp bookformat/1.0.0/bookformat.py lib && chown book-library data
            cp book-library.service /etc/systemd/system/book-library.service && systemctl daemon-reload""")
        self.machine.write("/etc/book-library.env", "DATABASE_URL=sqlite:////srv/book-library/data/library.db\n"
                           f"PORT={self.port}\nPYTHONPATH=lib\n", 0o600)
        self.addCleanup(self.machine.must, "systemctl", "stop", "book-library")

    def document(self, release, library, *more):
        switch = "cp bookformat/{}/bookformat.py lib; ln -sfn releases/{} new; mv -T new current"
        return {"name": "library", "database": {"url": "sqlite:////srv/book-library/data/library.db",
                                                "migrations": "/srv/book-library/migrations"},
                "steps": [{"uses": "migrate", "with": {"target": f"000{release}"}},
                          {"run": "chown book-library data/*", "working-directory": "/srv/book-library"},
                          {"run": switch.format(library, release), "rollback": switch.format("1.0.0", 1),
                           "working-directory": "/srv/book-library"},
                          {"uses": "restart", "with": {"systemd": "book-library"}},
                          {"uses": "health_check", "with": {"http": f"http://127.0.0.1:{self.port}/health",
                                                            "interval": "50ms"}}, *more]}

    def release(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
            return json.loads(answer.read())["release"]

    def test_is_deployed_and_a_later_release_that_fails_leaves_the_first_healthy(self):
        self.succeeds(self.document(1, "1.0.0"))
        self.assertEqual(self.release(), "1")
        done = self.services.deploy(self.document(2, "2.0.0", {"run": "exit 1"}))
        self.assertEqual((done.status, self.services.last()["status"]), (1, "rolled_back"), done)
        self.assertEqual(self.release(), "1")


if __name__ == "__main__":
    unittest.main()
