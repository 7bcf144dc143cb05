"""pipelines/production.yml as it comes, on a real MariaDB, a real systemd, git and pip: a first deployment, and one that
its migration breaks."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EXAMPLE, free_port, without_bytecode  # noqa: E402
from support.booted_machine import BootedMachine  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.program import ROOT, Project  # noqa: E402

UNIT = """[Service]
Type=exec
WorkingDirectory={root}
EnvironmentFile={root}/service.env
ExecStart={root}/venv/bin/python {root}/current/app.py --port {port}
Restart=on-failure
"""


class Production(unittest.TestCase):
    def setUp(self):
        self.machine = self.enterContext(BootedMachine())
        self.server = self.enterContext(MariaDb("--log-bin", "--binlog-format=ROW", "--server-id=1"))
        self.server.sql("CREATE DATABASE books CHARACTER SET utf8mb4")
        self.project = self.enterContext(Project())
        self.project.prefix = self.machine.words(self.project.folder)
        self.root = self.project.path("srv")
        self.root.mkdir()
        self.port = free_port()
        self.project.env["DATABASE_URL"] = self.server.url("books")
        shutil.copytree(ROOT / "pipelines", self.project.path("pipelines"))
        self.make_service()
        self.make_wheels()

    def make_service(self):
        self.project.write("srv/service.env", f"DATABASE_URL={self.server.url('books')}\nPYTHONDONTWRITEBYTECODE=1\n"
                           f"PYTHONPATH={EXAMPLE}:/usr/lib/python3/dist-packages\n")
        self.machine.write("/etc/systemd/system/book-library.service", UNIT.format(root=self.root, port=self.port))
        self.machine.must("systemctl", "daemon-reload")

    def make_wheels(self):
        """The dependency, and pip told to ask no index."""
        wheels = self.project.path("wheels")
        subprocess.run([sys.executable, EXAMPLE / "build-wheels.py", wheels], check=True, stdout=subprocess.DEVNULL,
                       env=without_bytecode(os.environ))
        self.project.write(".config/pip/pip.conf", f"[global]\nno-index = true\nfind-links = {wheels}\n")

    def git(self, *words):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, "-C", self.project.path("source"), *words], check=True, capture_output=True)

    def commit(self, release):
        """What the repository's main holds, and the migrations up to it in the checkout that deploys it."""
        source = self.project.path("source")
        if not source.exists():
            source.mkdir()
            self.git("init", "--initial-branch=main")
        for file in (EXAMPLE / "releases" / str(release)).iterdir():
            if file.is_file():
                shutil.copy(file, source)
        self.git("add", "--all")
        self.git("commit", "--message", f"release {release}")
        self.project.path("migrations").mkdir(exist_ok=True)
        for number in range(1, release + 1):
            for file in EXAMPLE.glob(f"migrations/000{number}_*.sql"):
                shutil.copy(file, self.project.path("migrations"))

    def deploy(self, release):
        self.commit(release)
        return self.project.run("run", "production.yml", "--yes", "--var", f"root={self.root}", "--var",
                                f"repository={self.project.path('source')}", "--var",
                                f"health=http://127.0.0.1:{self.port}/health", timeout=300)

    def health(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
            return json.load(answer)

    def assert_serves(self, release):
        health = self.health()
        self.assertEqual((health["status"], health["release"]), ("healthy", str(release)))
        self.assertFalse((self.root / "maintenance").exists())
        self.assertEqual(self.machine.show("book-library", "ActiveState"), "active")

    def test_a_release_goes_out_and_a_broken_one_goes_back(self):
        done = self.deploy(2)
        self.assertEqual(done.status, 0, done)
        self.assert_serves(2)
        before = self.server.content("books")
        link = os.readlink(self.root / "current")

        done = self.deploy(3)

        self.assertEqual(done.status, 1, done)
        shown = self.project.last()
        self.assertEqual((shown["status"], shown["verified"], shown["lost"]), ("rolled_back", True, []), done)
        self.assertEqual([step["id"] for step in shown["steps"] if step["status"] == "failed"], ["health"])
        self.assertEqual(self.server.content("books"), before)
        self.assertEqual(os.readlink(self.root / "current"), link)
        self.assert_serves(2)


if __name__ == "__main__":
    unittest.main()
