"""A migration that its down section does not take back whole: the backup does, where nobody else has written."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EXAMPLE, LibraryTest  # noqa: E402

LOSSY = """-- revision: 0003
-- revises: 0002
-- Its down section brings the column back, and not what was in it

-- migrate:up
ALTER TABLE authors DROP COLUMN name;

-- migrate:down
ALTER TABLE authors ADD COLUMN name VARCHAR(120) NOT NULL DEFAULT '';
"""


class WayBack(LibraryTest):
    def lossy(self):
        folder = self.library.path("migrations")
        folder.mkdir()
        for name in ("0001_authors_books_and_reviews.sql", "0002_isbn_and_loans.sql"):
            (folder / name).write_bytes((EXAMPLE / "migrations" / name).read_bytes())
        (folder / "0003_lossy.sql").write_text(LOSSY)
        document = self.library.document(2)
        document["database"]["migrations"] = "migrations"
        document["steps"][3]["with"]["target"] = "0003"
        document["steps"][6]["with"]["within"] = "2s"
        return document

    def test_a_lossy_down_is_not_chosen_and_the_backup_brings_the_rows_back_into_the_open_file(self):
        self.deploy(self.library.document(2))
        before = self.library.world()
        shown = self.fails(self.lossy(), before)
        self.assertEqual((shown["way_back"], shown["lost"]), ("restore", []))

    def test_a_restore_that_would_lose_rows_of_others_is_not_done(self):
        self.deploy(self.library.document(2))
        document = self.lossy()
        writer = self.library.start_writer()
        done = self.deploy(document, 3)
        written, lost = self.library.end_writer(writer)
        self.assertGreater(len(written), 5)
        self.assertEqual(lost, [])
        shown = self.library.last()
        self.assertEqual((shown["status"], shown["lost"]), ("rollback_failed", []), done)
        self.assertTrue(any("deployer recover --yes" in line for line in shown["runbook"]), shown["runbook"])
        self.assertEqual(self.library.run("recover").status, 3)
        accepted = self.library.run("recover", "--yes")
        self.assertEqual(accepted.status, 3, accepted)
        shown = self.library.last()
        self.assertEqual(shown["status"], "rolled_back", accepted)
        self.assertIn("reviews", [lost["table"] for lost in shown["lost"]])


if __name__ == "__main__":
    unittest.main()
