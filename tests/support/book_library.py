"""The book library of examples/ deployed in a folder of its own: its pipeline with all eight actions, its service, and
what there is to compare before and after a run."""
import http.client
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import unittest
import zipfile

from support.program import PROGRAM, ROOT, Project, Result, database_content, wait_for

EXAMPLE = ROOT / "examples" / "book-library"
NEEDS = {1: "1.0.0", 2: "2.0.0", 3: "2.1.0"}  # release to the version of bookformat

# Switches the link `deps` to the folder of a version by one rename, and back: whatever it was before the run, also when
# it was killed anywhere, and also twice.
INSTALL = """#!/bin/sh
set -e
before=before-$DEPLOYER_RUN_ID
switch() { rm -f new; ln -s "$1" new; mv -T new deps; }
case $1 in
  back) if test -L $before; then
          if test $(readlink $before) = none; then rm -f deps; else switch $(readlink $before); fi
        fi ;;
  *) if test ! -L $before; then rm -f keep; ln -s $(readlink deps || echo none) keep; mv -T keep $before; fi
     test -d deps-$1
     switch deps-$1 ;;
esac
"""


def free_port():
    """One that nobody listens on, below those that connections are given from."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def without_bytecode(environment):
    return {**environment, "PYTHONDONTWRITEBYTECODE": "1"}


class Library(Project):
    """`document(release)` has all eight actions, with dependencies that a command switches (a virtual environment takes
    seconds); `demo(release)` runs pipelines/demo.yml itself, with real pip."""

    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.database = self.path("library.db")
        self.link = self.path("deps")
        self.writers = []
        self.keeper = None
        subprocess.run([sys.executable, EXAMPLE / "build-wheels.py", self.path("wheels")], check=True,
                       stdout=subprocess.DEVNULL, env=without_bytecode(os.environ))
        for version in NEEDS.values():
            with zipfile.ZipFile(self.path("wheels") / f"bookformat-{version}-py3-none-any.whl") as wheel:
                wheel.extractall(self.path(f"deps-{version}"))
        self.write("install", INSTALL, 0o755)

    def __exit__(self, *ignored):
        for writer in self.writers:
            writer.kill()
            writer.communicate()
        super().__exit__()
        if self.keeper is not None:
            self.keeper.kill()
            self.keeper.communicate()

    def app(self, release):
        return str(EXAMPLE / "releases" / str(release) / "app.py")

    def document(self, release, **changed):
        """The pipeline as a dictionary; `changed` replaces steps by id, or takes them out where it is None."""
        steps = {
            "validate": {"uses": "validate", "with": {
                "tools": ["python3", "start-stop-daemon"], "files": [self.app(release)],
                "disk_free": {"path": ".", "at_least": "2x-database"}}},
            "connectivity": {"uses": "connectivity", "with": {"database": True}, "timeout": "5s"},
            "backup": {"uses": "backup", "with": {"verify": "drill"}},
            "migrate": {"uses": "migrate", "with": {"target": f"000{release}", "rehearse": True}},
            "dependencies": {"uses": "dependencies", "with": {"command": ["./install", NEEDS[release]]},
                             "rollback": ["./install", "back"]},
            "restart": {"uses": "restart", "with": {"daemon": {
                "name": "book-library", "command": ["/usr/bin/python3", self.app(release), "--port", str(self.port)],
                "working_directory": ".", "pid_file": "service.pid", "log": "service.log",
                "env": {"PYTHONPATH": str(self.link), "PYTHONDONTWRITEBYTECODE": "1"}}, "ready_within": "1s"}},
            "health": {"uses": "health_check", "with": {
                "http": f"http://127.0.0.1:{self.port}/health",
                "expect": {"status": 200, "json": {"status": "healthy", "database": "connected"}},
                "successes": 2, "interval": "50ms", "within": "20s"}},
            "prune": {"uses": "prune", "with": {"backups": True, "runs": "30d"}},
        }
        steps.update(changed)
        return {"name": "library", "env": {"DATABASE_URL": f"sqlite:///{self.database}"},
                "database": {"url": f"sqlite:///{self.database}", "migrations": str(EXAMPLE / "migrations")},
                "backups": {"directory": "backups", "retention": {"keep_last": 3}},
                "steps": [{"id": name, **step} for name, step in steps.items() if step is not None]}

    def step(self, release, name, **inputs):
        """A step of the document with some of its inputs changed."""
        [step] = [step for step in self.document(release)["steps"] if step["id"] == name]
        del step["id"]
        step["with"].update(inputs)
        return step

    def deploy(self, document, *words, **options):
        """Runs a document, whose every JSON text is YAML too."""
        self.write("library.yml", json.dumps(document, indent=1))
        return self.run("run", "library.yml", *words, **options)

    def mount(self, *words):
        """Mounts something (words of mount(8)) that this library's runs and services see from now on, and nobody else:
        in a mount namespace, which a process keeps until the end."""
        script = shlex.join(["mount", *map(str, words)]) + " && echo mounted && exec sleep 600"
        root = os.geteuid() == 0
        self.keeper = subprocess.Popen(["unshare", "-m" if root else "-rm", "sh", "-c", script], text=True,
                                       stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == "mounted\n"
        enter = ["nsenter", "-t", str(self.keeper.pid), "-m"] + ([] if root else ["-U", "--preserve-credentials"])
        self.prefix = [*enter, "sh", "-c", f'cd {shlex.quote(str(self.folder))} && exec "$0" "$@"']

    def inside(self, *words):
        """What a command prints that sees what is mounted."""
        return subprocess.run([*self.prefix, *map(str, words)], capture_output=True, text=True, check=True).stdout

    def demo_words(self, release):
        words = ["-C", ROOT, "run", "pipelines/demo.yml", "--var", f"release={release}", "--var",
                 f"folder={self.folder}", "--var", f"database=sqlite:///{self.database}", "--var", f"port={self.port}"]
        return [PROGRAM, *map(str, words)]

    def demo(self, release, env=None, timeout=120):
        """Runs pipelines/demo.yml itself, with everything that it makes in this folder."""
        return Result(subprocess.run(self.demo_words(release), cwd=self.folder, env=self.environment(env),
                                     capture_output=True, text=True, errors="replace", timeout=timeout,
                                     stdin=subprocess.DEVNULL))

    def ask(self, path):
        """Status and body of an answer of the service; nothing where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except ConnectionError:
            return None
        finally:
            connection.close()

    def health(self):
        return self.ask("/health")

    def world(self):
        """All that a run changes, to be compared: schema, rows, the dependencies in use, the service."""
        return {"database": database_content(self.database) or {"objects": [], "columns": {}, "rows": {}},
                "dependencies": os.readlink(self.link) if self.link.is_symlink() else None,
                "health": self.health(), "services": len(self.processes("DEPLOYER_SERVICE"))}

    def start_writer(self):
        """Adds reviews all the time; the file has the body of each one that the database has taken."""
        env = without_bytecode(self.environment({"DATABASE_URL": f"sqlite:///{self.database}"}))
        with open(self.path("written"), "wb") as written:
            writer = subprocess.Popen(["/usr/bin/python3", EXAMPLE / "writer.py", "--interval", "0.005"],
                                      stdout=written, env=env)
        self.writers.append(writer)
        wait_for(lambda: self.read("written"))
        return writer

    def end_writer(self, writer):
        """What it has written, and what of that the database does not have."""
        writer.send_signal(signal.SIGTERM)
        assert writer.wait(20) == 0
        self.writers.remove(writer)
        written = self.read("written").splitlines()
        kept = "".join(database_content(self.database)["rows"]["reviews"])
        return written, [body for body in written if f"'{body}'" not in kept]

    def files_with(self, text):
        """The files that deployer wrote, and that hold it."""
        return [str(path) for folder in (self.state, self.path("backups")) for path in folder.rglob("*")
                if path.is_file() and text.encode() in path.read_bytes()]


EMPTY = {"database": {"objects": [], "columns": {}, "rows": {}}, "dependencies": None, "health": None, "services": 0}


def healthy(release):
    """What /health of a release says when all fits."""
    return 200, {"status": "healthy", "release": str(release), "database": "connected",
                 "migrations": {"current_revision": f"000{release}", "is_up_to_date": True}, "problems": []}


class LibraryTest(unittest.TestCase):
    """A library for each test, and what every deployment of it must keep."""

    def setUp(self):
        self.library = Library()
        self.addCleanup(self.library.__exit__)

    def deploy(self, document, status=0, **options):
        done = self.library.deploy(document, **options)
        self.assertEqual(done.status, status, done)
        self.assertEqual(self.library.processes(), [])
        return done

    def fails(self, document, before, **options):
        done = self.deploy(document, 1, **options)
        shown = self.library.last()
        self.assertEqual((shown["status"], shown["verified"]), ("rolled_back", True), done)
        self.assertEqual(self.library.world(), before, done)
        return shown
