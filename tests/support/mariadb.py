"""A real MariaDB server of a test's own, as tests/support/mariadb.h has it for the tests in C++."""
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def prepared_data():
    """A data folder made by mariadb-install-db, once a machine and user: it takes seconds, a copy of it does not."""
    cache = pathlib.Path(tempfile.gettempdir()) / f"deployer-test-mariadb-{os.geteuid()}"
    cache.mkdir(exist_ok=True)
    data = cache / "data"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            part = cache / "data.part"
            shutil.rmtree(part, ignore_errors=True)
            words = ["mariadb-install-db", "--no-defaults", "--force", f"--datadir={part}",
                     "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"]
            if os.geteuid() == 0:
                words.append("--user=nobody")
            # A server that starts clears its folder for temporary files, and a shared one under the others.
            temporary = cache / "tmp"
            temporary.mkdir(exist_ok=True)
            temporary.chmod(0o777)
            subprocess.run(words, check=True, capture_output=True, env={**os.environ, "TMPDIR": str(temporary)})
            part.rename(data)
    return data


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class MariaDb:
    """Started when made (waits until it answers), killed at the end. As root it runs as `nobody`."""

    def __init__(self, *options, tcp=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="deployer-mariadb-"))
        self.folder.chmod(0o777)
        self.socket = self.folder / "s.sock"
        self.port = free_port() if tcp else 0
        self.options = options
        subprocess.run(["cp", "-a", prepared_data(), self.folder / "data"], check=True)
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        words = ["setpriv", "--pdeathsig", "KILL"]
        if os.geteuid() == 0:
            words += ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        words += ["mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
                  f"--pid-file={self.folder}/m.pid", f"--log-error={self.folder}/err.log", f"--tmpdir={self.folder}",
                  "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--performance-schema=OFF",
                  "--skip-name-resolve"]
        words += [f"--port={self.port}", "--bind-address=127.0.0.1"] if self.port else ["--skip-networking"]
        self.process = subprocess.Popen([*words, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "err.log").read_text())
            time.sleep(0.02)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as tried:
            return tried.connect_ex(str(self.socket)) == 0

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def url(self, name, user="root", password=""):
        secret = f":{password}" if password else ""
        return f"mariadb://{user}{secret}@localhost/{name}?socket={self.socket}"

    def sql(self, script, schema="", user="root", password=""):
        """Runs a script by the client; what it printed, a line a row, with tabs."""
        words = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4",
                 f"--user={user}", f"--socket={self.socket}"]
        done = subprocess.run([*words, schema] if schema else words, input=script, capture_output=True, text=True,
                              env={**os.environ, "MYSQL_PWD": password}, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"mariadb: {done.stderr}\n{script}")
        return done.stdout

    def content(self, schema):
        """Everything in a schema but deployer's own tables: definitions, objects and rows, comparable."""
        names = [line.split("\t") for line in self.sql("SHOW FULL TABLES", schema).splitlines()]
        names = [(name, kind) for name, kind in names if not name.startswith("deployer_")]
        tables = {name: self.sql(f"SHOW CREATE TABLE `{name}`", schema) for name, _ in names}
        rows = {name: sorted(self.sql(f"SELECT * FROM `{name}`", schema).splitlines())
                for name, kind in names if kind == "BASE TABLE"}
        others = self.sql("SELECT trigger_name, event_object_table, action_timing, event_manipulation, "
                          "action_statement "
                          f"FROM information_schema.triggers WHERE trigger_schema = '{schema}' ORDER BY 1; "
                          "SELECT routine_type, routine_name, routine_definition FROM "
                          f"information_schema.routines WHERE routine_schema = '{schema}'", schema)
        return {"tables": tables, "rows": rows, "others": others}
