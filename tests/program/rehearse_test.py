"""`deployer migrate rehearse`: on SQLite and on a real MariaDB, whose binary log proves that it is untouched."""
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project, wait_for  # noqa: E402


def revision(revises, up, down):
    head = f"-- revises: {revises}\n" if revises else ""
    below = f"-- migrate:down\n{down}\n" if down is not None else ""
    return f"{head}-- about it\n-- migrate:up\n{up}\n{below}"


class RehearseOnSqlite(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        self.project.env["DATABASE_URL"] = "sqlite:///app.db"
        self.project.write("migrations/r1.sql", "-- revision: r1\n" + revision("", "CREATE TABLE t (i, j);", "DROP TABLE t;"))
        self.assertEqual(self.project.run("upgrade").status, 0)

    def add(self, name, revises, up, down):
        self.project.write(f"migrations/{name}.sql", f"-- revision: {name}\n" + revision(revises, up, down))

    def test_what_brings_everything_back_is_proved_and_nothing_is_applied(self):
        self.add("r2", "r1", "ALTER TABLE t ADD COLUMN k;", "ALTER TABLE t DROP COLUMN k;")
        done = self.project.run("migrate", "rehearse")
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.out, r"\Ar2: up in \S+, down and up again bring everything back\n\Z")
        self.assertIn("Pending Migrations: 1", self.project.run("status").out)

    def test_nothing_pending_is_nothing_to_rehearse(self):
        done = self.project.run("migrate", "rehearse")
        self.assertEqual((done.status, done.out), (0, "nothing to rehearse\n"), done)

    def test_a_lossy_down_is_status_6_and_told_in_json(self):
        self.add("r2", "r1", "INSERT INTO t VALUES (1, 2);", "")
        done = self.project.run("migrate", "rehearse", "head", "--json")
        self.assertEqual(done.status, 6, done)
        answer = done.json()
        self.assertEqual((answer["success"], answer["failed"]), (False, None))
        told = answer["revisions"][0]
        self.assertEqual((told["revision"], told["proved"], told["reversible"], told["with_rows"]),
                         ("r2", False, True, True))
        self.assertEqual(told["lost"][0], "table t: of 0 rows 1 are there afterwards")

    def test_a_revision_that_fails_is_status_6_behind_those_that_did_not(self):
        self.add("r2", "r1", "CREATE TABLE u (i);", "DROP TABLE u;")
        self.add("r3", "r2", "INSERT INTO nowhere VALUES (1);", "")
        done = self.project.run("migrate", "rehearse")
        self.assertEqual(done.status, 6, done)
        self.assertIn("r2: up in ", done.out)
        self.assertIn("error: the rehearsal of revision 'r3' failed: ", done.out)
        self.assertIn("no such table: nowhere", done.out)

    def test_a_statement_that_a_revision_may_not_hold_is_refused_with_its_line(self):
        self.add("r2", "r1", "ATTACH DATABASE 'other.db' AS other;", "")
        done = self.project.run("migrate", "rehearse")
        self.assertEqual(done.status, 2, done)
        self.assertIn("r2.sql:5", done.err)

    def test_what_is_of_a_later_version_is_refused_by_name(self):
        done = self.project.run("migrate", "rehearse", "--with-data", "b1")
        self.assertEqual(done.status, 2, done)
        self.assertIn("--with-data", done.err)
        for scratch, said in (("none", "'none' leaves no place to rehearse"),
                              ("schema", "'schema' is not in this version"),
                              ("{server: 'mysql://root@other/x'}", "'server' is not in this version")):
            self.project.write("etc/deployer.yml", f"database:\n  scratch: {scratch}\n")
            done = self.project.run("migrate", "rehearse")
            self.assertEqual(done.status, 2, done)
            self.assertIn(said, done.err)


class RehearseOnMariaDb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDb("--log-bin", "--binlog-format=ROW", "--server-id=1")
        cls.addClassCleanup(cls.server.__exit__)
        cls.state = pathlib.Path(tempfile.mkdtemp(prefix="deployer-state-"))  # all share the sandbox's template
        cls.addClassCleanup(shutil.rmtree, cls.state, True)
        cls.server.sql("CREATE DATABASE prod; CREATE DATABASE others; CREATE TABLE others.t (i INT)")
        cls.server.sql("CREATE TABLE books (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(50)); "
                       "INSERT INTO books (title) VALUES ('a'), ('b')", "prod")

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        self.project.state = self.state
        self.project.env["DATABASE_URL"] = f"mariadb://root@localhost/prod?socket={self.server.socket}"

    def position(self):
        return self.server.sql("SELECT @@gtid_binlog_pos; SHOW MASTER STATUS")

    def rehearse(self, up, down, *flags):
        self.project.write("migrations/r1.sql", "-- revision: r1\n" + revision("", up, down))
        before = self.position()
        done = self.project.run("migrate", "rehearse", *flags)
        self.assertEqual(self.position(), before, "the server is untouched")
        return done

    def test_a_down_without_the_values_is_found_lossy(self):
        done = self.rehearse("ALTER TABLE books DROP COLUMN title;", "ALTER TABLE books ADD COLUMN title VARCHAR(50);")
        self.assertEqual(done.status, 6, done)
        self.assertIn("  table books: the values of title are others\n", done.out)

    def test_hostile_revisions_reach_nothing(self):
        done = self.rehearse("CREATE USER IF NOT EXISTS evil@localhost;\nGRANT ALL ON *.* TO evil@localhost;\n"
                             "SET GLOBAL max_connections = 11;\nDROP TABLE prod.books;", None)
        self.assertEqual(done.status, 0, done)
        done = self.rehearse("DROP TABLE others.t;", None)
        self.assertEqual(done.status, 6, done)
        self.assertIn("others.t", done.out)
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'evil'").strip(), "0")

    def test_a_killed_rehearsal_leaves_nothing_running(self):
        self.project.write("migrations/r1.sql", "-- revision: r1\n" + revision("", "SELECT SLEEP(60);", ""))
        before = self.position()
        runner = self.project.start("migrate", "rehearse")
        home = wait_for(lambda: sandbox_of(runner.pid), 60)
        wait_for((home / "server" / "socket").exists, 60)
        self.assertGreaterEqual(len(processes_of(home)), 2)
        runner.kill()
        runner.communicate()
        wait_for(lambda: not processes_of(home))
        wait_for(lambda: not home.exists())
        self.assertEqual(self.position(), before)


def variables_of(pid):
    try:
        return dict(line.split("=", 1) for line in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if line)
    except (OSError, ValueError):
        return {}


def pids():
    return [int(folder.name) for folder in pathlib.Path("/proc").iterdir() if folder.name.isdigit()]


def sandbox_of(runner):
    """The folder of the sandbox that a runner has started, or nothing."""
    for pid in pids():
        try:
            parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        home = variables_of(pid).get("DEPLOYER_SANDBOX") if parent == runner else None
        if home:
            return pathlib.Path(home)
    return None


def processes_of(home):
    return [pid for pid in pids() if variables_of(pid).get("DEPLOYER_SANDBOX") == str(home)]


if __name__ == "__main__":
    unittest.main()
