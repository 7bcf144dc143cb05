"""Deployments of the book library killed with SIGKILL at their points, and what must hold after `deployer recover`."""
import collections
import os
import sys

from support.book_library import Library, LibraryTest, healthy

ALL = os.environ.get("DEPLOYER_CRASH_ALL") == "1"


def spread(points, most):
    """At most so many of the points, evenly, and always with the first and the last."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return sorted({points[round(i * step)] for i in range(most)})


def some(points, most):
    """All points, or in the gate at most so many."""
    return list(points) if ALL else spread(points, most)


def succeeding(library):
    return library.document(2)


def failing(library):
    """Release 2 becomes healthy, and a second health check, about the books, says no."""
    document = library.document(2)
    document["steps"].insert(7, {"id": "shelves", "uses": "health_check", "with": {
        "sql": "SELECT COUNT(*) = 0 FROM books", "within": "50ms"}})
    return document


class KillTest(LibraryTest):
    """A run from release 1 (or from nothing) to release 2. After each kill the world is as before or as after; where it
    is as before, the next kill meets the same library, and a history that grows."""

    def setUp(self):
        self.outcomes = collections.Counter()
        self.library = None
        self.addCleanup(lambda: self.library and self.library.__exit__())
        self.reference = None  # the world after a run that nobody kills

    def begin(self, first):
        """A library with release 1, or with nothing where it is the first deployment ever."""
        if self.library is not None:
            self.library.__exit__()
        self.library = Library()
        if not first:
            done = self.library.deploy(self.library.document(1))
            self.assertEqual(done.status, 0, done)
        self.before = self.library.world()
        self.finished = len(self.library.runs())

    def trace(self, command):
        """The names of the points that `command`, called with an environment, passes."""
        file = self.library.path("trace")
        file.unlink(missing_ok=True)
        command({"DEPLOYER_FAULT_TRACE": str(file)})
        return file.read_text().splitlines() if file.exists() else []

    def points_of_run(self, pipeline, first=False):
        self.begin(first)
        names = self.trace(lambda env: self.library.deploy(pipeline(self.library), env=env))
        self.reference = self.library.world()
        self.begin(first)
        return names

    def kill_run(self, pipeline, point):
        killed = self.library.deploy(pipeline(self.library), env={"DEPLOYER_FAULT_KILL": str(point)})
        self.assertEqual(killed.status, -9, f"point {point}: {killed}")

    def recover(self, point):
        recovered = self.library.run("recover")
        self.assertEqual(recovered.status, 0, f"after a kill at {point}: {recovered}")
        self.check_settled(point)

    def is_done(self, world):
        """Everything as after a run that nobody killed; when its reviews were written is each library's own."""
        wanted = dict(self.reference, database=dict(self.reference["database"]))
        wanted["database"]["rows"] = dict(wanted["database"]["rows"])
        reviews = self.before["database"]["rows"].get("reviews", world["database"]["rows"].get("reviews"))
        wanted["database"]["rows"]["reviews"] = reviews
        return world == wanted and world["health"] == healthy(2) and world["services"] == 1

    def check_settled(self, point):
        where = f"after a kill at {point}"
        world = self.library.world()
        runs = self.library.runs()
        self.assertEqual(self.library.processes(), [], f"{where} a process is left")
        self.assertEqual(self.library.run("lock", "list", "--json").json()["items"], [], where)
        self.assertEqual(self.library.run("recover").out, "nothing to recover\n", where)
        if len(runs) == self.finished:
            self.assertEqual(world, self.before, where)
            self.outcomes["not begun"] += 1
            return
        self.assertEqual(len(runs), self.finished + 1, where)
        shown = self.library.last()
        self.assertEqual((shown["id"], shown["status"]), (runs[0]["id"], runs[0]["status"]))
        self.assertIsNotNone(shown["finished_at"], where)
        self.outcomes[shown["status"]] += 1
        if shown["status"] == "succeeded":
            self.assertTrue(self.is_done(world), f"{where} not all is done: {world}")
            self.begin(self.before["health"] is None)
        else:
            self.assertEqual((shown["status"], shown["verified"], shown["exit_status"]), ("rolled_back", True, 1),
                             where)
            self.assertEqual(world, self.before, f"{where} not all is undone")
            self.finished += 1

    def kill_at_some(self, pipeline, most, first=False):
        names = self.points_of_run(pipeline, first)
        tried = some(range(1, len(names) + 1), most)
        for point in tried:
            self.kill_run(pipeline, point)
            self.recover(f"{point} ({names[point - 1]})")
        self.report(f"killed at {len(tried)} of {len(names)} points")

    def report(self, what):
        print(f"{self.id().rpartition('.')[2]}: {what}: {dict(self.outcomes)}", file=sys.stderr)
