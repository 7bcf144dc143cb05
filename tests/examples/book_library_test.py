"""The sample service: its releases on its migrations, on SQLite and on a real MariaDB, and its dependency's wheels."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "book-library"
PYTHON = "/usr/bin/python3"  # the one that Debian's packages (PyMySQL) are for

sys.path.insert(0, str(EXAMPLE))
sys.dont_write_bytecode = True
from service.database import Database  # noqa: E402

NEEDS = {"1": "1.0.0", "2": "2.0.0", "3": "2.1.0"}  # release to the version of bookformat
HISTORY = """CREATE TABLE deployer_migrations
  (revision VARCHAR(100) PRIMARY KEY, down_revision VARCHAR(250), state VARCHAR(20) NOT NULL)"""


def build_wheels(folder):
    return subprocess.run([PYTHON, EXAMPLE / "build-wheels.py", folder], capture_output=True, text=True, check=True)


def wheel(folder, version):
    return folder / f"bookformat-{version}-py3-none-any.whl"


def sections(revision):
    """The up and the down section of a revision's file."""
    [file] = (EXAMPLE / "migrations").glob(f"{revision}_*.sql")
    head, up_and_down = file.read_text(encoding="utf-8").split("-- migrate:up\n")
    return head, *up_and_down.split("-- migrate:down\n")


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="book-library-"))
        self.addCleanup(shutil.rmtree, self.folder)


class Wheels(Folder):
    def test_the_same_sources_give_the_same_bytes(self):
        for name in ("first", "second"):
            build_wheels(self.folder / name)
        names = [f"bookformat-{version}-py3-none-any.whl" for version in ("1.0.0", "2.0.0", "2.1.0")]
        self.assertEqual(sorted(path.name for path in (self.folder / "first").iterdir()), names)
        for name in names:
            self.assertEqual((self.folder / "first" / name).read_bytes(), (self.folder / "second" / name).read_bytes())

    def test_a_release_installs_its_version_into_a_virtual_environment_without_a_network(self):
        build_wheels(self.folder)
        subprocess.run([PYTHON, "-m", "venv", self.folder / "venv"], check=True)
        python = self.folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
                        "--find-links", self.folder, "-r", EXAMPLE / "releases" / "2" / "requirements.txt"], check=True)
        shown = subprocess.run([python, "-c", "import bookformat, importlib.metadata as m;"
                                "print(bookformat.__version__, m.version('bookformat'))"],
                               capture_output=True, text=True, check=True)
        self.assertEqual(shown.stdout, "2.0.0 2.0.0\n")

    def test_a_folder_that_cannot_be_made_is_an_error_and_leaves_nothing(self):
        (self.folder / "file").write_text("")
        done = subprocess.run([PYTHON, EXAMPLE / "build-wheels.py", self.folder / "file"], capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["file"])

    def test_a_version_that_is_not_the_name_of_its_folder_is_refused(self):
        example = self.folder / "example"
        (example / "bookformat" / "3.0.0").mkdir(parents=True)
        shutil.copy(EXAMPLE / "build-wheels.py", example)
        module = example / "bookformat" / "3.0.0" / "bookformat.py"
        module.write_text('__version__ = "2.9.0"\n')
        done = subprocess.run([PYTHON, example / "build-wheels.py", self.folder / "out"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr, list((self.folder / "out").iterdir())),
                         (1, f"{module}: __version__ is not 3.0.0, the name of its folder\n", []))


class Service:
    """A release that runs, and one connection to it that stays open."""

    def __init__(self, release, url, paths, folder):
        self.log = open(folder / f"release-{release}.log", "wb")
        environment = {"DATABASE_URL": url, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1",
                       "PYTHONPATH": os.pathsep.join(map(str, paths))}
        self.process = subprocess.Popen([PYTHON, EXAMPLE / "releases" / release / "app.py", "--port", "0"], cwd=folder,
                                        env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.ready = self.process.stdout.readline()
        self.port = int(self.ready.rpartition(":")[2])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body.encode() if isinstance(body, str) else body)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def get(self, path):
        return self.ask("GET", path)

    def end(self):
        """Exit status and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        return status, time.monotonic() - began

    def close(self):
        self.connection.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Sqlite:
    """One database file, migrated by its sections alone."""

    def __init__(self, folder):
        self.file = folder / "library.db"
        self.url = f"sqlite:///{self.file}"

    def script(self, text):
        with contextlib.closing(sqlite3.connect(self.file)) as database:
            database.executescript(text)

    def rows(self):
        """The text of the schema, and every row of every table but the history."""
        with contextlib.closing(sqlite3.connect(self.file)) as database:
            schema = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                      if row[0] != "deployer_migrations"]
            return schema, {table: database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
                            for table in sorted(tables)}


class MariaDb:
    """A server of this test's own."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="book-library-"))
        self.socket = self.folder / "s.sock"
        root = os.geteuid() == 0
        if root:
            self.folder.chmod(0o711)
        user = ["--user=nobody"] if root else []
        if root:
            shutil.chown(self.folder, "nobody")
        # A folder for temporary files of its own: a server that starts clears it, also of what another one works with.
        subprocess.run(["mariadb-install-db", "--no-defaults", "--force", *user, f"--datadir={self.folder / 'data'}",
                        "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"],
                       check=True, capture_output=True, env={**os.environ, "TMPDIR": str(self.folder)})
        self.server = subprocess.Popen(
            [shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", *user,
             f"--datadir={self.folder / 'data'}", f"--socket={self.socket}", f"--pid-file={self.folder / 'm.pid'}",
             f"--log-error={self.folder / 'err.log'}", f"--tmpdir={self.folder}", "--skip-networking",
             "--innodb-buffer-pool-size=16M",
             "--innodb-log-file-size=8M", "--performance-schema=OFF", "--character-set-server=utf8mb4"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while subprocess.run([*self.client(), "-e", "SELECT 1"], capture_output=True).returncode:
            if time.monotonic() > until or self.server.poll() is not None:
                raise AssertionError((self.folder / "err.log").read_text())
            time.sleep(0.05)

    def client(self):
        return ["mariadb", "--no-defaults", "-S", str(self.socket), "-uroot", "--default-character-set=utf8mb4"]

    def close(self):
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.folder)


class MariaDbSchema:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.url = f"mysql+pymysql://root@localhost/{name}?unix_socket={server.socket}"
        subprocess.run([*server.client(), "-e", f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}"], check=True)

    def script(self, text):
        subprocess.run([*self.server.client(), self.name], input=text, text=True, check=True)

    def rows(self):
        done = subprocess.run(["mariadb-dump", "--no-defaults", "-S", self.server.socket, "-uroot", "--skip-comments",
                               "--complete-insert", "--order-by-primary",
                               f"--ignore-table={self.name}.deployer_migrations", self.name],
                              capture_output=True, text=True, check=True)
        return done.stdout


class Library(Folder):
    """What is common to the tests below."""

    def setUp(self):
        super().setUp()
        build_wheels(self.folder / "wheels")
        self.database = self.new_database()

    def new_database(self):
        return Sqlite(self.folder)

    def migrate(self, *revisions):
        if revisions[0] == "0001":
            self.database.script(HISTORY)
        for revision in revisions:
            down_revision = f"'{int(revision) - 1:04}'" if revision != "0001" else "NULL"
            self.database.script(sections(revision)[1])
            self.database.script(
                f"INSERT INTO deployer_migrations VALUES ('{revision}', {down_revision}, 'applied')")

    def take_back(self, revision):
        self.database.script(sections(revision)[2])
        self.database.script(f"DELETE FROM deployer_migrations WHERE revision = '{revision}'")

    def start(self, release, version=None):
        """With its own version of bookformat unless said otherwise; "none": with none."""
        wanted = version or NEEDS[release]
        paths = [] if wanted == "none" else [wheel(self.folder / "wheels", wanted)]
        service = Service(release, self.database.url, paths, self.folder)
        self.addCleanup(service.close)
        return service


class OnSqlite(Library):
    def healthy(self, release, revision, is_up_to_date=True):
        return 200, {"status": "healthy", "release": release, "database": "connected",
                     "migrations": {"current_revision": revision, "is_up_to_date": is_up_to_date}, "problems": []}

    def test_each_good_release_is_healthy_on_its_own_schema(self):
        self.migrate("0001")
        one = self.start("1")
        self.assertEqual(one.get("/health"), self.healthy("1", "0001"))
        self.assertEqual(one.get("/books")[1]["items"][0], {
            "id": 1, "title": "Nineteen Eighty-Four", "author": "George Orwell",
            "line": "Nineteen Eighty-Four by George Orwell"})
        self.migrate("0002")
        self.assertEqual(one.get("/health"), self.healthy("1", "0002", is_up_to_date=False))
        two = self.start("2")
        self.assertEqual(two.get("/health"), self.healthy("2", "0002"))
        status, book = two.get("/books/4")
        self.assertEqual((status, book), (200, {
            "id": 4, "title": "Things Fall Apart", "author": "Chinua Achebe", "isbn": "9780385474542",
            "available": False, "citation": "Chinua Achebe: Things Fall Apart. ISBN 9780385474542", "reviews": []}))

    def test_names_beyond_ascii_arrive_whole(self):
        self.migrate("0001")
        self.assertEqual(self.start("1").get("/books/3")[1]["author"], "Gabriel García Márquez")

    def test_a_review_is_kept_and_shown(self):
        self.migrate("0001", "0002")
        service = self.start("2")
        status, added = service.ask("POST", "/reviews", '{"book_id": 4, "rating": 5, "body": "Ünforgettable"}')
        self.assertEqual((status, added), (201, {"id": 5}))
        [review] = service.get("/books/4")[1]["reviews"]
        self.assertRegex(review.pop("created_at"), r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        self.assertEqual(review, {"id": 5, "rating": 5, "body": "Ünforgettable"})

    def test_bad_requests_are_told_so_and_change_nothing(self):
        self.migrate("0001")
        service = self.start("1")
        before = self.database.rows()
        shape = "a review is a JSON object with book_id, rating and body"
        for body, status, reason in (
                ("", 400, shape), ("[]", 400, shape), ('{"book_id": 1}', 400, shape), (b"\xff", 400, shape),
                ('{"book_id": 1, "rating": "5"}', 400, "book_id and rating are numbers, body is a text"),
                ('{"book_id": true, "rating": 5}', 400, "book_id and rating are numbers, body is a text"),
                ('{"book_id": 1, "rating": 6}', 400, "rating is 1 to 5, body has at most 1000 characters"),
                ('{"book_id": 99, "rating": 5}', 404, "there is no book 99")):
            with self.subTest(body=body):
                self.assertEqual(service.ask("POST", "/reviews", body), (status, {"error": reason}))
        self.assertEqual(service.get("/books/99"), (404, {"error": "there is no book 99"}))
        self.assertEqual(service.get("/nothing"), (404, {"error": "there is nothing at GET /nothing"}))
        self.assertEqual(service.ask("POST", "/reviews", "x" * 70000),
                         (400, {"error": "Content-Length must be 0 to 65536"}))
        self.assertEqual(self.database.rows(), before)

    def test_release_3_is_broken_by_its_own_migration_and_the_way_back_makes_release_2_healthy(self):
        self.migrate("0001", "0002")
        before = self.database.rows()
        self.migrate("0003")
        three = self.start("3")
        self.assertEqual(three.get("/health"), (503, {
            "status": "unhealthy", "release": "3", "database": "connected",
            "migrations": {"current_revision": "0003", "is_up_to_date": True},
            "problems": ["cannot find a book: no such column: b.isbn"]}))
        self.assertEqual(three.get("/books")[1]["items"][2]["citation"],
                         "Gabriel García Márquez: One Hundred Years of Solitude (es). ISBN 9780060883287")
        self.assertEqual(three.get("/books/1"),
                         (503, {"error": "the database cannot answer: no such column: b.isbn"}))
        self.take_back("0003")
        self.assertEqual(self.database.rows(), before)
        self.assertEqual(self.start("2").get("/health"), self.healthy("2", "0002"))

    def test_the_way_back_from_release_2_leaves_the_rows_of_release_1(self):
        self.migrate("0001")
        before = self.database.rows()
        self.migrate("0002")
        self.take_back("0002")
        self.assertEqual(self.database.rows(), before)
        self.take_back("0001")
        self.assertEqual(list(self.database.rows()[1]), [])

    def test_a_schema_that_is_too_old_is_named_statement_by_statement(self):
        self.migrate("0001")
        status, health = self.start("2").get("/health")
        self.assertEqual((status, health["migrations"], health["problems"]), (
            503, {"current_revision": "0001", "is_up_to_date": False},
            ["cannot list books: no such table: loans", "cannot find a book: no such table: loans"]))

    def test_an_empty_database_is_connected_and_unhealthy(self):
        self.database.script("VACUUM")
        status, health = self.start("1").get("/health")
        self.assertEqual((status, health["database"], health["migrations"]["current_revision"], health["problems"]), (
            503, "connected", None, [
                "cannot list books: no such table: books", "cannot find a book: no such table: books",
                "cannot find reviews: no such table: reviews", "cannot add a review: no such table: reviews"]))

    def test_a_database_that_is_not_there_is_not_made(self):
        service = self.start("1")
        self.assertEqual(service.get("/health"), (503, {
            "status": "unhealthy", "release": "1", "database": "unreachable",
            "migrations": {"current_revision": None, "is_up_to_date": False},
            "problems": ["the database cannot be reached: unable to open database file"]}))
        self.assertEqual(service.get("/books"),
                         (503, {"error": "the database cannot answer: unable to open database file"}))
        self.assertFalse(self.database.file.exists())

    def test_another_version_of_the_dependency_or_none_is_unhealthy(self):
        self.migrate("0001", "0002")
        self.assertEqual(self.start("2", "1.0.0").get("/health")[1]["problems"],
                         ["bookformat 2.0.0 is needed, 1.0.0 is loaded"])
        without = self.start("2", "none")
        self.assertEqual(without.get("/health")[0], 503)
        self.assertEqual(without.get("/health")[1]["problems"], ["bookformat 2.0.0 is needed, none is installed"])
        self.assertEqual(without.get("/books"), (500, {"error": "internal error, see the log"}))

    def test_only_what_is_applied_counts_as_the_revision(self):
        self.migrate("0001", "0002")
        service = self.start("2")
        self.database.script("UPDATE deployer_migrations SET state = 'reverting' WHERE revision = '0002'")
        self.assertEqual(service.get("/health")[1]["migrations"], {"current_revision": "0001", "is_up_to_date": False})

    def test_two_heads_are_both_shown_and_a_merge_ends_them(self):
        self.migrate("0001", "0002")
        service = self.start("2")
        self.database.script("INSERT INTO deployer_migrations VALUES ('side', '0001', 'applied')")
        self.assertEqual(service.get("/health")[1]["migrations"],
                         {"current_revision": ["0002", "side"], "is_up_to_date": False})
        self.database.script("INSERT INTO deployer_migrations VALUES ('merged', '0002,side', 'applied')")
        self.assertEqual(service.get("/health")[1]["migrations"]["current_revision"], "merged")

    def test_a_database_restored_into_the_open_file_is_seen_at_once(self):
        self.migrate("0001")
        copy = sqlite3.connect(self.folder / "copy.db")
        self.addCleanup(copy.close)
        with contextlib.closing(sqlite3.connect(self.database.file)) as live:
            live.backup(copy)
        self.migrate("0002")
        two = self.start("2")
        one = self.start("1")
        self.assertEqual((two.get("/health")[0], one.get("/books")[0]), (200, 200))
        self.assertEqual(one.ask("POST", "/reviews", '{"book_id": 4, "rating": 1}')[0], 201)
        with contextlib.closing(sqlite3.connect(self.database.file)) as live:
            copy.backup(live)
        self.assertEqual(one.get("/health"), self.healthy("1", "0001"))
        self.assertEqual(one.get("/books/4")[1]["reviews"], [])
        self.assertEqual(two.get("/health")[1]["problems"],
                         ["cannot list books: no such table: loans", "cannot find a book: no such table: loans"])

    def test_reads_go_on_while_somebody_writes(self):
        self.migrate("0001")
        service = self.start("1")
        self.assertEqual(service.get("/books")[0], 200)
        with contextlib.closing(sqlite3.connect(self.database.file, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM reviews")
            self.assertEqual(service.get("/health"), self.healthy("1", "0001"))
            self.assertEqual(len(service.get("/books/1")[1]["reviews"]), 1)

    def test_sigterm_ends_it_in_less_than_a_second_though_a_client_stays_connected(self):
        self.migrate("0001")
        service = self.start("1")
        self.assertEqual(service.get("/health")[0], 200)
        with socket.create_connection(("127.0.0.1", service.port)) as silent:
            silent.sendall(b"POST /reviews HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
            status, seconds = service.end()
        self.assertEqual((status, service.process.stdout.read()), (0, "book-library 1 has ended\n"))
        self.assertLess(seconds, 1)
        self.assertRegex(service.ready, r"^book-library 1 is ready on http://127\.0\.0\.1:\d+\n$")

    def test_a_port_that_is_taken_and_a_bad_url_end_it_at_once(self):
        self.migrate("0001")
        service = self.start("1")
        for url, port, reason in (
                (self.database.url, service.port, "[Errno 98] Address already in use"),
                ("", 0, "DATABASE_URL is neither sqlite:///FILE nor mysql://USER:PASSWORD@HOST/NAME"),
                ("mysql://u:secret@h/n?chraset=x", 0, "DATABASE_URL has the unknown word 'chraset'")):
            done = subprocess.run([PYTHON, EXAMPLE / "releases" / "1" / "app.py", "--port", str(port)],
                                  env={"DATABASE_URL": url}, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", f"book-library: {reason}\n"))

    def test_a_relative_url_is_of_the_working_folder(self):
        self.migrate("0001")
        self.database.url = "sqlite:///library.db"
        self.assertEqual(self.start("1").get("/health")[0], 200)

    def test_what_the_writer_prints_is_in_the_database(self):
        self.migrate("0001")
        writer = subprocess.Popen([PYTHON, EXAMPLE / "writer.py", "--interval", "0.001"], stdout=subprocess.PIPE,
                                  text=True, env={"DATABASE_URL": self.database.url, "PYTHONDONTWRITEBYTECODE": "1"})
        printed = [writer.stdout.readline() for _ in range(3)]
        self.migrate("0002")
        printed.append(writer.stdout.readline())
        writer.send_signal(signal.SIGTERM)
        printed += writer.communicate()[0].splitlines(keepends=True)
        self.assertEqual(writer.returncode, 0)
        stored = [row[3] + "\n" for row in self.database.rows()[1]["reviews"] if row[3].startswith("written by ")]
        self.assertEqual(printed, stored)
        self.assertGreaterEqual(len(printed), 4)


class OnMariaDb(Library):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDb()
        cls.addClassCleanup(cls.server.close)

    def new_database(self):
        return MariaDbSchema(self.server, "library")

    def test_the_releases_do_the_same_as_on_sqlite(self):
        self.migrate("0001", "0002")
        before = self.database.rows()
        two = self.start("2")
        self.assertEqual(two.get("/health"), (200, {
            "status": "healthy", "release": "2", "database": "connected",
            "migrations": {"current_revision": "0002", "is_up_to_date": True}, "problems": []}))
        self.assertEqual(two.get("/books/3")[1]["citation"],
                         "Gabriel García Márquez: One Hundred Years of Solitude. ISBN 9780060883287")
        self.migrate("0003")
        status, health = self.start("3").get("/health")
        self.assertEqual((status, len(health["problems"])), (503, 1))
        self.assertRegex(health["problems"][0], r"^cannot find a book: Unknown column 'b\.isbn' in ")
        self.take_back("0003")
        self.assertEqual(self.database.rows(), before)
        self.assertEqual(two.get("/health")[0], 200)
        self.assertEqual(two.ask("POST", "/reviews", '{"book_id": 4, "rating": 5, "body": "é"}'), (201, {"id": 5}))
        self.assertEqual(two.get("/books/4")[1]["reviews"][0]["body"], "é")
        self.take_back("0002")
        self.take_back("0001")

    def test_a_connection_that_the_server_has_closed_is_opened_again(self):
        self.migrate("0001")
        service = self.start("1")
        self.assertEqual(service.get("/health")[0], 200)
        found = subprocess.run([*self.server.client(), "-BNe",
                                "SELECT id FROM information_schema.processlist WHERE db = 'library'"],
                               capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(len(found), 1)
        subprocess.run([*self.server.client(), "-e", f"KILL {found[0]}"], check=True)
        self.assertEqual(service.get("/health")[0], 200)

    def test_a_schema_that_is_not_there_is_unreachable(self):
        self.database.url = self.database.url.replace("/library?", "/absent?")
        status, health = self.start("1").get("/health")
        self.assertEqual((status, health["database"], health["problems"]), (
            503, "unreachable", ["the database cannot be reached: Unknown database 'absent'"]))


class Urls(unittest.TestCase):
    def test_an_unknown_scheme_is_refused_and_the_password_not_shown(self):
        with self.assertRaises(ValueError) as raised:
            Database("postgres://u:secret@h/n")
        self.assertNotIn("secret", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
