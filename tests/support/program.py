"""The whole program from outside: a project in a folder of its own, and `deployer` run in it."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("DEPLOYER_PROGRAM", str(ROOT / "build" / "dev" / "deployer"))


class Result:
    """What a run of the program gave."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def json(self):
        return json.loads(self.out)

    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Project:
    """A project's folder with a state folder beside it; both are gone at the end."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="deployer-project-"))
        self.state = self.folder / ".state"
        self.env = {}
        self.prefix = []  # words before the program's name, as `nsenter …`

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.end_leftovers()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / name

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def read(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def environment(self, extra=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8",
               "DEPLOYER_STATE": str(self.state), "TZ": "UTC"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(self.env)
        env.update(extra or {})
        return env

    def run(self, *words, env=None, timeout=60, stdin=None):
        return Result(subprocess.run([*self.prefix, PROGRAM, *map(str, words)], cwd=self.folder,
                                     env=self.environment(env), capture_output=True, text=True, errors="replace",
                                     timeout=timeout, input=stdin or ""))

    def start(self, *words, env=None):
        return subprocess.Popen([*self.prefix, PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment(env),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def runs(self):
        return self.run("runs", "list", "--json").json()["items"]

    def last(self):
        return self.run("runs", "show", "last", "--json").json()

    def processes(self, variable="DEPLOYER_RUN_ID"):
        """Living processes of this project (by their HOME) that carry the variable."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environ = (entry / "environ").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            home = f"HOME={self.folder}".encode()
            if state != "Z" and home in environ and any(line.startswith(f"{variable}=".encode()) for line in environ):
                found.append(int(entry.name))
        return found

    def end_leftovers(self):
        for variable in ("DEPLOYER_RUN_ID", "DEPLOYER_SERVICE"):
            for pid in self.processes(variable):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def wait_for(what, seconds=20):
    """Waits until what() is true, and gives it."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"it did not come true within {seconds} s")
        time.sleep(0.02)


def database_content(path):
    """Everything in an SQLite database but deployer's own tables: schema and rows, comparable."""
    if not pathlib.Path(path).exists():
        return None
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        objects = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'deployer_%' "
            "AND name NOT LIKE 'sqlite_%' ORDER BY type, name").fetchall()
        rows = {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
                for kind, name, _, _ in objects if kind == "table"}
        return {"objects": [(kind, name, table) for kind, name, table, _ in objects],
                "columns": {name: [column[1:3] for column in connection.execute(f'PRAGMA table_info("{name}")')]
                            for kind, name, _, _ in objects if kind == "table"},
                "rows": rows}
    finally:
        connection.close()
