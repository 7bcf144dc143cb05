"""Disks that fill while the book library is deployed: the journal's, and the backups'. The run ends undone, exit 1.

The disk is a small tmpfs in a mount namespace of the test's own.
"""
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import LibraryTest, healthy  # noqa: E402


class FullDisk(LibraryTest):
    def disk(self, folder, size):
        """A small disk mounted there, for everything that the library runs from now on."""
        folder.mkdir(parents=True)
        self.library.mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)

    def fill(self, name):
        """A hook that takes all the room that is left on the journal's disk."""
        filler = self.library.state / "filler"
        self.library.write(f"hooks/{name}", f"#!/bin/sh\ncat /dev/zero > {filler} 2>/dev/null\nexit 0\n", 0o755)

    def fills_before(self, hook, failed, undone):
        self.disk(self.library.state, "24m")
        self.deploy(self.library.document(1))
        before = self.library.world()
        marks = len(list(self.library.folder.glob("before-*")))
        self.fill(hook)
        shown = self.fails(self.library.document(2), before)
        self.assertEqual([step["id"] for step in shown["steps"] if step["status"] == "failed"], [failed], shown)
        self.assertEqual([step["id"] for step in shown["steps"] if step["status"] == "undone"], undone)
        [error] = [step["error"] for step in shown["steps"] if step["status"] == "failed"]
        self.assertIn("cannot write the journal", error)
        self.assertEqual(len(list(self.library.folder.glob("before-*"))), marks, "dependencies were not touched")

        filler = self.library.state / "filler"
        self.library.inside("sh", "-c", f"cat /dev/zero >> {filler} 2>/dev/null; exit 0")
        full = self.library.deploy(self.library.document(2))
        self.assertEqual((full.status, full.out), (1, ""), full)
        self.assertIn("there is no room in ", full.err)
        self.assertEqual(self.library.world(), before)

        self.library.inside("rm", filler)
        self.library.path(f"hooks/{hook}").unlink()
        self.deploy(self.library.document(2))
        self.assertEqual(self.library.health(), healthy(2))

    def test_the_journals_disk_fills_before_a_step_that_then_does_not_begin(self):
        self.fills_before("before-dependencies", "dependencies", ["backup", "migrate"])

    def test_the_backups_disk_fills_in_the_middle_of_a_backup(self):
        self.deploy(self.library.document(1))
        with sqlite3.connect(self.library.database) as database:
            database.execute("INSERT INTO reviews (book_id, rating, body) VALUES (1, 5, hex(randomblob(400000)))")
        database.close()
        before = self.library.world()
        disk = self.library.path("small/disk")
        self.disk(disk, "64k")
        document = self.library.document(2)
        document["backups"]["directory"] = "small/disk"
        shown = self.fails(document, before)
        [failed] = [step for step in shown["steps"] if step["status"] == "failed"]
        self.assertEqual(failed["id"], "backup")
        self.assertIn("database or disk is full", failed["error"])
        self.assertEqual(self.library.inside("ls", "-A", disk), "")


if __name__ == "__main__":
    unittest.main()
