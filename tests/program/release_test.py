"""`uses: release` by `deployer run`: git, rollback, a disk that fills, a password, and a kill at each point."""
import base64
import http.server
import json
import os
import pathlib
import shlex
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.program import PROGRAM, Project  # noqa: E402

ALL = os.environ.get("DEPLOYER_CRASH_ALL") == "1"
PASSWORD = "p@ss/w0rd-of-git"


class GuardedFiles(http.server.SimpleHTTPRequestHandler):
    """Files for who knows the password."""

    def do_GET(self):
        wanted = "Basic " + base64.b64encode(f"app:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *ignored):
        pass


class Release(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        self.site = self.project.path("site")

    def git(self, *words):
        env = {**self.project.environment(), "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(["git", *words], cwd=self.project.path("origin"), env=env, check=True,
                              capture_output=True, text=True).stdout.strip()

    def commit(self, version):
        """A commit on main of the repository `origin`, and its whole name."""
        if not self.project.path("origin/.git").exists():
            self.project.path("origin").mkdir()
            self.git("init", "--quiet", "--initial-branch=main")
        self.project.write("origin/version", version + "\n")
        self.git("add", "--all")
        self.git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", version)
        return self.git("rev-parse", "HEAD")

    def document(self, source, *steps, **more):
        release = {"uses": "release", "with": {"source": source, "directory": "site", **more}}
        self.project.write("p.yml", json.dumps({"name": "site", "steps": [release, *steps]}))

    def deploy(self, status=0, **options):
        done = self.project.run("run", "p.yml", **options)
        self.assertEqual(done.status, status, done)
        return self.project.last()

    def tree(self):
        """Everything of the site: kinds, modes, link texts, contents; not the mirror, which is a cache."""
        found = {}
        for path in sorted(self.site.rglob("*")) if self.site.exists() else []:
            name = path.relative_to(self.site)
            if name.parts[0] == "repo" and len(name.parts) > 1:
                continue
            found[str(name)] = (os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else None,
                                path.lstat().st_mode)
        return found

    def current(self):
        return (self.site / "current" / "version").read_text().strip()

    def test_commits_follow_each_other_and_a_failure_brings_the_previous_one_back(self):
        self.commit("1")
        self.document({"git": "origin", "ref": "main"}, shared=["log"], keep=2)
        self.deploy()
        self.project.write("site/shared/log/app.log", "kept\n")
        second = self.commit("2")
        shown = self.deploy()
        [step] = shown["steps"]
        self.assertEqual(step["outputs"]["path"], str(self.site / "releases" / step["outputs"]["id"]))
        self.assertTrue(step["outputs"]["id"].endswith("-" + second[:7]))
        self.assertEqual((self.site / "current/REVISION").read_text(), second + "\n")
        self.assertEqual((self.site / "current/log/app.log").read_text(), "kept\n")
        before = self.tree()
        self.commit("3")
        self.document({"git": "origin", "ref": "main"}, {"run": 'test "$(cat site/current/version)" != 3'},
                      shared=["log", "uploads"], keep=2)
        shown = self.deploy(1)
        self.assertEqual((shown["status"], shown["verified"]), ("rolled_back", True))
        self.assertEqual(self.tree(), before)
        for version in ("4", "5"):
            self.commit(version)
            self.document({"git": "origin", "ref": "main"}, shared=["log"], keep=2)
            self.deploy()
        self.assertEqual(self.current(), "5")
        self.assertEqual(len(list((self.site / "releases").iterdir())), 2)

    def test_a_password_of_git_reaches_the_server_and_nothing_else(self):
        self.commit("1")
        self.git("update-server-info")
        handler = lambda *words: GuardedFiles(*words, directory=str(self.project.folder))  # noqa: E731
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        # Every program that git starts, with its words.
        real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
        words = self.project.path("words")
        self.project.write("bin/git", f'#!/bin/sh\necho "$@" >> {words}\nexec {shlex.quote(real)} "$@"\n', 0o755)
        url = f"http://app:p%40ss%2Fw0rd-of-git@127.0.0.1:{server.server_port}/origin/.git"
        self.project.write("p.yml", json.dumps({
            "secrets": ["GIT_URL"],
            "steps": [{"uses": "release", "with": {"source": {"git": "${{ secrets.GIT_URL }}", "ref": "main"},
                                                   "directory": "site"}}]}))
        done = self.project.run("run", "p.yml", env={
            "GIT_URL": url, "PATH": f"{self.project.path('bin')}:{os.environ['PATH']}"})
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.current(), "1")
        self.assertIn("fetch", words.read_text())
        for secret in (PASSWORD, "p%40ss%2Fw0rd-of-git"):
            self.assertNotIn(secret, done.out + done.err + words.read_text())
            for path in self.project.folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    self.assertNotIn(secret.encode(), path.read_bytes(), path)

    def test_a_full_disk_leaves_the_previous_release(self):
        self.project.write("build/version", "1\n")
        self.site.mkdir()
        self.document({"path": "build"})
        look = "ls site site/releases; readlink site/current"
        script = f"""mount -t tmpfs -o size=64k tmpfs site && "$0" run p.yml && {{ {look}; }} > before
                     head -c 200000 /dev/urandom > build/big
                     "$0" run p.yml; echo $? > status
                     {{ {look}; }} > after"""
        own_disk = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        done = subprocess.run([*own_disk, "sh", "-c", script, PROGRAM], cwd=self.project.folder, text=True,
                              env=self.project.environment(), capture_output=True, check=False)
        self.assertEqual((done.returncode, self.project.read("status")), (0, "1\n"), done)
        self.assertIn("current", self.project.read("before"))
        self.assertEqual(self.project.read("after"), self.project.read("before"))
        shown = self.project.last()
        self.assertEqual((shown["status"], shown["verified"]), ("rolled_back", True))
        self.assertIn("No space left on device", shown["steps"][0]["error"])

    def test_killed_at_any_point_it_is_as_before_or_as_after(self):
        self.commit("1")
        self.document({"git": "origin", "ref": "main"}, {"run": "test -e site/current/version"}, shared=["log"], keep=2)
        self.deploy()
        self.commit("2")
        trace = self.project.path("trace")
        self.deploy(env={"DEPLOYER_FAULT_TRACE": str(trace)})
        points = trace.read_text().splitlines()
        wanted = {"effect.before fetch", "effect.after fetch", "effect.before build release",
                  "effect.after build release", "effect.before switch release", "effect.after switch release",
                  "finish.before release"}
        self.assertLessEqual(wanted, set(points))
        killed = 0
        for number, name in enumerate(points, 1):
            if not ALL and name not in wanted:
                continue
            killed += 1
            before = self.tree()
            done = self.project.run("run", "p.yml", env={"DEPLOYER_FAULT_KILL": str(number)})
            self.assertEqual(done.status, -9, f"{name}: {done}")
            recovered = self.project.run("recover")
            self.assertEqual(recovered.status, 0, f"{name}: {recovered}")
            shown = self.project.last()
            if shown["status"] == "succeeded":
                self.assertEqual(len(list((self.site / "releases").iterdir())), 2, name)
            else:
                self.assertEqual(self.tree(), before, name)
            self.assertEqual([path.name for path in self.site.rglob("*.part")], [], name)
        print(f"killed at {killed} of {len(points)} points", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
