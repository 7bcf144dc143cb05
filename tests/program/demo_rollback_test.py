"""pipelines/demo.yml with release 3, which its own migration breaks, while somebody writes: everything goes back, and
no row is lost."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import Library, healthy  # noqa: E402


class DemoRollback(unittest.TestCase):
    def test_the_broken_release_goes_back_whole_and_who_writes_meanwhile_loses_nothing(self):
        with Library() as library:
            library.link = library.path("venv")
            done = library.demo(2)
            self.assertEqual(done.status, 0, done)
            before = library.world()
            writer = library.start_writer()
            broken = library.demo(3)
            written, lost = library.end_writer(writer)
            self.assertEqual(broken.status, 1, broken)
            shown = library.last()
            self.assertEqual((shown["status"], shown["verified"], shown["way_back"], shown["lost"]),
                             ("rolled_back", True, "down", []))
            self.assertEqual([step["status"] for step in shown["steps"]],
                             ["succeeded", "succeeded", "undone", "undone", "undone", "undone", "failed", "pending"])
            self.assertGreater(len(written), 20)
            self.assertEqual(lost, [])
            after = library.world()
            reviews = after["database"]["rows"].pop("reviews")
            self.assertEqual(len(reviews), len(before["database"]["rows"].pop("reviews")) + len(written))
            self.assertEqual(after, before)
            self.assertEqual(after["health"], healthy(2))
            self.assertEqual([path.name for path in library.folder.glob("venv-*")], [before["dependencies"]])


if __name__ == "__main__":
    unittest.main()
