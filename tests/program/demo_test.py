"""pipelines/demo.yml as it is, with a virtual environment by pip: all eight steps, and again at once."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import Library, healthy  # noqa: E402

STEPS = ["validate", "connectivity", "backup", "migrate", "dependencies", "restart", "health", "prune"]


class Demo(unittest.TestCase):
    def setUp(self):
        self.library = Library()
        self.library.link = self.library.path("venv")
        self.addCleanup(self.library.__exit__)

    def environments(self):
        return sorted(path.name for path in self.library.folder.glob("venv-*"))

    def test_it_deploys_and_again_at_once_with_nothing_to_do(self):
        library = self.library
        done = library.demo(2)
        self.assertEqual(done.status, 0, done)
        shown = library.last()
        self.assertEqual([(step["id"], step["status"]) for step in shown["steps"]],
                         [(step, "succeeded") for step in STEPS])
        self.assertEqual((shown["status"], shown["warnings"], shown["revision_after"]), ("succeeded", 0, "0002"))
        first = library.world()
        self.assertEqual(first["health"], healthy(2))
        self.assertEqual(library.ask("/books/1")[1]["citation"],
                         "George Orwell: Nineteen Eighty-Four. ISBN 9780141036144")
        self.assertEqual([first["dependencies"]], self.environments())
        self.assertEqual(len(list(library.path("backups").glob("*.zst"))), 1)

        again = library.demo(2)
        self.assertEqual(again.status, 0, again)
        self.assertIn("nothing to do", again.out)
        second = library.world()
        self.assertNotEqual(second.pop("dependencies"), first.pop("dependencies"))
        self.assertEqual(second, first)


if __name__ == "__main__":
    unittest.main()
