"""pipelines/demo.yml itself, with real pip, is killed: while pip works, and around the switch to its environment."""
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EMPTY, Library  # noqa: E402
from support.program import wait_for  # noqa: E402


class DemoKillPip(unittest.TestCase):
    def setUp(self):
        self.library = Library()
        self.library.link = self.library.path("venv")
        self.addCleanup(self.library.__exit__)

    def environments(self):
        return sorted(path.name for path in self.library.folder.glob("venv-*"))

    def recover(self, wanted):
        library = self.library
        recovered = library.run("recover", "--all", timeout=120)
        self.assertEqual(recovered.status, 0, recovered)
        self.assertEqual(library.processes(), [])
        self.assertEqual(library.run("lock", "list", "--json").json()["items"], [])
        shown = library.last()
        self.assertEqual(shown["status"], wanted, shown)
        return shown

    def is_undone(self):
        self.assertEqual(self.library.world(), EMPTY)
        self.assertEqual(self.environments(), [])

    def start(self, env=None):
        return subprocess.Popen(self.library.demo_words(2), env=self.library.environment(env),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, running):
        running.kill()
        running.communicate()
        self.assertEqual(running.returncode, -9)

    def run_to(self, point):
        """A run that stands still behind that point: the trace is a pipe, which each point waits for a reader of."""
        trace = self.library.path("trace")
        os.mkfifo(trace)
        running = self.start({"DEPLOYER_FAULT_TRACE": str(trace)})
        threading.Thread(target=self.wake_reader_at_end, args=(running, trace), daemon=True).start()
        while not self.passes(trace, point):
            self.assertIsNone(running.poll(), f"the run ended before it came to {point}")
        return running

    @staticmethod
    def wake_reader_at_end(running, trace):
        running.wait()
        os.close(os.open(trace, os.O_WRONLY))

    @staticmethod
    def passes(trace, point):
        """Waits for the next points; whether this one is among them. The writer of a next one may have opened the pipe
        already when it looks empty, and what it writes then must not be lost."""
        reader = os.open(trace, os.O_RDONLY)
        try:
            text = b""
            empty_since = None
            while empty_since is None or time.monotonic() - empty_since < 0.05:
                piece = os.read(reader, 65536)
                text += piece
                if point in text.decode().splitlines():
                    return True
                if piece:
                    empty_since = None
                elif empty_since is None:
                    empty_since = time.monotonic()
                else:
                    time.sleep(0.001)
            return False
        finally:
            os.close(reader)

    def test_killed_while_pip_works_and_after_the_switch(self):
        running = self.start()
        wait_for(lambda: list(self.library.folder.glob("venv-*/lib/*/site-packages/pip")), 60)
        self.kill(running)
        self.assertEqual(len(self.environments()), 1)
        self.recover("rolled_back")
        self.is_undone()

        running = self.run_to("effect.after switch environment")
        self.assertEqual(os.readlink(self.library.link), *self.environments())
        self.kill(running)
        self.recover("rolled_back")
        self.is_undone()


if __name__ == "__main__":
    unittest.main()
