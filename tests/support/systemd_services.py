"""Services of a booted machine, whose code a pipeline switches, and what must hold after its runs."""
import json
import unittest

from support.booted_machine import BootedMachine
from support.program import Project

# The kinds of services of systemd.service(5): one that says when it is ready, and one that says nothing.
NOTIFY = "Type=notify\nNotifyAccess=all"
SIMPLE = "Type=simple"

# What a release does once it has started.
READY = "systemd-notify --ready; exec sleep 1000"
STAYS = "exec sleep 1000"


class Services(Project):
    """A project with a unit `app`, which runs the file `code` of its folder."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine
        self.prefix = machine.words(self.folder)

    def __exit__(self, *ignored):
        self.machine.call("sh", "-c", "systemctl stop 'app*'; rm -rf /etc/systemd/system/app*; "
                          "systemctl daemon-reload; systemctl reset-failed")
        super().__exit__()

    def unit(self, text=NOTIFY, name="app", command="code"):
        """Writes a unit whose service works in this folder."""
        self.machine.write(f"/etc/systemd/system/{name}.service",
                           f"[Service]\nWorkingDirectory={self.folder}\nExecStart={self.folder}/{command}\n{text}\n")
        self.machine.must("systemctl", "daemon-reload")

    def code(self, release, does=READY, name="code"):
        """A release: it adds its number to the file `started`, and stays."""
        return self.write(name, f"#!/bin/sh\necho release {release} starts\necho {release} >>started\n{does}\n", 0o755)

    def release(self, does=READY):
        """What release 2 will be."""
        return self.code(2, does, "code.2")

    def started(self):
        """The releases that have started, in their order."""
        return (self.read("started") or "").split()

    def running(self, unit="app"):
        return self.machine.show(unit, "ActiveState", "MainPID", "InvocationID")

    def document(self, *more, units=("app",), ready_within="10s"):
        """Puts release 2 in place of what is there, restarts, and does `more`."""
        return {"name": "app", "steps": [
            {"id": "switch", "run": "test -e code.1 || cp -p code code.1; cp -p code.2 new; mv new code",
             "rollback": "if test -e code.1; then cp -p code.1 new; mv new code; fi"},
            {"uses": "restart", "with": {"systemd": list(units), "ready_within": ready_within}}, *more]}

    def deploy(self, document, *words, **options):
        self.write("app.yml", json.dumps(document))
        return self.run("run", "app.yml", *words, **options)

    def launch(self, document):
        """The same, not waited for."""
        self.write("app.yml", json.dumps(document))
        return self.start("run", "app.yml")


class SystemdTest(unittest.TestCase):
    """One machine for all tests of a class; each has a project and the unit `app` in it, on release 1."""

    @classmethod
    def setUpClass(cls):
        cls.machine = cls.enterClassContext(BootedMachine())

    def setUp(self):
        self.services = self.enterContext(Services(self.machine))
        self.services.code(1)
        self.services.release()
        self.services.unit()

    def start(self, unit="app"):
        self.machine.must("systemctl", "start", unit)

    def succeeds(self, document):
        done = self.services.deploy(document)
        self.assertEqual(done.status, 0, done)
        return done

    def fails(self, document):
        """Runs a document that is rolled back, all of it; the error of the step that failed."""
        done = self.services.deploy(document)
        self.assertEqual(done.status, 1, done)
        shown = self.services.last()
        self.assertEqual((shown["status"], shown["verified"]), ("rolled_back", True), done)
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        return failed["error"]

    def assertOldRuns(self, releases=("1", "2", "1")):
        state, _, _ = self.services.running()
        self.assertEqual((state, self.services.started()), ("active", list(releases)))
