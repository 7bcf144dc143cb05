"""pipelines/demo.yml as it is, with a dependency that pip does not find, as the first deployment ever."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EMPTY, LibraryTest  # noqa: E402


class DemoMissingWheel(LibraryTest):
    def test_all_is_taken_back_and_nothing_is_left_of_what_pip_had_begun(self):
        self.library.link = self.library.path("venv")
        (self.library.path("wheels") / "bookformat-2.0.0-py3-none-any.whl").unlink()
        done = self.library.demo(2)
        self.assertEqual(done.status, 1, done)
        shown = self.library.last()
        self.assertEqual((shown["status"], shown["verified"], shown["way_back"]), ("rolled_back", True, "down"))
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        self.assertEqual(failed["id"], "dependencies")
        self.assertIn("bookformat==2.0.0", failed["error"])
        self.assertEqual(self.library.world(), EMPTY)
        self.assertEqual([path.name for path in self.library.folder.glob("venv*")], [])


if __name__ == "__main__":
    unittest.main()
