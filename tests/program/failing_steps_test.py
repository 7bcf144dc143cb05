"""Each of the eight steps fails in turn: schema, rows, dependencies and the running service are as they were."""
import json
import pathlib
import shutil
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.book_library import EXAMPLE, Library, free_port, healthy  # noqa: E402

BAD_MIGRATION = """-- revision: 0003
-- revises: 0002
-- Fails in its third statement

-- migrate:up
CREATE TABLE shelves (id INTEGER PRIMARY KEY, room TEXT NOT NULL);
DELETE FROM reviews;
INSERT INTO shelves (room) VALUES ({room});

-- migrate:down
DROP TABLE shelves;
"""
DEATH = "the service book-library ended right after its start"


class FailingSteps(unittest.TestCase):
    """Release 1 runs. Whoever fails leaves it as it was, so one deployment serves all tests, in any order."""

    library = None

    @classmethod
    def tearDownClass(cls):
        if cls.library is not None:
            cls.library.__exit__()

    def setUp(self):
        if self.library is None:
            type(self).library = Library()
            done = self.library.deploy(self.library.document(1))
            self.assertEqual(done.status, 0, done)
        self.before = self.library.world()
        self.assertEqual(self.before["health"], healthy(1))
        self.assertEqual(self.before["services"], 1)
        self.is_as_before = False

    def tearDown(self):
        if not self.is_as_before:  # the others begin anew, and tell of themselves
            self.library.__exit__()
            type(self).library = None

    def fails(self, document, step, *reasons, taken_back=()):
        """The run fails in that step for these reasons, and leaves nothing; what the step before it did is undone."""
        done = self.library.deploy(document)
        self.assertEqual(done.status, 1, done)
        shown = self.library.last()
        self.assertEqual((shown["status"], shown["exit_status"], shown["verified"]), ("rolled_back", 1, True), done)
        self.assertEqual([found["id"] for found in shown["steps"] if found["status"] == "failed"], [step], done)
        [failed] = [found for found in shown["steps"] if found["id"] == step]
        for reason in reasons:
            self.assertIn(reason, failed["error"])
        self.assertEqual([found["id"] for found in shown["steps"] if found["status"] == "undone"],
                         list(taken_back), done)
        self.assertEqual(self.library.world(), self.before, done)
        self.assertEqual(self.library.processes(), [])
        self.assertEqual(self.library.run("lock", "list", "--json").json()["items"], [])
        self.is_as_before = True
        return shown

    def test_validate_names_every_tool_and_file_that_is_missing(self):
        step = self.library.step(2, "validate", tools=["no-such-tool"], files=["no-such-file"])
        self.fails(self.library.document(2, validate=step), "validate", "2 problems", "no-such-tool", "no-such-file")

    def test_connectivity_meets_a_port_that_refuses(self):
        step = self.library.step(2, "connectivity", tcp=[f"127.0.0.1:{free_port()}"])
        step["timeout"] = "600ms"
        self.fails(self.library.document(2, connectivity=step), "connectivity", "not reached within 600ms", "refused")

    def test_connectivity_meets_a_server_that_is_silent(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            step = self.library.step(2, "connectivity", http=[f"http://127.0.0.1:{silent.getsockname()[1]}/"])
            step["timeout"] = "600ms"
            self.fails(self.library.document(2, connectivity=step), "connectivity", "not reached within 600ms")

    def test_backup_finds_a_file_where_its_folder_should_be(self):
        self.library.write("occupied", "not a folder")
        document = self.library.document(2)
        document["backups"]["directory"] = "occupied"
        self.fails(document, "backup", "occupied")
        self.assertEqual(self.library.read("occupied"), "not a folder")

    def migrations(self, room):
        folder = self.library.path("migrations")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(EXAMPLE / "migrations", folder)
        for old in folder.glob("0003_*"):
            old.unlink()
        (folder / "0003_shelves.sql").write_text(BAD_MIGRATION.format(room=room))
        document = self.library.document(2)
        document["database"]["migrations"] = "migrations"
        return document

    def test_migrate_fails_in_the_rehearsal_and_touches_nothing(self):
        document = self.migrations("NULL")
        document["steps"][3]["with"] = {"target": "0003"}
        shown = self.fails(document, "migrate", "0003", "NOT NULL constraint failed: shelves.room",
                           taken_back=["backup"])
        self.assertIsNone(shown["way_back"])

    def test_migrate_fails_in_the_database_itself_and_the_transaction_takes_it_back(self):
        document = self.migrations("NULL")
        document["steps"][3]["with"] = {"target": "0003", "rehearse": False}
        shown = self.fails(document, "migrate", "0003", "NOT NULL constraint failed: shelves.room",
                           taken_back=["backup"])
        self.assertEqual(shown["way_back"], "restore")  # of 0002, which nobody rehearsed

    def test_dependencies_fail_after_their_switch(self):
        document = self.library.document(2)
        document["steps"][4]["with"] = {"command": "./install 2.0.0; echo no such wheel >&2; exit 9"}
        self.fails(document, "dependencies", "exited with status 9", "no such wheel", taken_back=["backup", "migrate"])

    def test_dependencies_are_not_there(self):
        document = self.library.document(2)
        document["steps"][4]["with"] = {"command": ["./install", "9.9.9"]}
        self.fails(document, "dependencies", "exited with status 1", taken_back=["backup", "migrate"])

    def daemon(self, command):
        document = self.library.document(2)
        document["steps"][5]["with"]["daemon"]["command"] = command
        return document

    def test_restart_starts_a_program_that_does_not_exist(self):
        self.fails(self.daemon(["./no-such-program"]), "restart", "book-library",
                   taken_back=["backup", "migrate", "dependencies"])

    def test_restart_starts_a_service_that_dies_and_shows_its_last_words(self):
        self.fails(self.daemon("echo cannot find my configuration; sleep 0.3; exit 1"), "restart", DEATH,
                   "cannot find my configuration", taken_back=["backup", "migrate", "dependencies"])

    def test_health_meets_a_service_that_flaps(self):
        """It answers once in a while: never twice in a row, as `successes` wants it."""
        self.library.write("flaps", """#!/usr/bin/python3
import http.server, itertools, sys
answers = itertools.cycle([200, 500])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(next(answers))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *ignored):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""", 0o755)
        document = self.daemon(["./flaps", str(self.library.port)])
        document["steps"][6]["with"].update(expect={"status": 200}, within="2s", interval="20ms")
        self.fails(document, "health", "not healthy within 2s",
                   taken_back=["backup", "migrate", "dependencies", "restart"])

    def test_health_meets_the_broken_release(self):
        document = self.library.document(3)
        document["steps"][6]["with"]["within"] = "3s"
        shown = self.fails(document, "health", "not healthy within 3s", "answered with status 503, expected 200",
                           taken_back=["backup", "migrate", "dependencies", "restart"])
        self.assertEqual(shown["way_back"], "down")

    def test_what_comes_after_the_health_check_fails(self):
        document = self.library.document(2)
        document["steps"].insert(7, {"id": "smoke", "run": f"curl -fsS http://127.0.0.1:{self.library.port}/books/99"})
        self.fails(document, "smoke", "exited with status 22",
                   taken_back=["backup", "migrate", "dependencies", "restart"])


class FailingPrune(unittest.TestCase):
    def test_a_backup_that_cannot_be_removed_is_a_warning_of_a_run_that_succeeded(self):
        with Library() as library:
            document = library.document(1)
            self.assertEqual(library.deploy(document).status, 0)
            [old] = library.path("backups").glob("*.zst")
            document = library.document(2)
            document["backups"]["retention"] = {"keep_last": 1}
            # Nobody can remove a file that something is mounted on: unlink(2), EBUSY.
            library.mount("--bind", old, old)
            done = library.deploy(document)
            self.assertEqual(done.status, 0, done)
            shown = library.last()
            self.assertEqual((shown["status"], shown["warnings"]), ("succeeded", 1), json.dumps(shown))
            self.assertIn("busy", done.out)
            self.assertEqual(library.health(), healthy(2))
            self.assertTrue(old.exists())
            library.prefix = []
            self.assertEqual(library.deploy(document).status, 0)
            self.assertFalse(old.exists(), "the next run removes what this one could not")


if __name__ == "__main__":
    unittest.main()
